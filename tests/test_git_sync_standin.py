"""The git-sync stand-in against a local bare repository; what git-sync itself does is in its main.go, v4.1.0."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.paths import ROOT
from tests.repositories import QUIET, bare, commit, git

PROGRAM = ROOT / "images" / "git-sync" / "git_sync.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("git_sync", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["git_sync"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


git_sync = load()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    repository = bare(tmp_path / "origin.git")
    commit(repository, {"dags/a.py": "1\n"})
    return repository


def environment(origin: Path | str, root: Path, **more: str) -> dict[str, str]:
    """What the chart gives the container, as far as it matters here."""
    return {
        "GITSYNC_REPO": str(origin),
        "GIT_SYNC_REPO": str(origin),
        "GITSYNC_REF": "v2-2-stable",
        "GIT_SYNC_REV": "HEAD",
        "GIT_SYNC_BRANCH": "main",
        "GITSYNC_ROOT": str(root),
        "GIT_SYNC_ROOT": str(root),
        "GITSYNC_LINK": "repo",
        "GIT_SYNC_DEST": "repo",
        "GITSYNC_DEPTH": "1",
        "GITSYNC_MAX_FAILURES": "0",
        "GIT_SYNC_MAX_SYNC_FAILURES": "0",
        **more,
    }


def old_environment(origin: Path | str, root: Path, **more: str) -> dict[str, str]:
    """What chart 1.11.0 gives the container, as far as it matters here."""
    return {
        "GIT_SYNC_REV": "HEAD",
        "GIT_SYNC_BRANCH": "main",
        "GIT_SYNC_REPO": str(origin),
        "GIT_SYNC_DEPTH": "1",
        "GIT_SYNC_ROOT": str(root),
        "GIT_SYNC_DEST": "repo",
        "GIT_SYNC_ADD_USER": "true",
        "GIT_SYNC_WAIT": "5",
        "GIT_SYNC_MAX_SYNC_FAILURES": "0",
        **more,
    }


def run_once(environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT")}
    full = {**clean, "LC_ALL": QUIET["LC_ALL"], **environ, "GIT_SYNC_ONE_TIME": "true"}
    return subprocess.run([sys.executable, str(PROGRAM)], env=full, capture_output=True, text=True, timeout=60)


def messages(text: str) -> list[str]:
    return [json.loads(line)["msg"] for line in text.splitlines() if line.startswith("{")]


class Running:
    """The program as the sidecar runs it; waits read its log, so nothing sleeps."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT")}
        self._child = subprocess.Popen(
            [sys.executable, str(PROGRAM)], env={**clean, **environ}, stderr=subprocess.PIPE, text=True
        )

    def until(self, message: str) -> dict[str, Any]:
        """The next log line with a message; the pytest timeout bounds the wait."""
        assert self._child.stderr is not None
        seen = []
        for line in self._child.stderr:
            seen.append(line)
            if line.startswith("{") and json.loads(line)["msg"] == message:
                return dict(json.loads(line))
        raise AssertionError(f"ended with code {self._child.wait()} before {message!r}:\n{''.join(seen)}")

    def end(self) -> int:
        self._child.send_signal(signal.SIGTERM)
        return self._child.wait(timeout=30)

    def wait(self) -> int:
        return self._child.wait(timeout=30)


@pytest.fixture
def sidecar(origin: Path, tmp_path: Path) -> Iterator[Running]:
    running = Running(environment(origin, tmp_path / "git", GIT_SYNC_WAIT="0.1", GITSYNC_MAX_FAILURES="-1"))
    yield running
    running.end()


