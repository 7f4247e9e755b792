"""Whether something deletes finished task pods."""

from __future__ import annotations

import configparser
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.environment import Environments
from fixtures.kube import Forbidden, Json
from fixtures.objects import Pod
from fixtures.observations.ended_pods import NO_CLEANER, not_cleaned

DSN = {"name": "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "dsn"}}}
BEFORE, STARTED, AFTER = (f"2024-06-01T{hour}:00:00+00:00" for hour in (11, 12, 13))


def cronjob(
    *env: Json, suspend: bool = False, command: str = "exec airflow kubernetes cleanup-pods", **status: str
) -> Json:
    container = {"name": "c", "args": ["bash", "-c", command], "env": list(env)}
    template = {"spec": {"template": {"spec": {"containers": [container]}}}}
    spec = {"suspend": suspend, "jobTemplate": template}
    return {"metadata": {"name": "airflow-cleanup", "uid": "c"}, "spec": spec, "status": status}


def failed(created: str) -> Json:
    owner = {"kind": "CronJob", "uid": "c"}
    metadata = {"name": "cleanup-1", "creationTimestamp": created, "ownerReferences": [owner]}
    return {"metadata": metadata, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}


def subject(
    *cronjobs: Json | Exception, jobs: tuple[Json, ...] = (), env: tuple[Json, ...] = (DSN,), cfg: str = ""
) -> Any:
    """A release with these CronJobs, whose scheduler has this environment and began at `STARTED`."""

    def get(*_: Any) -> Json:
        for one in cronjobs:
            if isinstance(one, Exception):
                raise one
        return {"items": list(cronjobs)}

    running = {"name": "scheduler", "ready": True, "state": {"running": {"startedAt": STARTED}}}
    body: Json = {"metadata": {"name": "s", "uid": "s"}, "status": {"containerStatuses": [running]}}
    body["spec"] = {"containers": [{"name": "scheduler", "env": list(env)}]}
    cluster: Any = SimpleNamespace(
        kube=SimpleNamespace(get=get), recorder=SimpleNamespace(objects=lambda _: list(jobs)), secret=lambda _: {}
    )
    config = configparser.ConfigParser()
    config.read_string(cfg)
    return SimpleNamespace(
        release="airflow",
        namespace="airflow",
        cluster=cluster,
        config=config,
        environments=Environments(cluster),
        pod=lambda _: Pod(body),
        value=lambda *_: True,
    )


@pytest.mark.parametrize(
    "good",
    [
        subject(cronjob(DSN)),
        subject(cronjob({"name": "AIRFLOW__CORE__SQL_ALCHEMY_CONN_CMD", "value": "cat /dsn"})),
        subject(cronjob(), env=()),  # from elsewhere
        subject(cronjob(), cfg="[database]\nsql_alchemy_conn = postgresql://db/airflow"),
        subject(cronjob(command="kubectl delete pods --field-selector status.phase==Succeeded")),
        subject(cronjob(lastSuccessfulTime=BEFORE), jobs=(failed(AFTER),)),
        subject(cronjob(DSN), jobs=(failed(BEFORE),)),  # there were no tables yet
        subject(cronjob(suspend=True), cronjob(DSN)),
        subject(Forbidden("no")),
    ],
)
def test_task_pods_that_a_cronjob_deletes(good: Any) -> None:
    assert not_cleaned(good) == ""


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (subject(), NO_CLEANER),
        (subject(cronjob(DSN, suspend=True)), NO_CLEANER),
        (subject(cronjob()), "cleanup.env"),
        (subject(cronjob(DSN), jobs=(failed(AFTER),)), "kubectl logs job/cleanup-1"),
    ],
)
def test_task_pods_that_nothing_deletes(bad: Any, says: str) -> None:
    assert says in not_cleaned(bad)
