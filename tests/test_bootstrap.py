"""From a bare Python to the suite's environment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fixtures import apt, bootstrap, locks
from fixtures.errors import HarnessError, Refused, UsageError
from fixtures.paths import ROOT, cache_dir


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_dir()


@pytest.fixture
def made(monkeypatch):
    """Replaces the making of environments; lists those that were made."""
    places: list[Path] = []

    def make(place: Path, say) -> None:
        (place / "bin").mkdir(parents=True, exist_ok=True)
        (place / "bin" / "python").touch()
        (place / ".complete").touch()
        places.append(place)

    monkeypatch.setattr(bootstrap, "make", make)
    return places


def test_an_environment_is_made_once(cache, made):
    python = bootstrap.environment(cache)
    assert bootstrap.environment(cache) == python
    assert len(made) == 1


def test_an_environment_without_its_stamp_is_made_anew(cache, made):
    python = bootstrap.environment(cache)
    (python.parent.parent / ".complete").unlink()
    bootstrap.environment(cache)
    assert len(made) == 2


def test_other_locked_packages_get_an_environment_of_their_own(cache, made, tmp_path, monkeypatch):
    first = bootstrap.environment(cache)
    other = tmp_path / "constraints.txt"
    other.write_text("other==1\n")
    monkeypatch.setattr(bootstrap, "CONSTRAINTS", other)
    assert bootstrap.environment(cache) != first


def test_two_runs_make_one_environment(cache, made, monkeypatch):
    begun, finish, make = threading.Event(), threading.Event(), bootstrap.make

    def slow(place: Path, say) -> None:
        begun.set()
        assert finish.wait(30)
        make(place, say)

    said = threading.Event()
    monkeypatch.setattr(bootstrap, "make", slow)
    monkeypatch.setattr(bootstrap, "progress", lambda: lambda text: said.set())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(bootstrap.environment, cache)
        assert begun.wait(30)
        second = pool.submit(bootstrap.environment, cache)
        assert said.wait(30), "the second run says that it waits"
        finish.set()
        assert first.result() == second.result()
    assert len(made) == 1


def test_a_real_environment_can_import_nothing_but_what_is_locked(cache, tmp_path, monkeypatch):
    empty = tmp_path / "constraints.txt"
    empty.write_text("# nothing\n")
    monkeypatch.setattr(bootstrap, "CONSTRAINTS", empty)
    python = bootstrap.environment(cache)
    assert subprocess.run([python, "-c", "import pytest"], capture_output=True, check=False).returncode != 0


def test_a_python_without_ensurepip_is_explained(monkeypatch):
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(apt.os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="ensurepip is missing") as error:
        bootstrap.require_venv(lambda text: None)
    assert "apt-get install python3" in error.value.remedy


def test_an_unknown_command_lists_the_commands(capsys):
    assert bootstrap.main(["conform"]) == 2
    assert "conformance, reproduce" in capsys.readouterr().err


def test_help_needs_no_environment(cache, made, capsys):
    assert bootstrap.main(["help"]) == 0
    assert "conformance" in capsys.readouterr().out
    assert made == []


def test_the_command_replaces_the_bootstrap_and_gets_the_arguments(cache, made, monkeypatch):
    replaced = []
    monkeypatch.setattr(bootstrap, "replace_process", lambda python, arguments: replaced.append(arguments) or 0)
    bootstrap.main(["test", "-k", "wait"])
    assert replaced == [["-m", "pytest", "tests", "-k", "wait"]]


def test_the_cache_is_removed(cache):
    (cache / "artifacts" / "thing").mkdir(parents=True)
    assert bootstrap.main(["clean-cache"]) == 0
    assert not cache.exists()


def test_the_cache_is_not_removed_under_a_run(cache, capsys):
    run = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(cache)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout.readline() == "held\n"
    assert bootstrap.main(["clean-cache"]) == 12
    assert "another run is using" in capsys.readouterr().err
    run.communicate("")
    assert bootstrap.main(["clean-cache"]) == 0


# Holds the cache, then becomes another program, as the bootstrap does.
HOLD = """
import os, sys
from pathlib import Path
from fixtures import bootstrap
bootstrap.hold_cache(Path(sys.argv[1]))
os.execv("/bin/sh", ["sh", "-c", "echo held; read line"])
"""


def test_the_cache_is_not_removed_under_a_kept_cluster(cache):
    (cache / "clusters" / "kept").mkdir(parents=True)
    with pytest.raises(Refused, match="kept"):
        bootstrap.clean_cache()


def test_a_run_does_not_start_while_the_cache_is_being_removed(cache):
    removing = locks.try_lock(cache / "in-use.lock")
    with pytest.raises(HarnessError, match="clean-cache"):
        bootstrap.hold_cache(cache)
    removing.release()


def test_a_relative_cache_directory_is_refused(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    with pytest.raises(UsageError, match="not an absolute path"):
        cache_dir()


def test_a_cache_directory_that_cannot_be_made_is_explained(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="cannot make the cache directory"):
        cache_dir()


def test_constraints_are_digests_without_addresses():
    text = bootstrap.CONSTRAINTS.read_text()
    assert "://" not in text
    for pinned in text.replace("\\\n", " ").splitlines():
        assert not pinned or pinned.startswith("#") or "--hash=sha256:" in pinned, pinned


def test_every_dependency_is_locked():
    import tomllib

    locked = bootstrap.CONSTRAINTS.read_text().lower().replace("_", "-")
    for dependency in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        name = dependency.partition(">")[0].partition("=")[0].lower()
        assert f"\n{name}==" in f"\n{locked}", dependency


def test_the_makefile_has_every_command_and_no_logic():
    lines = (ROOT / "Makefile").read_text().splitlines()
    targets = {line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith(".")}
    assert targets == set(bootstrap.commands())
    assert [line for line in lines if line.startswith("\t")] == [
        f"\t@sh fixtures/run {line.removesuffix(':')}" for line in lines if line.removesuffix(":") in targets
    ]


def test_a_machine_with_an_old_python_is_told_what_to_install(tmp_path):
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    for tool in ("dirname", "id"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    result = subprocess.run(
        ["/bin/sh", ROOT / "fixtures" / "run", "help"],
        env={"PATH": str(tmp_path), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "Python 3.11 or newer is needed" in result.stderr
