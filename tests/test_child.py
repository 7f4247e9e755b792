"""A run in a process of its own: how it ended, also where it had to be ended."""

import signal
import sys
import threading
from pathlib import Path

import pytest

from fixtures import child
from tests.stub_api import eventually


@pytest.mark.usefixtures("stand_in")
def test_a_run_that_takes_too_long_has_the_time_to_write_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = child.process.run

    def until_begun(*arguments: object, cancelled: threading.Event, deadline: float, **more: object) -> object:
        """Ends like `process.run` at its deadline, which is when the run has begun."""
        assert deadline == child.LONGEST_RUN
        begun = threading.Event()
        thread = threading.Thread(target=lambda: (eventually((tmp_path / "begun").exists), begun.set()))
        thread.start()
        result = run(*arguments, cancelled=begun, deadline=60, **more)  # type: ignore[arg-type]
        thread.join()
        raise child.process.CommandTimedOut("it was still running", "", result)

    monkeypatch.setattr(child.process, "run", until_begun)
    ended = child.run({"CONTEXT": "slow"}, tmp_path, cancelled=threading.Event())
    assert ended.report is not None
    assert ended.code == 11


def test_a_run_that_is_killed_accuses_nobody_and_is_known_by_its_id(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = "print('[   0.0 s] run 20260101-120000-abcd: 1 requirements', flush=True); import time; time.sleep(60)"
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-c", code))
    ended = child.run({}, tmp_path, signalled=(signal.SIGKILL, 3.0))
    assert (ended.code, ended.run, ended.report) == (child.BROKEN, "20260101-120000-abcd", None)
    assert ended.seconds < 30
