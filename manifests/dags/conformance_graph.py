"""A DAG with a shape, for Airflow's own views of it; its tasks do nothing, and no worker is asked to run them."""

from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.operators.empty import EmptyOperator

with DAG(
    "conformance_graph",
    description="A fork and a join of tasks that do nothing",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    begin, left, right, end = (EmptyOperator(task_id=name) for name in ("begin", "left", "right", "end"))
    begin >> [left, right] >> end
