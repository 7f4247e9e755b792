"""How the delivery of tasks is judged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from conformance.test_executor import test_a_task_is_delivered_once as judge_delivery
from conformance.test_executor import test_results_are_read_where_they_are_stored as judge_results
from fixtures.observations.celery import Delivery, delivery
from fixtures.observations.examples import hoarding


def delivered(timeout: float | None = 21600, longer: int = 0, **time_limits: float) -> Any:
    """A subject whose workers get their tasks that way."""
    return SimpleNamespace(see=lambda _: Delivery("redis", timeout, longer, time_limits))


@pytest.mark.parametrize("subject", [delivered(), delivered(None), delivered(task_time_limit=7200)])
def test_a_task_that_is_delivered_once_and_not_ended_passes(subject: Any) -> None:
    judge_delivery(subject)


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        (delivered(10), "visibility_timeout is 10 s"),
        (delivered(4000, 2), "2 times a task was at work for longer"),
        (delivered(None, task_time_limit=300), "task_time_limit is 300 s"),
        (delivered(task_time_limit=7200, task_soft_time_limit=240), "^task_soft_time_limit is 240 s in the worker's"),
    ],
)
def test_a_task_that_is_delivered_again_or_ended_is_told(subject: Any, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        judge_delivery(subject)


def asked(**options: Any) -> Any:
    """A subject whose worker has these options, and where a task was once at work for longer than any timeout."""
    seen = {"broker": "redis", "visibility_timeout": 21600, "acks_late": True, "time_limits": {}, **options}
    return SimpleNamespace(
        see=lambda _: None, ask=lambda _, probe, *arguments: seen if probe == "celery_options" else 1
    )


def test_only_what_is_acknowledged_at_its_end_is_delivered_again() -> None:
    assert delivery.look(asked()).longer == 1
    assert delivery.look(asked(acks_late=False)) == Delivery("redis", None, 0, {})


@pytest.mark.parametrize(
    ("multiplier", "workers", "autoscaled", "fails", "noted"),
    [
        ("1", 2, True, False, 0),
        ("4", 1, False, False, 0),
        ("4", 2, False, False, 1),
        ("4", 1, True, False, 1),
        ("0", 1, False, False, 1),
        ("0", 2, False, True, 0),
        ("0", 1, True, True, 0),
    ],
)
def test_a_worker_that_reserves_without_limit_is_told(
    multiplier: str, workers: int, autoscaled: bool, fails: bool, noted: int
) -> None:
    notes: list[str] = []
    subject: Any = SimpleNamespace(
        option=lambda *_: multiplier,
        running=lambda _: ["a worker"] * workers,
        autoscaled=lambda _: autoscaled,
        note=lambda _, finding: notes.append(finding),
    )
    assert (bool(hoarding(subject)), len(notes)) == (fails, noted)


@pytest.mark.parametrize(
    ("of_worker", "told"),
    [({}, ""), ({"results": "redis://elsewhere"}, "must be the same"), ({"ignores_results": True}, "no result is")],
)
def test_results_that_nobody_finds_are_told(of_worker: dict[str, Any], told: str) -> None:
    same = {"results": "postgresql://db", "ignores_results": False}
    subject: Any = SimpleNamespace(
        see=lambda _: None, ask=lambda name, _: same | (of_worker if name == "worker" else {})
    )
    if not told:
        judge_results(subject)
        return
    with pytest.raises(AssertionError, match=told):
        judge_results(subject)