@pytest.mark.parametrize(
    ("environ", "ref", "note"),
    [
        ({}, "HEAD", None),
        ({"GITSYNC_REF": "tag"}, "tag", None),
        (
            {"GITSYNC_REF": "v2", "GIT_SYNC_BRANCH": "main", "GIT_SYNC_REV": "HEAD"},
            "main",
            "--ref from deprecated --branch",
        ),
        ({"GITSYNC_REF": "v2", "GIT_SYNC_BRANCH": "main"}, "main", "--ref from deprecated --branch"),
        ({"GITSYNC_REF": "v2", "GIT_SYNC_BRANCH": "main", "GIT_SYNC_REV": "abc"}, "abc", "--ref from deprecated --rev"),
        ({"GITSYNC_REF": "v2", "GIT_SYNC_REV": "abc"}, "abc", "--ref from deprecated --rev"),
    ],
)
def test_precedence_of_branch_revision_and_ref(environ: dict[str, str], ref: str, note: str | None) -> None:
    found = git_sync.options({"GITSYNC_REPO": "r", **environ})
    assert found.ref == ref
    assert found.notes == ((f"setting {note}",) if note else ())


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 10),
        ({"GITSYNC_PERIOD": "60s"}, 60),
        ({"GITSYNC_PERIOD": "1m"}, 60),
        ({"GITSYNC_PERIOD": "24h"}, 86400),
        ({"GITSYNC_PERIOD": "1m30s"}, 90),
        ({"GITSYNC_PERIOD": "1.5s"}, 1.5),
        ({"GITSYNC_PERIOD": "250ms"}, 0.25),
        ({"GITSYNC_PERIOD": "5s", "GIT_SYNC_WAIT": "60"}, 60),
        ({"GITSYNC_PERIOD": "5s", "GIT_SYNC_WAIT": "0.5"}, 0.5),
        ({"GITSYNC_PERIOD": "5s", "GIT_SYNC_WAIT": "0"}, 5),
        ({"GITSYNC_PERIOD": "5s", "GIT_SYNC_WAIT": ""}, 5),
    ],
)
def test_wait_wins_over_period(environ: dict[str, str], seconds: float) -> None:
    assert git_sync.options({"GITSYNC_REPO": "r", **environ}).period == pytest.approx(seconds)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
def test_durations_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert git_sync.duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"GITSYNC_REPO": ""}, "--repo must be specified"),
        ({"GITSYNC_PERIOD": "60"}, "invalid duration '60'"),
        ({"GITSYNC_PERIOD": "5x"}, "invalid duration"),
        ({"GITSYNC_PERIOD": "1ms"}, "at least 10ms"),
        ({"GIT_SYNC_WAIT": "soon"}, "invalid number 'soon'"),
        ({"GIT_SYNC_WAIT": "nan"}, "at least 10ms"),
        ({"GITSYNC_DEPTH": "-1"}, "--depth"),
        ({"GITSYNC_ONE_TIME": "maybe"}, "invalid boolean"),
        ({"GITSYNC_USERNAME": "u"}, "a username goes with a password"),
        ({"GITSYNC_PASSWORD": "p"}, "a username goes with a password"),
        ({"GITSYNC_USERNAME": "u", "GITSYNC_PASSWORD_FILE": "/nowhere"}, "can't read password file"),
        ({"GITSYNC_SUBMODULES": "some"}, "--submodules"),
    ],
)
def test_senseless_variables_are_refused(environ: dict[str, str], message: str) -> None:
    with pytest.raises(git_sync.ConfigError, match=message):
        git_sync.options({"GITSYNC_REPO": "r", **environ})


def test_both_families_of_names_are_read() -> None:
    old = {"GIT_SYNC_REPO": "r", "GIT_SYNC_ROOT": "/x", "GIT_SYNC_DEST": "d", "GIT_SYNC_DEPTH": "3"}
    old |= {"GIT_SYNC_MAX_SYNC_FAILURES": "-1", "GIT_SYNC_USERNAME": "u", "GIT_SYNC_PASSWORD": "p"}
    old |= {"GIT_SYNC_TIMEOUT": "7", "GIT_SYNC_ONE_TIME": "true", "GIT_SSH_KEY_FILE": "/k", "GIT_KNOWN_HOSTS": "false"}
    found = git_sync.options(old)
    assert (found.repo, str(found.root), found.link, found.depth, found.max_failures) == ("r", "/x", "d", 3, -1)
    assert (found.username, found.password, found.sync_timeout, found.one_time) == ("u", "p", 7, True)
    assert (str(found.ssh_key_file), found.known_hosts) == ("/k", False)
    assert "p" not in repr(found).split("username='u'")[1].split("ssh=")[0]


