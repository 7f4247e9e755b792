"""A DAG whose only task fails on purpose, and whose owner wants a mail when it does."""

from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.operators.python import PythonOperator


def fail() -> None:
    """Raise."""
    raise ValueError("conformance: this task fails on purpose")


with DAG(
    "conformance_alert",
    description="Fails on purpose and sends a mail about it",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={
        "owner": "airflow-conformance",
        "email": ["team@example.com"],
        "email_on_failure": True,
        "retries": 0,
    },
    tags=["conformance"],
):
    PythonOperator(task_id="breaks", python_callable=fail)
