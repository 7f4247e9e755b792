"""Requests are counted, and held back where they come too fast."""

import threading
from time import monotonic

import pytest

from fixtures import pace
from fixtures.errors import HarnessError
from fixtures.pace import Limit, Pace


def test_without_a_limit_nothing_waits() -> None:
    counted = Pace()
    for _ in range(1000):
        counted.take(threading.Event())
    assert counted.requests == 1000
    assert counted.peak > 1


def test_more_than_a_seconds_worth_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(pace, "monotonic", lambda: clock[0])

    class Clock(threading.Event):
        """Waiting takes no time, and moves the clock."""

        def wait(self, timeout: float | None = None) -> bool:
            clock[0] += timeout or 0
            return False

    one, other = Pace(), Pace()
    one.limit = other.limit = Limit(10)
    for _ in range(25):
        one.take(Clock())
        other.take(Clock())
    assert clock[0] == pytest.approx(4.0), "the first ten came at once"
    assert one.peak + other.peak <= 22, "one second's worth at once, and one in the second after it"
    assert one.per_second == pytest.approx(6.25)


def test_the_end_of_the_run_ends_the_wait() -> None:
    counted, ended = Pace(), threading.Event()
    counted.limit = Limit(0.01)
    counted.limit.wait()
    ended.set()
    began = monotonic()
    with pytest.raises(HarnessError, match="the run ends"):
        counted.take(ended)
    assert monotonic() - began < 5
