"""Who is taken for dead, and after how long; who is dead or has ended and counts as at work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import Unsupported
from fixtures.metrics import parse
from fixtures.observations.heartbeats import HELD, misjudged, told_dead_at_work, told_kept_slots
from fixtures.settings import Executor
from tests.waiting import waiter


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


def slots(*scrapes: str, at_work: int = 0, pods: int = 0, parallelism: str = "4") -> Any:
    """A release whose exporter serves these lines, one scrape after the other, the last one for ever."""
    texts = iter(scrapes)
    latest = [""]

    def snapshot() -> Any:
        latest[0] = next(texts, latest[0])
        return parse(latest[0])

    pod = SimpleNamespace(raw={"metadata": {"labels": {"kubernetes_executor": "True"}}})
    notes: list[str] = []
    return SimpleNamespace(
        namespace="airflow",
        metrics=SimpleNamespace(snapshot=snapshot),
        option=lambda section, key, default: parallelism,
        see=lambda observation: None,
        airflow=SimpleNamespace(tasks_in=lambda *states: {"a": at_work}),
        cluster=SimpleNamespace(
            pods=lambda: [pod] * pods, workload=lambda _: SimpleNamespace(title="deployment/airflow-scheduler")
        ),
        waiter=waiter(0.3),
        note=lambda _, text: notes.append(text),
        notes=notes,
    )


def served(held: int, beats: int) -> str:
    return f"{HELD} {held}\nairflow_scheduler_heartbeat {beats}\n"


def test_slots_that_ended_tasks_keep_are_told_with_the_remedy() -> None:
    told = told_kept_slots(slots(served(3, 1), served(3, 2), at_work=1))
    assert "counts 3 as at work" in told and "and 1 are" in told and "keep 2 of its 4 slots" in told
    assert "kubectl rollout restart -n airflow deployment/airflow-scheduler" in told


@pytest.mark.parametrize(
    "subject",
    [
        slots(served(1, 1)),
        slots(served(4, 1), at_work=4),
        slots(served(4, 1), at_work=2, pods=1),
        slots(served(3, 1), served(0, 2)),
        slots(served(3, 1), served(3, 1)),
        slots(served(40, 1), parallelism="0"),
    ],
    ids=[
        "less than half",
        "all of them are at work",
        "pods that have not gone yet",
        "they were freed a moment later",
        "an exporter that nothing reaches any more",
        "no limit",
    ],
)
def test_slots_that_are_free_or_will_be_are_no_finding(subject: Any) -> None:
    assert told_kept_slots(subject) == "" and not subject.notes


def test_slots_that_cannot_be_seen_are_noted() -> None:
    subject = slots("airflow_scheduler_heartbeat 1\n")
    assert told_kept_slots(subject) == ""
    assert subject.notes == [
        f"whether tasks that have ended keep their slots was not seen: the exporter serves no {HELD}"
    ]


def test_an_exporter_that_cannot_be_reached_decides_nothing() -> None:
    def snapshot() -> Any:
        raise Unsupported("this run only looks")

    subject = slots()
    subject.metrics.snapshot = snapshot
    assert told_kept_slots(subject) == "" and "this run only looks" in subject.notes[0]


def test_dead_tasks_that_count_as_running_are_told() -> None:
    asked: list[str] = []

    def ask(component: str, probe: str, seconds: str) -> Any:
        asked.extend((component, probe, seconds))
        return [["nightly", "load", "backfill__1", "host-1", "default_pool", "2026-01-01 00:00:00"]]

    subject: Any = SimpleNamespace(option=lambda section, key, default: default, ask=ask)
    told = told_dead_at_work(subject)
    assert asked == ["scheduler", "dead_at_work", "3910.0"]  # an hour longer than it may take to notice
    assert "1 of the tasks that count as running" in told and "load of nightly (run backfill__1, on host-1" in told
    subject.ask = lambda *words: []
    assert told_dead_at_work(subject) == ""
