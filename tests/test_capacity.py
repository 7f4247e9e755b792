"""How many tasks a release has room for at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.capacity import tasks_at_once
from fixtures.objects import Pod
from fixtures.settings import Executor


def release(executor: Executor, workers: int = 0, **options: str) -> Any:
    """A release of two schedulers and some workers; options without their sections."""
    pod = Pod({"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [{"name": "worker"}]}})
    return SimpleNamespace(
        executor=executor,
        running=lambda component: [pod] * (2 if component == "scheduler" else workers),
        pod=lambda component: pod,
        option=lambda section, key, default="", component="": options.get(key, default),
    )


@pytest.mark.parametrize(
    ("subject", "room"),
    [
        (release(Executor.KUBERNETES), {"[core] parallelism": 64}),
        (release(Executor.KUBERNETES, parallelism="0"), {}),
        (
            release(Executor.CELERY, 3, worker_concurrency="4", parallelism="8"),
            {"[core] parallelism": 16, "[celery] worker_concurrency of 3 workers": 12},
        ),
        (
            release(Executor.CELERY, 1, worker_autoscale="6,2", parallelism="0"),
            {"[celery] worker_autoscale of 1 workers": 6},
        ),
        (release(Executor.CELERY), {"[core] parallelism": 64}),
    ],
)
def test_room_is_what_schedulers_and_workers_declare(subject: Any, room: dict[str, int]) -> None:
    assert tasks_at_once(subject) == room
