"""What checks see of a deployment that is made otherwise than the reference values have it."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import TargetFailed
from fixtures.progress import Progress
from fixtures.settings import Executor, Settings
from fixtures.subject import Subject
from fixtures.wait import Budgets, Waiter


def subject(*, values: dict[str, Any] | None = None, **cluster: Any) -> Subject:
    """A release called airflow whose cluster answers what is given."""
    return Subject(
        Settings.model_validate({}),
        "r",
        Executor.CELERY,
        "airflow",
        "airflow",
        SimpleNamespace(**cluster),  # type: ignore[arg-type]
        Waiter(Progress(io.StringIO()), Budgets({})),
        values={"executor": "CeleryExecutor"} if values is None else values,
    )


def services(*names: str) -> Subject:
    """A release some component of which has these Services."""
    return subject(services=lambda component: sorted(names))


def test_of_several_services_the_documented_one_is_looked_at() -> None:
    """`kubectl expose` copies the labels of what it exposes."""
    assert services("airflow-exporter", "airflow-statsd").statsd_service() == "airflow-statsd"
    assert services("metrics").statsd_service() == "metrics", "AF-NS-002 tells of its name"
    with pytest.raises(TargetFailed, match="no Service of the metrics exporter"):
        services().statsd_service()


def container(name: str, **env: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, env=env, references={})


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"dags": {"gitSync": {"containerName": "dag-sync"}}}, "dag-sync"),
        ({"dags": {"gitSync": {"enabled": True}}}, "git-sync"),
        ({}, "puller"),
    ],
)
def test_the_values_or_else_the_repository_tell_which_container_is_git_sync(values: Any, found: str) -> None:
    containers = {one.name: one for one in (container("scheduler"), container("puller", GITSYNC_REPO="r"))}
    scheduler = SimpleNamespace(phase="Running", deleted=False, containers=containers)
    release = subject(values=values, pods=lambda component: [scheduler], workload=lambda component: None)
    assert release.git_sync == found


def test_without_a_repository_git_sync_has_its_usual_name() -> None:
    release = subject(values={}, pods=lambda component: [], workload=lambda component: None)
    assert release.git_sync == "git-sync"
