"""Bringing a release into a state: when its Jobs count as ended."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import release
from fixtures.errors import Blocked, BudgetExceeded, TargetFailed
from fixtures.helm import Status
from fixtures.kube import NotFound
from fixtures.progress import Progress
from fixtures.wait import Budgets, Signal, Waiter

NEVER = "never there"


def job(**conditions: str) -> dict[str, Any]:
    listed = [{"type": kind, "status": "True", "reason": reason} for kind, reason in conditions.items()]
    return {"status": {"conditions": listed}}


def subject(*answers: dict[str, Any] | None) -> Any:
    """A release whose API server shows a Job in these states, the last one for ever; None where there is none."""
    told: Iterator[dict[str, Any] | None] = iter(answers)
    now = [None, *answers][0]

    def get(path: str) -> dict[str, Any]:
        nonlocal now
        now = next(told, now)
        if now is None:
            raise NotFound(path)
        return now

    cluster = SimpleNamespace(
        kube=SimpleNamespace(get=get), what_is_not_ready=str, recorder=SimpleNamespace(condition=Signal())
    )
    waiter = Waiter(Progress(io.StringIO()), Budgets({"install": 2.5}))
    return SimpleNamespace(namespace="airflow", cluster=cluster, waiter=waiter)


def wait(*answers: dict[str, Any] | None) -> None:
    release.wait_for_jobs(subject(*answers), ["migrate"], lambda: None)


def test_a_job_that_has_succeeded_has_ended() -> None:
    wait(job(), job(Complete=""))


def test_a_job_that_was_seen_and_is_gone_has_ended() -> None:
    wait(job(), None)


def test_a_job_that_nobody_saw_has_not_ended() -> None:
    wait(None, job(Complete=""))
    with pytest.raises(BudgetExceeded, match="job/migrate was not seen yet"):
        wait(None)


def test_a_job_that_failed_is_told() -> None:
    with pytest.raises(TargetFailed, match=r"the Job migrate failed \(BackoffLimitExceeded\)"):
        wait(job(Failed="BackoffLimitExceeded"))


def test_a_chart_of_the_site_with_airflow_in_it_is_not_upgraded_with_airflows_own_of_the_same_version() -> None:
    site: Any = SimpleNamespace(
        deployments=[],
        settings=SimpleNamespace(CHART=None),
        release="airflow",
        namespace="airflow",
        helm=SimpleNamespace(status=lambda *_: Status("deployed", 1, "data-platform-1.15.0")),
    )
    with pytest.raises(Blocked, match="data-platform is not Airflow's own"):
        release._chart_of(site)
