"""Which servers a connection URL names, and from where they are asked."""

from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.observations import secret_hosts
from fixtures.settings import Executor


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql://u:p@db.infra:5433/airflow?sslmode=disable", ["db.infra:5433"]),
        ("db+postgresql://u:p@prod-pgbouncer/airflow", ["prod-pgbouncer:5432"]),
        ("postgresql+psycopg2://u:p%40x@a:1,b:2/airflow", ["a:1", "b:2"]),
        ("postgresql://u:p#w@pg/airflow", ["pg:5432"]),
        ("postgresql://u:p?w@PG/airflow?sslmode=disable", ["PG:5432"]),
        ("postgresql://u:p/w@pg:5433/airflow", ["pg:5433"]),
        ("postgresql://u:p@s/w@pg/airflow?application_name=a@b", ["pg:5432"]),
        ("postgresql://u:p@/airflow?host=pg-0,pg-1", []),
        ("postgresql://u@pg/airflow", ["pg:5432"]),
        ("redis://:p@airflow-redis:6379/0", ["airflow-redis:6379"]),
        ("postgresql:///airflow", []),
        ("postgresql://u:p@127.0.0.1:6543/pgbouncer", []),
        ("https://example.com/hook", []),
        ("no address at all", []),
    ],
)
def test_servers_named_in_a_url(url: str, named: list[str]) -> None:
    assert secret_hosts.addresses(url) == named


def reading(
    readers: Collection[str], reasons: Mapping[str, str], variable: str = "U", executor: Executor = Executor.CELERY
) -> Any:
    """A release of which some components read the name of a server, and why some do not reach it."""
    source = {"secretKeyRef": {"name": "lake", "key": "url"}}
    workloads = [
        {
            "metadata": {"name": name, "labels": {"release": "airflow", "component": name}},
            "spec": {
                "template": {"spec": {"containers": [{"name": name, "env": [{"name": variable, "valueFrom": source}]}]}}
            },
        }
        for name in readers
    ]
    recorder = SimpleNamespace(objects=lambda kind: workloads if kind == "deployments" else [], ever=lambda _: [])
    notes: list[str] = []
    return SimpleNamespace(
        see=lambda _: None,
        executor=executor,
        release="airflow",
        cluster=SimpleNamespace(recorder=recorder, secret=lambda _: {"url": "postgresql://u:p@warehouse/x"}),
        running=lambda component: [component],
        ask=lambda component, *asked: dict.fromkeys(asked[2:], reasons.get(component, "")),
        note=lambda _, text: notes.append(text),
        notes=notes,
    )


@pytest.mark.parametrize(
    ("readers", "nobody_from", "told"),
    [
        ({"worker"}, {"scheduler"}, []),
        ({"worker"}, {"worker"}, ["secret/lake#url names warehouse:5432, and from the worker it does not resolve"]),
        ({"scheduler", "worker"}, {"scheduler"}, ["from the scheduler"]),
        ({"create-user-job"}, {"scheduler"}, []),
    ],
)
def test_a_server_is_asked_for_where_its_name_is_read(
    readers: set[str], nobody_from: set[str], told: list[str]
) -> None:
    found = secret_hosts.unreachable_hosts(reading(readers, dict.fromkeys(nobody_from, "it does not resolve")))
    assert len(found) == len(told) and all(text in one for text, one in zip(told, found, strict=True))


LATE = "no connection (timed out)"
BOTH = ("scheduler", "worker")


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        (reading(BOTH, {"scheduler": LATE}), 0),
        (reading(BOTH, {"scheduler": LATE}, "AIRFLOW_CONN_WAREHOUSE", Executor.KUBERNETES), 0),
        (reading(BOTH, {"scheduler": LATE, "worker": LATE}), 1),
        (reading(BOTH, {"scheduler": LATE}, "AIRFLOW__CELERY__RESULT_BACKEND"), 1),
        (reading(BOTH, {"scheduler": "no connection (Connection refused)"}), 1),
        (reading(BOTH, {"scheduler": "the name does not resolve"}, executor=Executor.KUBERNETES), 1),
        (reading(("scheduler",), {"scheduler": LATE}), 1),
    ],
)
def test_a_server_that_answers_tasks_only_is_noted(subject: Any, told: int) -> None:
    """A refusal, or a name that does not exist, would be the same for tasks."""
    assert len(secret_hosts.unreachable_hosts(subject)) == told
    assert len(subject.notes) == 1 - told


def test_what_only_keda_s_operator_reads_is_asked_for_nowhere() -> None:
    """The database may let in the pooler and KEDA, and nobody else."""
    assert secret_hosts.unreachable_hosts(reading(BOTH, dict.fromkeys(BOTH, LATE), secret_hosts.FOR_KEDA)) == []
