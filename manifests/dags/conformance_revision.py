"""A DAG whose only task tells which commit of this file Airflow runs; the suite commits files with other revisions."""

from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.operators.python import PythonOperator

REVISION = "initial"


def revision() -> str:
    """Print and return the revision."""
    print(f"revision: {REVISION}")
    return REVISION


with DAG(
    "conformance_revision",
    description=f"Tells its revision: {REVISION}",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    PythonOperator(task_id="revision", python_callable=revision)