def test_the_older_names_alone_mean_git_sync_3() -> None:
    """Its defaults (README of branch v3.x); charts before 1.13 give no others."""
    found = git_sync.options({"GIT_SYNC_REPO": "https://git.example.com/x.git", "HOME": "/tmp", "GIT_SYNC_WAIT": ""})
    assert (found.ref, found.depth, str(found.root), found.link) == ("master", 0, "/tmp/git", "x.git")
    assert (found.period, found.sync_timeout, found.one_time) == (1, 120, False)
    assert (found.max_failures, found.worktrees, found.notes) == (1, "", ())


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GIT_SYNC_BRANCH": "main", "GIT_SYNC_REV": "HEAD"}, {"ref": "main"}),
        ({"GIT_SYNC_BRANCH": "main", "GIT_SYNC_REV": "v1"}, {"ref": "v1"}),
        ({"GIT_SYNC_WAIT": "0"}, {"period": 0}),
        ({"GIT_SYNC_WAIT": "0.5"}, {"period": 0.5}),
        ({"GIT_SYNC_MAX_SYNC_FAILURES": "5"}, {"max_failures": 6}),
        ({"GIT_SYNC_MAX_SYNC_FAILURES": "-1"}, {"max_failures": -1}),
        ({"GIT_SYNC_BRANCH": "main", "GITSYNC_REF": "v1"}, {"ref": "main", "depth": 1, "worktrees": ".worktrees"}),
    ],
)
def test_git_sync_3_reads_its_own_names(environ: dict[str, str], expected: dict[str, object]) -> None:
    found = git_sync.options({"GIT_SYNC_REPO": "r", **environ})
    assert {name: getattr(found, name) for name in expected} == expected


def test_git_sync_3_refuses_an_interval_that_is_none() -> None:
    with pytest.raises(git_sync.ConfigError):
        git_sync.options({"GIT_SYNC_REPO": "r", "GIT_SYNC_WAIT": "-1"})


def test_git_sync_3_keeps_its_checkouts_at_the_root(origin: Path, tmp_path: Path) -> None:
    root = tmp_path / "git"
    environ = old_environment(origin, root)
    done = run_once(environ)
    assert done.returncode == 0, done.stderr
    first = git(origin, "rev-parse", "main")
    assert (root / "repo").readlink() == Path(first)
    assert not [message for message in messages(done.stderr) if "deprecated" in message]
    second = commit(origin, {"dags/a.py": "2\n"})
    assert run_once(environ).returncode == 0
    assert (root / "repo").readlink() == Path(second)
    assert {entry.name for entry in root.iterdir()} == {".git", "repo", second}
    root.rename(tmp_path / "elsewhere")
    assert git(tmp_path / "elsewhere" / "repo", "rev-parse", "HEAD") == second


def test_an_old_volume_is_taken_over(origin: Path, tmp_path: Path) -> None:
    """git-sync promises that for 3 to 4 (v3-to-v4.md); the way back is the one of a rollback."""
    root, sha = tmp_path / "git", git(origin, "rev-parse", "main")
    for environ, place in (
        (old_environment(origin, root), Path(sha)),
        (environment(origin, root), Path(".worktrees") / sha),
        (old_environment(origin, root), Path(sha)),
    ):
        done = run_once(environ)
        assert done.returncode == 0, done.stderr
        assert (root / "repo").readlink() == place
        assert git(root / "repo", "status", "--porcelain") == ""
        assert [entry.name for entry in root.rglob("a.py")] == ["a.py"]


def test_git_sync_3_retries_as_often_as_it_is_told(tmp_path: Path) -> None:
    environ = old_environment(
        tmp_path / "nowhere.git", tmp_path / "git", GIT_SYNC_MAX_SYNC_FAILURES="2", GIT_SYNC_WAIT="0"
    )
    done = run_once(environ)
    assert messages(done.stderr).count("error syncing repo, will retry") == 2
    assert done.returncode == 1


