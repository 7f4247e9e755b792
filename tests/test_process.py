"""Programs are started, fed, bounded and ended, with all their children."""

import os
import signal
import threading
from pathlib import Path

import pytest

from fixtures.errors import HarnessError
from fixtures.process import CommandFailed, CommandTimedOut, attached, run, start, stop, stop_all
from tests.stub_api import eventually


def test_both_streams_are_read() -> None:
    result = run(["sh", "-c", "echo out; echo err >&2"], deadline=10)
    assert (result.stdout, result.stderr, result.code) == ("out\n", "err\n", 0)


def test_standard_input_is_empty_unless_given() -> None:
    assert run(["cat"], deadline=10).stdout == ""
    assert run(["cat"], deadline=10, stdin="text").stdout == "text"


def test_a_program_that_does_not_read_is_no_error() -> None:
    assert run(["true"], deadline=10, stdin="x" * 1_000_000).code == 0


def test_failure_shows_the_last_lines() -> None:
    with pytest.raises(CommandFailed, match=r"(?s)exit code 3.*last words"):
        run(["sh", "-c", "echo last words; exit 3"], deadline=10)


def test_failure_can_be_left_to_the_caller() -> None:
    assert run(["false"], deadline=10, check=False).code == 1


def test_a_missing_program_is_named() -> None:
    with pytest.raises(HarnessError, match="no-such-program"):
        run(["no-such-program"], deadline=10)


def test_the_deadline_ends_children_too(tmp_path: Path) -> None:
    with pytest.raises(CommandTimedOut, match=r"still running after 2 s"):
        run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait"], deadline=2.0)
    status = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"


def test_cancelling_ends_a_program_early() -> None:
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    assert run(["sleep", "60"], deadline=60, cancelled=cancelled).code < 0


def test_lines_arrive_as_they_are_written() -> None:
    lines: list[str] = []
    run(["sh", "-c", "echo one; echo two"], deadline=10, on_line=lines.append)
    assert lines == ["one", "two"]


def test_variables_are_added_to_the_environment() -> None:
    result = run(["sh", "-c", 'echo "$ADDED $HOME"'], deadline=10, env={"ADDED": "yes"})
    assert result.stdout == f"yes {os.environ['HOME']}\n"


def test_an_attached_program_shares_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    assert attached(["sh", "-c", "echo here; exit 3"]) == 3
    assert capfd.readouterr().out == "here\n"


def test_an_interrupted_attached_program_cleans_up_first(tmp_path: Path) -> None:
    trapped = tmp_path / "trapped"

    def interrupt() -> None:
        eventually(trapped.exists)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        attached(["sh", "-c", f"trap 'touch {tmp_path}/cleaned; exit 0' TERM; touch {trapped}; sleep 60 & wait"])
    assert (tmp_path / "cleaned").exists()


def test_stop_all_ends_what_was_forgotten() -> None:
    child = start(["sleep", "60"])
    stop_all()
    assert child.poll() is not None
    stop(child)
