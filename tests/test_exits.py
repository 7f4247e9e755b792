"""Every command ends with an exit code that says whose fault it is, and leaves no program of its own running."""

import signal
from typing import Any

import pytest

from fixtures import exits, process
from fixtures.errors import CannotSee, ConformanceError, Refused, UsageError


@pytest.mark.parametrize(
    ("error", "code"), [(UsageError("a", "b"), 2), (Refused("a", "b"), 12), (CannotSee("a", "b"), 11)]
)
def test_an_error_is_told_with_its_remedy(error: ConformanceError, code: int, capsys: Any) -> None:
    def fail() -> int:
        raise error

    assert exits.ended(fail) == code
    assert capsys.readouterr().err == "error: a\n  → b\n"


def test_a_person_who_ends_it_is_told(capsys: Any) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert exits.ended(interrupted, interrupted="interrupted: no figures") == 11
    assert capsys.readouterr().err == "interrupted: no figures\n"


def test_programs_of_the_command_end_and_others_do_not() -> None:
    other, started = process.start(["sleep", "60"]), []

    def forget() -> int:
        started.append(process.start(["sleep", "60"]))
        return 0

    assert exits.ended(forget) == 0
    assert started[0].returncode == -signal.SIGTERM
    assert other.poll() is None
    process.stop(other)
