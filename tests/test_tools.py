"""The programs of the suite's own image."""

from __future__ import annotations

import base64
import json
import os
import smtplib
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from fixtures.paths import ROOT
from images.tools import smtp_sink
from tests.repositories import COMMIT, QUIET, bare, commit, git, run_commit


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return bare(tmp_path / "x.git")


def test_the_first_commit_makes_the_branch(repository: Path) -> None:
    sha = commit(repository, {"dags/a.py": "1\n", "dags/deep/b.py": "2\n"})
    assert git(repository, "rev-parse", "main") == sha
    assert git(repository, "ls-tree", "-r", "--name-only", "main").split() == ["dags/a.py", "dags/deep/b.py"]


def test_files_are_changed_added_and_deleted_in_one_commit(repository: Path) -> None:
    first = commit(repository, {"dags/a.py": "1\n", "dags/b.py": "2\n"})
    second = commit(repository, {"dags/a.py": "changed äß\n", "dags/b.py": None, "dags/c.py": ""})
    assert git(repository, "rev-parse", "main^") == first
    assert git(repository, "show", "main:dags/a.py") == "changed äß"
    assert git(repository, "ls-tree", "-r", "--name-only", second).split() == ["dags/a.py", "dags/c.py"]


def test_no_change_makes_no_commit(repository: Path) -> None:
    first = commit(repository, {"a": "1"})
    assert commit(repository, {"a": "1", "never-there": None}) == first


def test_another_branch_is_left_alone(repository: Path) -> None:
    first = commit(repository, {"a": "1"})
    commit(repository, {"a": "2"}, branch="other")
    assert git(repository, "rev-parse", "main") == first


def test_concurrent_commits_lose_nothing(repository: Path) -> None:
    commit(repository, {"a": "1"})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: commit(repository, {f"f{number}": "x"}), range(8)))
    assert len(git(repository, "ls-tree", "--name-only", "main").split()) == 9
    assert git(repository, "rev-list", "--count", "main") == "9"


@pytest.mark.parametrize(
    "changes",
    ["[]", "{}", "nonsense", '{"../x": null}', '{"/etc/x": null}', '{".git/config": null}', '{"a": "not base64"}'],
)
def test_senseless_changes_are_refused(repository: Path, changes: str) -> None:
    done = run_commit(repository, "--message", "m", changes)
    assert done.returncode == 2
    assert "commit: error:" in done.stderr
    assert git(repository, "for-each-ref") == ""


def test_changes_can_come_from_standard_input(repository: Path) -> None:
    large = base64.b64encode(b"x" * 300_000).decode()  # more than one argument may hold
    done = run_commit(repository, "--message", "m", "-", stdin=json.dumps({"large": large}))
    assert git(repository, "rev-parse", "main") == done.stdout.strip()