def test_one_time_mode_checks_the_branch_out_and_ends(origin: Path, tmp_path: Path) -> None:
    done = run_once(environment(origin, tmp_path / "git"))
    assert done.returncode == 0, done.stderr
    sha = git(origin, "rev-parse", "main")
    link = tmp_path / "git" / "repo"
    assert link.readlink() == Path(".worktrees") / sha
    assert (link / "dags" / "a.py").read_text() == "1\n"
    assert "setting --ref from deprecated --branch" in messages(done.stderr)
    assert git(link, "rev-list", "--count", "HEAD") == "1"


def test_the_checkout_works_at_another_path(origin: Path, tmp_path: Path) -> None:
    run_once(environment(origin, tmp_path / "git"))
    (tmp_path / "git").rename(tmp_path / "elsewhere")
    assert git(tmp_path / "elsewhere" / "repo", "rev-parse", "HEAD") == git(origin, "rev-parse", "main")


def test_a_new_commit_replaces_the_link_and_the_old_checkout_goes(
    origin: Path, tmp_path: Path, sidecar: Running
) -> None:
    root = tmp_path / "git"
    first = sidecar.until("updated successfully")["remote"]
    second = commit(origin, {"dags/a.py": "2\n", "dags/b.py": "new\n"})
    assert sidecar.until("updated successfully")["remote"] == second
    assert (root / "repo" / "dags" / "a.py").read_text() == "2\n"
    third = commit(origin, {"dags/b.py": None})
    assert sidecar.until("updated successfully")["remote"] == third
    assert not (root / "repo" / "dags" / "b.py").exists()
    assert not (root / ".worktrees" / first).exists()
    assert sidecar.end() == 0


def test_a_rewritten_branch_is_followed(origin: Path, sidecar: Running) -> None:
    first = sidecar.until("updated successfully")["remote"]
    commit(origin, {"dags/a.py": "2\n"})
    sidecar.until("updated successfully")
    git(origin, "update-ref", "refs/heads/main", first)
    assert sidecar.until("updated successfully")["remote"] == first


def test_a_damaged_checkout_is_made_again(origin: Path, tmp_path: Path) -> None:
    root = tmp_path / "git"
    run_once(environment(origin, root))
    (root / "repo" / ".git").unlink()
    (root / "tmp-link").symlink_to("leftover")
    assert run_once(environment(origin, root)).returncode == 0
    assert (root / "repo" / "dags" / "a.py").read_text() == "1\n"


def test_a_root_that_is_no_repository_is_begun_anew(origin: Path, tmp_path: Path) -> None:
    root = tmp_path / "git"
    (root / ".git").mkdir(parents=True)
    (root / ".git" / "shallow.lock").touch()
    (root / "rest").mkdir()
    assert run_once(environment(origin, root)).returncode == 0
    assert not (root / "rest").exists()


@pytest.mark.parametrize("ref", ["v1", "annotated"])
def test_tags_are_checked_out(origin: Path, tmp_path: Path, ref: str) -> None:
    sha = git(origin, "rev-parse", "main")
    git(origin, "tag", "v1", sha)
    git(origin, "-c", "user.name=t", "-c", "user.email=t@example.com", "tag", "-a", "-m", "x", "annotated", sha)
    commit(origin, {"dags/a.py": "2\n"})
    assert run_once(environment(origin, tmp_path / "git", GIT_SYNC_BRANCH=ref)).returncode == 0
    assert (tmp_path / "git" / "repo").readlink().name == sha


def test_a_commit_is_checked_out_and_then_nothing_more_happens(origin: Path, tmp_path: Path) -> None:
    sha = git(origin, "rev-parse", "main")
    commit(origin, {"dags/a.py": "2\n"})
    running = Running(environment(origin, tmp_path / "git", GIT_SYNC_BRANCH="", GIT_SYNC_REV=sha))
    running.until("ref appears to be a git hash, no further sync needed")
    assert (tmp_path / "git" / "repo").readlink().name == sha
    assert running.end() == 0


