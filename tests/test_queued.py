"""A run that waits: how long the scheduler gets for its turns."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import BudgetExceeded, CannotSee
from fixtures.observations.queued import end_late_pods, two_turns
from fixtures.progress import Progress
from fixtures.settings import Executor
from fixtures.wait import Budgets, Waiter

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def beating(*beats: int) -> Any:
    """A release whose scheduler sent its latest heartbeat at these seconds, one look after the other."""
    seen = iter(beats)
    last = [0]

    def health() -> Any:
        last[0] = next(seen, last[0])
        return SimpleNamespace(scheduler=SimpleNamespace(status="healthy", heartbeat=NOON + timedelta(seconds=last[0])))

    waiter = Waiter(Progress(io.StringIO()), Budgets({"heartbeat": 0.1, "dag_run": 2.5}))
    return SimpleNamespace(airflow=SimpleNamespace(health=health), waiter=waiter, executor=Executor.KUBERNETES)


def test_heartbeats_may_be_rare() -> None:
    """One that came before it was waited for says nothing of a turn since."""
    two_turns(beating(0, 30, 60))
    with pytest.raises(BudgetExceeded, match="two turns of the scheduler: the scheduler's last heartbeat"):
        two_turns(beating(0, 30))


@pytest.mark.parametrize(
    ("cut_short", "turns", "ended"),
    [
        (["a", "b"], 3, ["a", "b"]),
        ([], 0, []),
        (["a"], 1, ["a"]),
    ],
    ids=["the executor had its turn", "every run had ended", "nobody has a turn any more"],
)
def test_pods_that_come_after_their_run_was_taken_away_go_too(
    cut_short: list[str], turns: int, ended: list[str]
) -> None:
    gone: list[str] = []
    subject = beating(*range(0, 30 * turns + 1, 30))
    subject.cut_short, subject.cluster = cut_short, SimpleNamespace(end_task_pods=gone.append)
    assert end_late_pods(subject) == []
    assert gone == ended


def test_workers_of_celery_leave_no_pods() -> None:
    subject = beating()
    subject.executor, subject.cut_short = Executor.CELERY, ["a"]
    assert end_late_pods(subject) == []


def test_a_pod_that_may_be_left_is_told() -> None:
    def refuse(run_id: str) -> None:
        raise CannotSee("the API server is gone")

    subject = beating(0, 30, 60)
    subject.cut_short, subject.cluster = ["a"], SimpleNamespace(end_task_pods=refuse)
    assert end_late_pods(subject) == ["a task pod may be left behind: the API server is gone"]
