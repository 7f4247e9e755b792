"""A run that waits: how long the scheduler gets for its turns."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import BudgetExceeded
from fixtures.observations.queued import two_turns
from fixtures.progress import Progress
from fixtures.wait import Budgets, Waiter

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def beating(*beats: int) -> Any:
    """A release whose scheduler sent its latest heartbeat at these seconds, one look after the other."""
    seen = iter(beats)
    last = [0]

    def health() -> Any:
        last[0] = next(seen, last[0])
        return SimpleNamespace(scheduler=SimpleNamespace(heartbeat=NOON + timedelta(seconds=last[0])))

    waiter = Waiter(Progress(io.StringIO()), Budgets({"heartbeat": 0.1, "dag_run": 2.5}))
    return SimpleNamespace(airflow=SimpleNamespace(health=health), waiter=waiter)


def test_heartbeats_may_be_rare() -> None:
    """One that came before it was waited for says nothing of a turn since."""
    two_turns(beating(0, 30, 60))
    with pytest.raises(BudgetExceeded, match="two turns of the scheduler: the scheduler's last heartbeat"):
        two_turns(beating(0, 30))
