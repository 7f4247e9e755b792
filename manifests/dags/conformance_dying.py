"""A DAG whose only task never begins: under KubernetesExecutor its pod dies at once.

Airflow's own process, which would report a failure, never starts; only the executor, which watches the pod, can tell.
"""

from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.operators.empty import EmptyOperator
from kubernetes.client import models as k8s

POD = k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", command=["/bin/false"])]))

with DAG(
    "conformance_dying",
    description="Its pod dies before the task begins",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    # An EmptyOperator without a callback would be marked as done by the scheduler, without any pod.
    EmptyOperator(task_id="die", executor_config={"pod_override": POD}, on_success_callback=print)
