"""A DAG whose only task fails on purpose, so that Airflow's ways of reporting a failure can be judged."""

from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.operators.python import PythonOperator


def fail() -> None:
    """Raise."""
    raise ValueError("conformance: this task fails on purpose")


with DAG(
    "conformance_failing",
    description="Fails on purpose",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    PythonOperator(task_id="fail", python_callable=fail)
