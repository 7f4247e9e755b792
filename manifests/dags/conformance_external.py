"""A DAG that asks the external PostgreSQL and Redis as the README shows it to Airflow users.

Unlike the README's snippet, the Redis value is decoded: bytes cannot be passed on as XCom, and the task would fail.
"""

from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.operators.python import PythonOperator
from airflow.providers.postgres.operators.postgres import PostgresOperator
from airflow.providers.redis.hooks.redis import RedisHook


def read_from_redis() -> str | None:
    """Return the value of `my_key`; None if there is none."""
    hook = RedisHook(redis_conn_id="redis_default")
    client = hook.get_conn()
    value = client.get("my_key")
    return value.decode() if value is not None else None


with DAG(
    "conformance_external",
    description="Queries postgres_default and redis_default",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    PostgresOperator(
        task_id="query_postgres",
        postgres_conn_id="postgres_default",
        sql="SELECT COUNT(*) FROM users;",
    )
    PythonOperator(task_id="read_redis", python_callable=read_from_redis)
