"""A DAG whose only task fails at its first try and succeeds at its second; its arguments are those of the README."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow import DAG
from airflow.operators.python import PythonOperator


def recover(**context: object) -> int:
    """Raise at the first try; return the number of the try at any other."""
    if context["ti"].try_number == 1:
        raise ValueError("conformance: the first try fails on purpose")
    print("conformance: the second try succeeds")
    return context["ti"].try_number


with DAG(
    "conformance_retry",
    description="Fails once, then succeeds",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={
        "owner": "airflow-conformance",
        "depends_on_past": False,
        "email": ["team@example.com"],
        "email_on_failure": False,
        "email_on_retry": False,
        "retries": 1,
        "retry_delay": timedelta(seconds=2),
    },
    tags=["conformance"],
):
    PythonOperator(task_id="recover", python_callable=recover)
