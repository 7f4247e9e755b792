"""How long logs of tasks stay: who deletes them, and with what they go."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.kube import Forbidden
from fixtures.objects import Pod, Workload
from fixtures.observations.log_retention import log_cleaners, log_groomers, why_logs_leave
from fixtures.settings import Executor

OF_TASKS, OTHER = {"persistentVolumeClaim": {"claimName": "logs"}}, {"emptyDir": {}}
MINUTE = ("bash", "-c", "find /opt/airflow/logs -type f -mmin +1 -delete")


def keeping(name: str, volume: dict[str, Any], container: str) -> Pod:
    """A pod with a container that writes logs and one that deletes them after a minute."""
    mounts = [{"name": "logs", "mountPath": "/opt/airflow/logs"}]
    containers = [
        {"name": container, "volumeMounts": mounts},
        {"name": f"{name}-log-groomer", "volumeMounts": mounts, "args": list(MINUTE)},
    ]
    spec = {"containers": containers, "volumes": [{"name": "logs", **volume}]}
    return Pod({"metadata": {"name": name, "uid": name}, "spec": spec, "status": {"phase": "Running"}})


@pytest.mark.parametrize(
    ("executor", "of_scheduler", "of_writer", "told"),
    [
        (Executor.CELERY, OTHER, OTHER, {"w"}),
        (Executor.CELERY, OTHER, OF_TASKS, {"w"}),
        (Executor.CELERY, OF_TASKS, OF_TASKS, {"scheduler", "w"}),
        (Executor.KUBERNETES, OF_TASKS, OF_TASKS, {"scheduler", "w"}),
        (Executor.KUBERNETES, OTHER, OF_TASKS, {"w"}),
    ],
)
def test_groomers_count_where_the_logs_of_tasks_lie(
    executor: Executor, of_scheduler: dict[str, Any], of_writer: dict[str, Any], told: set[str]
) -> None:
    celery = executor is Executor.CELERY
    writer, scheduler = keeping("w", of_writer, "worker" if celery else "base"), keeping("scheduler", of_scheduler, "s")
    subject: Any = SimpleNamespace(
        executor=executor,
        running=lambda component: [writer],
        see=lambda _: SimpleNamespace(finished=SimpleNamespace(pods={"hello_task": writer})),
        log_folder_in=lambda pod, name: "/opt/airflow/logs",
        cluster=SimpleNamespace(pods=lambda: [writer, scheduler]),
    )
    assert log_groomers(subject) == {f"{name} {name}-log-groomer": timedelta(minutes=1) for name in told}


def cleaner(volume: dict[str, Any], at: str = "/old", **mount: Any) -> dict[str, Any]:
    """A CronJob whose container deletes after an hour what lies at `/old`, with a volume there or elsewhere."""
    command = ["find", "/old", "-type", "f", "-mmin", "+60", "-delete"]
    container = {"name": "clean", "command": command, "volumeMounts": [{"name": "v", "mountPath": at, **mount}]}
    spec = {"containers": [container], "volumes": [{"name": "v", **volume}]}
    return {"metadata": {"name": "nightly"}, "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}


def cleaned(
    job: dict[str, Any] | Exception, volume: dict[str, Any] = OF_TASKS, folder: str = "/opt/airflow/logs"
) -> Any:
    """A subject whose only worker writes logs to a volume, with a CronJob beside it, and what is noted."""

    def get(path: str) -> Any:
        assert path == "/apis/batch/v1/namespaces/ns/cronjobs"
        if isinstance(job, Exception):
            raise job
        return {"items": [job]}

    worker, notes = keeping("w", volume, "worker"), list[str]()
    return SimpleNamespace(
        executor=Executor.CELERY,
        namespace="ns",
        running=lambda component: [worker],
        log_folder_in=lambda pod, name: folder,
        cluster=SimpleNamespace(pods=lambda: [worker], kube=SimpleNamespace(get=get)),
        note=lambda row, text: notes.append(text),
        notes=notes,
    )


def test_a_cleaner_of_the_sites_own_counts_where_it_has_the_logs_of_tasks() -> None:
    told = {"container clean of CronJob nightly": timedelta(hours=1)}
    assert log_cleaners(cleaned(cleaner(OF_TASKS))) == told
    assert log_cleaners(cleaned(cleaner(OF_TASKS, "/old/volume"), folder="/opt/airflow/logs/tasks")) == told
    for other in (
        cleaner({"persistentVolumeClaim": {"claimName": "other"}}),
        cleaner(OF_TASKS, "/elsewhere"),
        cleaner(OF_TASKS, readOnly=True),
        cleaner(OF_TASKS, subPath="scheduler"),
    ):
        assert not log_cleaners(cleaned(other))
    suspended = cleaner(OF_TASKS)
    suspended["spec"]["suspend"] = True
    assert not log_cleaners(cleaned(suspended))
    assert not log_cleaners(cleaned(cleaner(OTHER), OTHER))  # each pod has one of its own


def test_who_may_not_look_at_cron_jobs_is_told_so() -> None:
    subject = cleaned(Forbidden("no", "ask"))
    assert not log_cleaners(subject)
    assert "whether a CronJob deletes logs is not known" in subject.notes[0]


def workers(kept: str = "Retain", *, own: bool = True, remote: bool = False, scaled: bool = False, **hpa: Any) -> Any:
    """Celery workers with logs on claims of their own, or on one that all share."""
    claims = [{"metadata": {"name": "logs" if own else "cache"}}]
    body = {"volumeClaimTemplates": claims, "persistentVolumeClaimRetentionPolicy": {"whenScaled": kept}}
    workload = Workload({"kind": "StatefulSet", "metadata": {"name": "airflow-worker"}, "spec": body})
    mounted = [{"name": "logs", "mountPath": "/opt/airflow/logs"}]
    volumes = [{"name": "logs", "persistentVolumeClaim": {"claimName": "logs-airflow-worker-0"}}]
    pod_spec = {"containers": [{"name": "worker", "volumeMounts": mounted}], "volumes": volumes}
    return SimpleNamespace(
        cluster=SimpleNamespace(workload=lambda _: workload),
        flag=lambda *_: remote,
        pod=lambda _: Pod({"metadata": {"name": "airflow-worker-0", "uid": "u"}, "spec": pod_spec}),
        log_folder_in=lambda *_: "/opt/airflow/logs",
        autoscaled=lambda _: scaled,
        component_value=lambda _, path: hpa.get(path.replace(".", "_")),
    )


@pytest.mark.parametrize(
    ("release", "told"),
    [
        (workers(), ""),
        (workers("Delete"), "takes its claim and every log along"),
        (workers("Delete", own=False), ""),
        (workers("Delete", remote=True), ""),
        (workers(scaled=True), "an autoscaler takes workers of statefulset/airflow-worker away"),
        (workers(scaled=True, hpa_minReplicaCount=1, hpa_maxReplicaCount=3), "an autoscaler"),
        (workers(scaled=True, hpa_minReplicaCount=3, hpa_maxReplicaCount=3), ""),
        (workers(scaled=True, own=False), ""),
    ],
)
def test_a_worker_that_is_scaled_away_keeps_no_log_to_itself(release: Any, told: str) -> None:
    assert told in why_logs_leave(release) and bool(told) == bool(why_logs_leave(release))
