"""Lines to the person who waits, on a terminal, in a log, and under pytest's capture."""

from __future__ import annotations

import io
import os
import pty
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.text import Text

from fixtures import process
from fixtures.outcome import Outcome
from fixtures.paths import ROOT
from fixtures.progress import PLAIN_WAIT_SECONDS, Progress


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plain(clock: Clock) -> tuple[Progress, io.StringIO]:
    stream = io.StringIO()
    return Progress(stream, clock=clock), stream


class Terminal:
    """A pseudo-terminal: what a program writes at one end, a person sees at the other."""

    def __init__(self) -> None:
        self._person, program = pty.openpty()
        self.stream = os.fdopen(program, "w")

    def seen(self) -> str:
        """Everything that was written; ends the terminal."""
        self.stream.flush()
        os.write(self.stream.fileno(), b"\x04")
        text = b""
        while not text.endswith(b"\x04"):
            text += os.read(self._person, 65536)
        self.stream.close()
        os.close(self._person)
        return text[:-1].decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield Terminal()


def test_a_pipe_gets_plain_lines(plain: tuple[Progress, io.StringIO], clock: Clock) -> None:
    progress, stream = plain
    with progress.phase("cluster"):
        clock.now += 12.3
        progress.step("node is ready\nand well")
        clock.now += 1.2
    progress.check("AF-POD-002", "kubernetes", Outcome.FAIL, 4.2, "no limits\nat all")
    progress.check("AF-UI-001", "celery", Outcome.PASS, 0.1, "not shown")
    assert stream.getvalue().splitlines() == [
        "▸ cluster …",
        "[  12.3 s] node is ready and well",
        "✓ cluster 13.5 s",
        "✗ fail        AF-POD-002   kubernetes    4.2 s  no limits at all",
        "✓ pass        AF-UI-001    celery        0.1 s",
    ]


def test_phases_are_recorded_also_when_they_fail(plain: tuple[Progress, io.StringIO], clock: Clock) -> None:
    progress, stream = plain
    clock.now += 2
    with pytest.raises(KeyboardInterrupt), progress.phase("install"):
        clock.now += 3
        raise KeyboardInterrupt
    assert [(phase.name, phase.begin, phase.seconds) for phase in progress.phases] == [("install", 2.0, 3.0)]
    assert stream.getvalue().endswith("✗ install 3.0 s\n")


def test_waiting_fills_no_log(plain: tuple[Progress, io.StringIO], clock: Clock) -> None:
    progress, stream = plain
    for second in range(25):
        progress.waiting(f"deployment/airflow-webserver: {second}")
        clock.now += 1
    assert len(stream.getvalue().splitlines()) == 1 + 24 // PLAIN_WAIT_SECONDS


def test_a_terminal_shows_one_line_that_replaces_itself(terminal: Terminal, clock: Clock) -> None:
    progress = Progress(terminal.stream, colour=False, clock=clock)
    progress.waiting("first " + "x" * 500)
    clock.now += 1
    progress.waiting("second")
    progress.step("done")
    seen = terminal.seen()
    assert seen.count("\n") == 1, "only the step ends its line"
    first, second, done = seen.removeprefix("\r\x1b[2K").split("\r\x1b[2K")
    assert "first" in first and len(first) < 80
    assert "second" in second
    assert done == "[   1.0 s] done\r\n"


def test_threads_that_wait_do_not_make_the_line_flicker(terminal: Terminal, clock: Clock) -> None:
    progress = Progress(terminal.stream, colour=False, clock=clock)
    progress.waiting("one")
    progress.waiting("other")
    assert "other" not in terminal.seen()


def test_close_leaves_no_live_line(terminal: Terminal) -> None:
    progress = Progress(terminal.stream)
    progress.waiting("for nothing")
    progress.close()
    progress.step("nobody hears this")
    seen = terminal.seen()
    assert seen.endswith("\r\x1b[2K")
    assert "nobody" not in seen


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_is_for_those_who_want_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    coloured = Terminal()
    Progress(coloured.stream).check("AF-UI-001", "celery", Outcome.FAIL, 1, "why")
    assert "\x1b[1;31m" in coloured.seen()
    monkeypatch.setenv(variable, value)
    Progress(terminal.stream).check("AF-UI-001", "celery", Outcome.FAIL, 1, "why")
    assert "\x1b[" not in terminal.seen()


def test_what_a_cluster_says_cannot_move_the_cursor(plain: tuple[Progress, io.StringIO]) -> None:
    progress, stream = plain
    progress.step("evil \x1b[2J\x1b]0;title\x07 \rtext")
    assert "\x1b" not in stream.getvalue() and "\r" not in stream.getvalue() and "\x07" not in stream.getvalue()


def test_everything_is_redacted() -> None:
    stream = io.StringIO()
    progress = Progress(stream, redact=lambda text: text.replace("hunter2", "***"))
    with progress.phase("hunter2"):
        progress.step("hunter2")
        progress.waiting("hunter2")
    progress.check("AF-UI-001", "celery", Outcome.FAIL, 1, "hunter2")
    progress.show(Text("hunter2"))
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("***") == 6


def test_lines_of_threads_stay_whole() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    together = threading.Barrier(8)

    def speak(name: str) -> None:
        together.wait()
        for number in range(50):
            progress.step(f"{name * 40} {number}")

    threads = [threading.Thread(target=speak, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 400
    assert all(len(set(line.split()[-2])) == 1 for line in lines)


def test_a_reader_who_leaves_does_not_stop_the_run() -> None:
    read, write = os.pipe()
    progress = Progress(os.fdopen(write, "w"))
    os.close(read)
    progress.step("one")
    with progress.phase("two"):
        progress.waiting("three")
    progress.show(Text("four"))
    assert [phase.name for phase in progress.phases] == ["two"]


def test_lines_appear_in_spite_of_capture(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        "from fixtures.progress import Progress\n"
        "def pytest_configure(config):\n"
        "    config.progress = Progress()\n"
    )
    (tmp_path / "test_it.py").write_text(
        "def test_it(request):\n"
        "    print('swallowed by capture')\n"
        "    request.config.progress.step('seen by the person')\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    result = process.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        deadline=60,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        cwd=tmp_path,
    )
    assert "seen by the person" in result.stdout
    assert "swallowed by capture" not in result.stdout