def test_a_missing_repository_is_an_error(tmp_path: Path) -> None:
    done = run_commit(tmp_path, "--message", "m", '{"a": null}')
    assert done.returncode != 0
    assert done.stdout == ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path, subprocess.Popen[str]]]:
    """The git server as the pod runs it: address, its repository, and the process."""
    source, programs, port = tmp_path / "dags", tmp_path / "bin", free_port()
    for directory in (source, programs, source / "..data"):
        directory.mkdir()
    (source / "..data" / "hello.py").write_text("hello\n")
    (source / "hello.py").symlink_to("..data/hello.py")  # as Kubernetes mounts a ConfigMap
    (programs / "commit").symlink_to(COMMIT)
    environ = {**os.environ, **QUIET, "GIT_ROOT": str(tmp_path), "DAGS": str(source), "GIT_PORT": str(port)}
    environ["PATH"] = f"{programs}:{environ['PATH']}"
    child = subprocess.Popen(
        ["sh", str(ROOT / "images" / "tools" / "git-server")],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    for line in child.stderr:
        if "Ready to rumble" in line:
            break
    yield f"git://127.0.0.1:{port}/airflow-dags.git", tmp_path / "airflow-dags.git", child
    child.terminate()
    child.communicate()


def test_the_git_server_serves_the_dags_and_logs_its_visitors(
    served: tuple[str, Path, subprocess.Popen[str]], tmp_path: Path
) -> None:
    address, repository, child = served
    git(tmp_path, "clone", "-q", "--branch", "main", address, "clone")
    assert (tmp_path / "clone" / "dags" / "hello.py").read_text() == "hello\n"
    assert [path.name for path in (tmp_path / "clone" / "dags").iterdir()] == ["hello.py"]
    assert child.stderr is not None
    assert any(" Connection from 127.0.0.1:" in line for line in child.stderr)
    sha = commit(repository, {"dags/hello.py": "changed\n"})
    git(tmp_path / "clone", "pull", "-q")
    assert git(tmp_path / "clone", "rev-parse", "HEAD") == sha


def test_the_git_server_takes_no_pushes(served: tuple[str, Path, subprocess.Popen[str]], tmp_path: Path) -> None:
    address, repository, _ = served
    git(tmp_path, "clone", "-q", "--branch", "main", address, "clone")
    before = git(repository, "rev-parse", "main")
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    git(tmp_path / "clone", *identity, "commit", "-q", "--allow-empty", "-m", "evil")
    with pytest.raises(subprocess.CalledProcessError):
        git(tmp_path / "clone", "push", "-q")
    assert git(repository, "rev-parse", "main") == before


class Sink:
    """A running mail sink."""

    def __init__(self) -> None:
        self.mailbox = smtp_sink.Mailbox()
        self._smtp = Controller(smtp_sink.Sink(self.mailbox), hostname="127.0.0.1", port=free_port())
        self._http = smtp_sink.http_server(self.mailbox, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._smtp.start()
        self._thread.start()

    def send(self, sender: str, *, html: str = "<p>Report attached</p>") -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, "team@example.com", "Daily Report ä"
        message.set_content("plain")
        message.add_alternative(html, subtype="html")
        with smtplib.SMTP("127.0.0.1", self._smtp.port, timeout=10) as client:
            client.send_message(message)

    def http(self, path: str, method: str = "GET") -> tuple[int, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self._http.server_address[1]}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def close(self) -> None:
        self._smtp.stop()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    running = Sink()
    yield running
    running.close()


def test_a_mail_can_be_read_over_http(sink: Sink) -> None:
    assert sink.http("/messages") == (200, [])
    sink.send("airflow@example.com")
    status, listed = sink.http("/messages")
    assert status == 200
    assert [(mail["number"], mail["from"], mail["to"], mail["subject"]) for mail in listed] == [
        (1, "airflow@example.com", ["team@example.com"], "Daily Report ä")
    ]
    _, mail = sink.http("/messages/1")
    html = [part["content"] for part in mail["parts"] if part["type"] == "text/html"]
    assert "Report attached" in html[0]


def test_a_sender_at_localhost_is_refused(sink: Sink) -> None:
    with pytest.raises(smtplib.SMTPSenderRefused) as caught:
        sink.send("airflow@localhost")
    assert caught.value.smtp_code == 550
    assert sink.http("/messages") == (200, [])


def test_mails_can_be_forgotten_and_numbers_are_not_used_twice(sink: Sink) -> None:
    sink.send("a@example.com")
    assert sink.http("/messages", "DELETE") == (200, [])
    sink.send("a@example.com")
    assert [mail["number"] for mail in sink.http("/messages")[1]] == [2]
    assert sink.http("/messages/1")[0] == 404


def test_other_paths_are_not_there(sink: Sink) -> None:
    for path in ("/", "/messages/x", "/messages/1/2"):
        assert sink.http(path)[0] == 404
    assert sink.http("/other", "DELETE")[0] == 404


def test_the_mailbox_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_sink, "KEPT", 3)
    mailbox = smtp_sink.Mailbox()
    for _ in range(5):
        mailbox.add("a@example.com", [], b"Subject: x\r\n\r\nbody")
    assert [mail["number"] for mail in mailbox.all()] == [3, 4, 5]