def test_depth_zero_fetches_all_history_even_into_a_shallow_repository(origin: Path, tmp_path: Path) -> None:
    commit(origin, {"dags/a.py": "2\n"})
    root = tmp_path / "git"
    served = f"file://{origin}"  # a plain path would ignore the depth
    run_once(environment(served, root))
    assert git(root / "repo", "rev-list", "--count", "HEAD") == "1"
    run_once(environment(served, root, GITSYNC_DEPTH="0"))
    assert git(root / "repo", "rev-list", "--count", "HEAD") == "2"


def test_the_first_failure_ends_it_by_default(tmp_path: Path) -> None:
    done = run_once(environment(tmp_path / "nowhere.git", tmp_path / "git"))
    assert done.returncode == 1
    assert "too many failures, aborting" in messages(done.stderr)
    assert not (tmp_path / "git" / "repo").exists()


def test_failures_up_to_the_maximum_are_retried(tmp_path: Path) -> None:
    done = run_once(
        environment(tmp_path / "nowhere.git", tmp_path / "git", GITSYNC_MAX_FAILURES="3", GIT_SYNC_WAIT="0.02")
    )
    assert messages(done.stderr).count("error syncing repo, will retry") == 2
    assert done.returncode == 1


def test_minus_one_retries_for_ever_and_recovers(tmp_path: Path) -> None:
    origin = tmp_path / "late.git"
    running = Running(environment(origin, tmp_path / "git", GITSYNC_MAX_FAILURES="-1", GIT_SYNC_WAIT="0.05"))
    assert running.until("error syncing repo, will retry")["failCount"] == 1
    commit(bare(origin), {"dags/a.py": "1\n"})
    running.until("updated successfully")
    assert running.end() == 0


def test_what_has_no_effect_here_is_said(origin: Path, tmp_path: Path) -> None:
    done = run_once(environment(origin, tmp_path / "git", GITSYNC_EXECHOOK_COMMAND="/bin/true"))
    assert "variable has no effect in this stand-in" in messages(done.stderr)


def test_credentials_are_given_to_git_and_to_nobody_else(tmp_path: Path) -> None:
    environ = {"GITSYNC_REPO": "https://git.example.com/x.git", "GITSYNC_USERNAME": "u", "GITSYNC_PASSWORD": "s3cret"}
    sync = git_sync.Sync(git_sync.options(environ), tmp_path)
    sync.prepare()
    answer = sync.git("credential", "fill", stdin="url=https://git.example.com/x.git\n")
    assert "username=u" in answer and "password=s3cret" in answer
    assert (tmp_path / "credentials").stat().st_mode & 0o077 == 0
    assert git_sync.redacted("https://u:s3cret@git.example.com/x.git") == "https://u:REDACTED@git.example.com/x.git"


def test_a_key_for_ssh_is_used_where_there_is_one(tmp_path: Path) -> None:
    key, hosts = tmp_path / "ssh key", tmp_path / "known_hosts"
    environ = {"GITSYNC_REPO": "git@x:y.git", "GITSYNC_SSH": "true", "GITSYNC_SSH_KEY_FILE": str(key)}
    with pytest.raises(git_sync.ConfigError, match="can't access SSH key"):
        git_sync.Sync(git_sync.options(environ), tmp_path).prepare()
    key.touch()
    with pytest.raises(git_sync.ConfigError, match="known_hosts"):
        git_sync.Sync(git_sync.options({**environ, "GITSYNC_SSH_KNOWN_HOSTS_FILE": str(hosts)}), tmp_path).prepare()
    trusting = git_sync.Sync(git_sync.options({**environ, "GITSYNC_SSH_KNOWN_HOSTS": "false"}), tmp_path)
    trusting.prepare()
    assert f"-i '{key}'" in trusting._env["GIT_SSH_COMMAND"]
    assert "StrictHostKeyChecking=no" in trusting._env["GIT_SSH_COMMAND"]


def test_a_hanging_server_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/x.git"
        done = run_once(environment(address, tmp_path / "git", GIT_SYNC_TIMEOUT="1"))
    assert done.returncode == 1
    assert "not done within 1 s" in done.stderr
