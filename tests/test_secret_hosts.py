"""Which servers a connection URL names, and from where they are asked."""

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.observations import secret_hosts


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
    source = {"secretKeyRef": {"name": "lake", "key": "url"}}
    workloads = [
        {
            "metadata": {"name": name, "labels": {"release": "airflow", "component": name}},
            "spec": {
                "template": {"spec": {"containers": [{"name": name, "env": [{"name": "U", "valueFrom": source}]}]}}
            },
        }
        for name in readers
    ]
    recorder = SimpleNamespace(objects=lambda kind: workloads if kind == "deployments" else [], ever=lambda _: [])
    subject: Any = SimpleNamespace(
        see=lambda _: None,
        release="airflow",
        cluster=SimpleNamespace(recorder=recorder, secret=lambda _: {"url": "postgresql://u:p@warehouse/x"}),
        running=lambda component: [component],
        ask=lambda component, *asked: dict.fromkeys(
            asked[2:], "it does not resolve" if component in nobody_from else ""
        ),
    )
    found = secret_hosts.unreachable_hosts(subject)
    assert len(found) == len(told) and all(text in one for text, one in zip(told, found, strict=True))
