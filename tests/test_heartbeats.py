"""Who is taken for dead, and after how long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.observations.heartbeats import misjudged
from fixtures.settings import Executor


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, []),
        ({"scheduler_local_task_job_heartbeat_sec": "5"}, []),  # what only the scheduler has is not for tasks
        ({"worker_local_task_job_heartbeat_sec": "0"}, []),
        ({"worker_local_task_job_heartbeat_sec": "10"}, []),
        ({"worker_local_task_job_heartbeat_sec": "5"}, ["local_task_job_heartbeat_sec is 5 s"]),
        ({"worker_local_task_job_heartbeat_sec": "5", "worker_job_heartbeat_sec": "2"}, []),
        ({"scheduler_scheduler_zombie_task_threshold": "9"}, ["scheduler_zombie_task_threshold is 9 s"]),
        ({"webserver_scheduler_health_check_threshold": "8"}, ["scheduler_health_check_threshold is 8 s"]),
        ({"scheduler_zombie_detection_interval": "4000"}, ["zombie_detection_interval is 4000 s"]),
    ],
)
def test_what_takes_the_living_for_dead_is_told(options: dict[str, str], told: list[str]) -> None:
    """Options are given by `<component>_<option>`."""

    def option(section: str, key: str, default: str, component: str = "scheduler") -> str:
        return options.get(f"{component}_{key}", default)

    subject: Any = SimpleNamespace(executor=Executor.CELERY, option=option, running=lambda _: ["a worker"])
    found = misjudged(subject)
    assert len(found) == len(told) and all(one in text for one, text in zip(told, found, strict=True))
