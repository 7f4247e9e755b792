"""A DAG of two independent tasks, each of which runs until the other one runs too, or for a minute at most."""

from __future__ import annotations

import time

import pendulum
from airflow import DAG
from airflow.operators.python import PythonOperator

PATIENCE_SECONDS = 60


def meet(**context: object) -> str:
    """Wait for the other task; return its state at the end."""
    until = time.monotonic() + PATIENCE_SECONDS
    mine = context["ti"].task_id
    while True:
        (other,) = (found for found in context["dag_run"].get_task_instances() if found.task_id != mine)
        if other.start_date is not None or time.monotonic() > until:  # it runs, or it ran alone
            return str(other.state)
        time.sleep(0.5)


with DAG(
    "conformance_parallel",
    description="Two tasks that wait for each other",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    for side in ("left", "right"):
        PythonOperator(task_id=side, python_callable=meet)
