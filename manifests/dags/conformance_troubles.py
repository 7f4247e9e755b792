"""Tasks with the pod troubles that the README's troubleshooting is about, and one that shows the remedy.

- `too_much` needs more memory than its pod may have, `enough` needs as much and may have it;
- `no_image` asks for an image that does not exist;
- `too_large` asks for more CPUs than any node has.
"""

from __future__ import annotations

import pendulum
from airflow import DAG
from airflow.operators.python import PythonOperator
from kubernetes.client import models as k8s

ALLOCATED = 640 * 2**20
STEP = 16 * 2**20


def allocate() -> int:
    """Use more and more memory, and return how much it was."""
    held = []
    for so_far in range(STEP, ALLOCATED + STEP, STEP):
        held.append(bytearray(STEP))  # zeroed, so that every page is really used
        held[-1][::4096] = b"x" * (STEP // 4096)
        print(f"conformance: {so_far // 2**20} MiB allocated", flush=True)
    return sum(map(len, held))


def pod(image: str | None = None, **resources: dict[str, str]) -> dict[str, k8s.V1Pod]:
    """An executor_config that changes the container of a task's pod."""
    wanted = k8s.V1ResourceRequirements(**resources) if resources else None
    base = k8s.V1Container(name="base", image=image, resources=wanted)
    return {"pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(containers=[base]))}


with DAG(
    "conformance_troubles",
    description="Tasks whose pods get into trouble",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={"owner": "airflow-conformance", "retries": 0, "python_callable": allocate},
    tags=["conformance"],
):
    PythonOperator(task_id="too_much", executor_config=pod(limits={"memory": "512Mi"}, requests={"memory": "256Mi"}))
    PythonOperator(task_id="enough", executor_config=pod(limits={"memory": "1280Mi"}, requests={"memory": "256Mi"}))
    PythonOperator(task_id="no_image", executor_config=pod(image="registry.invalid/no-such-image:0"))
    PythonOperator(
        task_id="too_large", executor_config=pod(limits={"cpu": "1000"}, requests={"cpu": "1000", "memory": "64Mi"})
    )
