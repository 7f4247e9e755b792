"""A DAG that stays paused: users with different roles try what they may do with it."""

from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.operators.python import PythonOperator


def say() -> None:
    """Print a line, which nobody sees unless the task is tested by hand."""
    print("conformance: said")


with DAG(
    "conformance_rights",
    description="Stays paused; users with different roles try to pause and trigger it",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    is_paused_upon_creation=True,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    PythonOperator(task_id="say", python_callable=say)
