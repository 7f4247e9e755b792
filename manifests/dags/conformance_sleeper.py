"""A DAG whose only task lets itself be held while the deployment around it is disturbed, and counts its own starts.

Each start leaves a variable `conformance_start__<run id>__<unique>` in the metadata database, so that a task that was
run twice is seen whatever became of its logs. With `seconds` in the run's configuration the task goes on for that long,
or until there is a variable `conformance_release__<run id>`, or a file of that name in /tmp where it runs, which needs
no webserver.
"""

from __future__ import annotations

import socket
import time
import uuid
from pathlib import Path

import pendulum
from airflow import DAG
from airflow.models import Variable
from airflow.operators.python import PythonOperator


def released(run_id: str) -> bool:
    """Whether somebody lets this run end."""
    name = f"conformance_release__{run_id}"
    return Path("/tmp", name).exists() or Variable.get(name, default_var=None) is not None


def sleep(**context: object) -> str:
    """Count this start, then wait to be released."""
    run = context["dag_run"]
    Variable.set(f"conformance_start__{run.run_id}__{uuid.uuid4().hex[:8]}", socket.gethostname())
    end = time.monotonic() + float((run.conf or {}).get("seconds", 0))
    while time.monotonic() < end and not released(run.run_id):
        time.sleep(0.5)
    return socket.gethostname()


with DAG(
    "conformance_sleeper",
    description="Waits to be released, and counts its starts",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=8,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    PythonOperator(task_id="sleep", python_callable=sleep)
