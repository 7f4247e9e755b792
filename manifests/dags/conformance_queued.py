"""A DAG whose only task waits for a slot of a pool that the suite makes, first without any slots."""

from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.operators.python import PythonOperator


def start() -> str:
    """Return that it started."""
    return "started"


with DAG(
    "conformance_queued",
    description="Waits for a slot of the pool conformance_no_slots",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    is_paused_upon_creation=True,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    PythonOperator(task_id="start", python_callable=start, pool="conformance_no_slots")
