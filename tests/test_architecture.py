"""What is read from git-sync's log and from pod specs, and how the broker is judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from conformance.test_components import test_redis_is_the_one_broker as judge_brokers
from fixtures.gitsync import error_of
from fixtures.observations import architecture, scheduler_ready
from fixtures.observations.architecture import Brokers, mounted_below
from fixtures.settings import Executor

RETRY = '{"logger":"","level":0,"msg":"error syncing repo, will retry","error":"Run(git fetch):\\nno route"}'


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (RETRY, "no route"),
        ('{"logger":"","ts":"2026-01-01","level":0,"msg":"updated successfully","ref":"main"}', ""),
        ("INFO: detected pid 1, running init handler", ""),
        ("fatal: repository not found", "fatal: repository not found"),
    ],
)
def test_an_error_is_told_from_other_lines(line: str, error: str) -> None:
    """Only lines that tell of a failed sync count."""
    assert error_of(line) == error


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/opt/airflow/dags/my_dag.py", {"my-dag"}),
        ("/opt/airflow/dags", {"my-dag"}),
        ("/opt/airflow/dags-of-others/my_dag.py", set()),
        ("/opt/airflow/airflow.cfg", set()),
    ],
)
def test_config_maps_below_the_dag_folder_are_found(path: str, found: set[str]) -> None:
    """A ConfigMap counts where its mount lies at the folder or below it."""
    spec = {
        "containers": [{"volumeMounts": [{"name": "v", "mountPath": path}, {"name": "w", "mountPath": path}]}],
        "volumes": [{"name": "v", "configMap": {"name": "my-dag"}}, {"name": "w", "emptyDir": {}}],
    }
    assert mounted_below(spec, "/opt/airflow/dags") == found


def brokers(*, workers: dict[str, list[str]] | None = None, **worker: Any) -> Brokers:
    """Two components with one broker; what is given differs in the worker."""
    scheduler = {
        "scheme": "redis",
        "address": "airflow-redis:6379",
        "database": "0",
        "queue": "default",
        "server": "one",
        "role": "master",
        "writable": True,
    }
    return Brokers({"worker": {**scheduler, **worker}, "scheduler": scheduler}, workers, [])


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (brokers(scheme="amqp"), "no Redis but amqp"),
        (brokers(role="slave", error="ReadOnlyError"), "is a slave: it takes no tasks"),
        (brokers(error="AuthenticationError: WRONGPASS"), "the worker cannot use its broker, airflow-redis:6379"),
        (brokers(server="two", address="redis.other:6379"), "'worker': 'redis.other:6379/0'"),
        (brokers(database="1"), "components use different brokers"),
        (brokers(workers={"celery@w": ["gpu"]}), "tasks go to the queue default"),
        (brokers(workers={"celery@w": ["default"], "celery@v": []}), "celery@v consume no queue"),
        (
            replace(brokers(workers={"celery@w": ["default"], "celery@old": ["default"]}), strange=("celery@old",)),
            "celery@old, no worker of the release, takes tasks of the queue default",
        ),
    ],
)
def test_a_wrong_broker_is_named(found: Brokers, told: str) -> None:
    """Each way in which a broker can be wrong has a message of its own."""
    with pytest.raises(AssertionError) as raised:
        judge_brokers(SimpleNamespace(see=lambda _: found))  # type: ignore[arg-type]
    assert told in str(raised.value)


def test_a_right_broker_passes() -> None:
    """One server for all, and a worker that consumes the queue; or workers that cannot be asked."""
    for healthy in (brokers(workers={"celery@w": ["default", "gpu"]}), brokers()):
        judge_brokers(SimpleNamespace(see=lambda _, it=healthy: it, value=lambda *_: None, release="r"))  # type: ignore[arg-type]


def test_a_broker_of_no_use_is_told_without_the_workers() -> None:
    """A worker that does not come up because of its broker hides nothing: the scheduler's answer is judged."""
    seen: list[object] = []
    subject = SimpleNamespace(
        executor=Executor.CELERY,
        see=seen.append,
        ask=lambda *_: {"scheme": "redis", "role": "slave", "error": "READONLY"},
    )
    found = architecture.brokers.look(subject)  # type: ignore[arg-type]
    assert set(found.seen) == {"scheduler"}
    assert seen == [scheduler_ready]


def test_the_config_map_is_mounted_at_the_release_s_own_folder_beside_its_own_volumes(tmp_path: Path) -> None:
    """Each component keeps its own lists, and gets no other's."""
    ca = {"name": "ca", "configMap": {"name": "ca"}}
    values = {"scheduler.extraVolumes": [ca], "workers.extraVolumes": [ca]}
    subject: Any = SimpleNamespace(value=values.get, dags_mount="/srv/dags")
    overlay = yaml.safe_load(architecture.mounting_overlay(subject, tmp_path).read_text())
    assert overlay["dags"] == {"gitSync": {"enabled": False}}
    for component, own in (("scheduler", [ca]), ("webserver", []), ("workers", [ca]), ("dagProcessor", [])):
        assert overlay[component]["extraVolumes"] == [*own, {"name": "my-dag", "configMap": {"name": "my-dag"}}]
        (mount,) = overlay[component]["extraVolumeMounts"]
        assert mount == {"name": "my-dag", "mountPath": "/srv/dags/my_dag.py", "subPath": "my_dag.py"}
