"""Who waits for a migration, and who may migrate."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.chart import Chart
from fixtures.deployment import Deployment
from fixtures.objects import Pod
from fixtures.observations.migration import declares_migration_job, may_migrate, somebody_waits
from fixtures.terminal import MIGRATIONS, WAIT_FOR_MIGRATIONS

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CHART = Chart(Path("airflow.tgz"), "airflow", "1.15.0", "", "")
OLD, NEW, OTHER = "apache/airflow:2.7.1", "apache/airflow:2.9.0", "mine/airflow:2.9.0-7"


def pod(component: str, image: str, *, waits: str = "", created: datetime = BEGAN, ready: bool = False) -> Pod:
    """A pod of a component; its init container waits for migrations with the image `waits`."""
    stamp = created.isoformat()
    labels = {"component": component, "tier": "airflow", "release": "airflow"}
    init = [{"name": WAIT_FOR_MIGRATIONS, "image": waits}] if waits else []
    conditions = [{"type": "Ready", "status": str(ready)}]
    return Pod(
        {
            "metadata": {
                "name": f"{component}-{image[-5:]}",
                "uid": stamp,
                "creationTimestamp": stamp,
                "labels": labels,
            },
            "spec": {"containers": [{"name": component, "image": image}], "initContainers": init},
            "status": {"phase": "Running", "conditions": conditions},
        }
    )


def release(*pods: Pod, deployment: Deployment | None = None, **values: str) -> Any:
    """As much of a release as its images and migrations need; `__` in the names of values stands for a dot."""
    listed = list(pods)
    return SimpleNamespace(
        release="airflow",
        namespace="airflow",
        git_sync="git-sync",
        value=lambda path: values.get(path.replace(".", "__")),
        cluster=SimpleNamespace(pods=lambda **labels: listed),
        pod=lambda component: next(pod for pod in listed if pod.labels["component"] == component),
        deployments=(deployment or Deployment("new", CHART),),
    )


def test_a_pod_that_waits_for_nobody_may_migrate_until_it_is_ready() -> None:
    scheduler = pod("scheduler", NEW)
    waiting, beside = pod("webserver", NEW, waits=NEW), pod("redis", "redis:7")
    former, up = pod("scheduler", OLD, created=BEGAN - timedelta(hours=1)), pod("triggerer", NEW, ready=True)
    assert may_migrate(release(scheduler, waiting, beside, former, up), BEGAN) == [scheduler]


def test_whether_a_job_migrates_is_declared_by_values_or_objects() -> None:
    for values, declared in (({}, True), ({"migrateDatabaseJob": {"enabled": False}}, False)):
        assert declares_migration_job(release(deployment=Deployment("new", CHART, values=values))) is declared
    job = {"kind": "Job", "metadata": {"name": "migrate", "labels": {"component": MIGRATIONS}}}
    for objects, declared in (((job,), True), ((), False)):
        own = Deployment("own", overlay=Path("own"), objects=objects)
        assert declares_migration_job(release(deployment=own)) is declared


@pytest.mark.parametrize(
    ("init", "waits"), [([WAIT_FOR_MIGRATIONS, "git-sync-init"], True), (["git-sync-init"], False), ([], False)]
)
def test_whether_somebody_waits_is_read_from_the_workloads(init: list[str], waits: bool) -> None:
    template = {"spec": {"initContainers": [{"name": name} for name in init] or None}}
    shown = json.dumps({"items": [{"spec": {"template": template}}]})
    tools = SimpleNamespace(kubectl_run=lambda *words: SimpleNamespace(stdout=shown))
    subject: Any = SimpleNamespace(release="airflow", namespace="airflow", cluster=SimpleNamespace(tools=tools))
    assert somebody_waits(subject) is waits
