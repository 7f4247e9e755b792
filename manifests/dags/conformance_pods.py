"""Two tasks at the same time, each with resources of its own, that look for each other.

Under KubernetesExecutor each has a pod of its own: neither may see a file or a process of the other. They stay for a
while, so that a log can be read while its task runs; option `linger` of the run's conf, in seconds.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pendulum
from airflow import DAG
from airflow.operators.python import PythonOperator
from kubernetes.client import models as k8s

LINGER_SECONDS = 20.0
SCRATCH = (Path("/tmp"), Path("/dev/shm"))


def command_lines() -> list[str]:
    """Command lines of all processes that this one can see."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except OSError:
            continue  # it ended meanwhile
    return found


def memory_limit_bytes() -> int | None:
    """Memory limit of this container's cgroup, version 2 or 1; None where there is none to be read."""
    for path in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        if path.exists():
            text = path.read_text().strip()
            return int(text) if text != "max" else None
    return None


def look_for_the_other(**context: object) -> str:
    """Leave a file, stay for a while, and return whose files and processes are in sight, as JSON."""
    run, task = context["dag_run"], context["ti"].task_id
    mark = f"conformance-{run.run_id.rsplit('__', 1)[-1]}-"
    for folder in SCRATCH:
        (folder / f"{mark}{task}").write_text(task)
    print(f"conformance: {task} is running", flush=True)
    time.sleep(float((run.conf or {}).get("linger", LINGER_SECONDS)))
    others = {"first", "second"} - {task}
    lines = [line for line in command_lines() if run.run_id in line]
    seen = {
        "files": [
            str(folder / f"{mark}{other}")
            for folder in SCRATCH
            for other in others
            if (folder / f"{mark}{other}").exists()
        ],
        "processes": [line for line in lines for other in others if f" {other} " in line.replace("'", " ")],
        "own_processes": len(lines),
        "process_id_of_the_parent": os.getppid(),
        "memory_limit_bytes": memory_limit_bytes(),
    }
    return json.dumps(seen)


def resources(cpu: str, memory: str, cpu_limit: str, memory_limit: str) -> dict[str, k8s.V1Pod]:
    """An executor_config that gives a task resources of its own."""
    wanted = k8s.V1ResourceRequirements(
        requests={"cpu": cpu, "memory": memory}, limits={"cpu": cpu_limit, "memory": memory_limit}
    )
    return {"pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", resources=wanted)]))}


with DAG(
    "conformance_pods",
    description="Two tasks that must not see each other, with resources of their own",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    PythonOperator(
        task_id="first",
        python_callable=look_for_the_other,
        executor_config=resources("110m", "260Mi", "600m", "520Mi"),
    )
    PythonOperator(
        task_id="second",
        python_callable=look_for_the_other,
        executor_config=resources("120m", "264Mi", "700m", "528Mi"),
    )
