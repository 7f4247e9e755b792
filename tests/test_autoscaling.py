"""A component that its autoscaler has scaled to 0 is at rest; one that nobody scales is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.test_executor import test_a_persistent_worker_runs_the_tasks as judge
from fixtures.airflow import ComponentHealth, Health
from fixtures.errors import TargetFailed, Unsupported
from fixtures.objects import Pod, Workload
from fixtures.observations import worker_ready, worker_stands
from fixtures.observations.architecture import component_health
from fixtures.subject import Subject
from tests.test_subject import subject

KEDA = {"workers": {"keda": {"enabled": True}}, "triggerer": {"enabled": True, "keda": {"enabled": True}}}
BY_HAND = {"workers": {"keda": {"enabled": False}, "replicas": 0}}


def release(values: dict[str, Any], *pods: Pod, gone: tuple[Pod, ...] = (), scaled: bool = False) -> Subject:
    """A release under CeleryExecutor whose worker and triggerer have these pods, and no more are wanted.

    With `scaled` there are HorizontalPodAutoscalers, whatever the values say.
    """

    def wait_ready(component: str) -> None:
        if not made.running(component):
            raise TargetFailed(f"statefulset/airflow-{component} is scaled to 0", component=component)

    def workload(component: str) -> Workload | None:
        if component == "dag-processor":
            return None
        return Workload({"kind": "StatefulSet", "metadata": {"name": component}, "spec": {"replicas": len(pods)}})

    made = subject(
        values=values,
        pods=lambda component: [pod for pod in pods if pod.labels["component"] == component],
        ever_pods=lambda: [*gone, *pods],
        wait_ready=wait_ready,
        workload=workload,
        is_scaled=lambda _: scaled,
        recorder=SimpleNamespace(first=lambda _: []),
        task_pods=lambda _: [],
    )
    made.see = lambda observation: observation.look(made)  # type: ignore[method-assign]
    return made


def worker(name: str, component: str = "worker", *, deleted: bool = False) -> Pod:
    """A pod that runs, or one called `...-1`, whose container has ended; perhaps because somebody deleted the pod."""
    labels = {"component": component, "release": "airflow", "tier": "airflow"}
    metadata: dict[str, Any] = {
        "name": name,
        "uid": name,
        "labels": labels,
        "ownerReferences": [{"kind": "ReplicaSet"}],
    }
    metadata |= {"deletionTimestamp": "2026-11-22T19:00:00Z"} if deleted else {}
    ended = {"name": component, "restartCount": 0, "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}
    status = {"phase": "Running", "containerStatuses": [ended] if name.endswith("-1") else []}
    return Pod({"metadata": metadata, "spec": {"containers": [{"name": component}]}, "status": status})


def test_a_worker_at_rest_is_no_fault_and_keeps_no_run_waiting() -> None:
    resting = release(KEDA)
    with pytest.raises(Unsupported, match=r"scaled to 0 by its autoscaler[\s\S]*workers.keda.minReplicaCount: 1"):
        worker_ready.look(resting)
    assert not worker_stands(resting)
    assert worker_stands(release(KEDA, worker("w-0")))


def test_a_worker_that_nobody_scales_is_missing() -> None:
    """As in tests/faults/CX-05.yaml."""
    for look in (worker_ready.look, worker_stands):
        with pytest.raises(TargetFailed, match="is scaled to 0"):
            look(release(BY_HAND))


def test_whatever_needs_a_worker_says_why_there_is_none() -> None:
    with pytest.raises(Unsupported, match="the worker is scaled to 0"):
        release(KEDA).pod("worker")
    with pytest.raises(TargetFailed, match="no running pod with label component=worker"):
        release(BY_HAND).pod("worker")


def test_an_autoscaler_of_which_the_values_do_not_tell_counts_too() -> None:
    """As where ArgoCD made the release."""
    for values in ({}, BY_HAND):
        resting = release(values, scaled=True)
        assert not worker_stands(resting)
        with pytest.raises(Unsupported, match="the worker is scaled to 0"):
            resting.pod("worker")


def judged(values: dict[str, Any], *, gone: Pod, now: Pod) -> None:
    """Judge a release whose worker `gone` ran the tasks, and was followed by another one."""
    made = release(values, now, gone=(gone,))
    task = SimpleNamespace(task_id="t", hostname=gone.name)
    run = SimpleNamespace(run=SimpleNamespace(run_id="r"), tasks={"hello_task": task})
    seen = {
        "worker_ready": gone,
        "facts": SimpleNamespace(task=task, finished=run),
        "hello": SimpleNamespace(finished=run),
    }
    made.see = lambda observation: seen[observation.name]  # type: ignore[method-assign,return-value]
    made.declared_executor = lambda: "CeleryExecutor"  # type: ignore[method-assign]
    judge(made)


def test_a_worker_may_be_taken_away_and_must_not_end_by_itself() -> None:
    """By an autoscaler, with its node, or by a rollout of a team's."""
    for values in (KEDA, {"workers": {"hpa": {"enabled": True}}}, {}):
        judged(values, gone=worker("w-1", deleted=True), now=worker("w-0"))
    with pytest.raises(AssertionError, match=r"did not persist: container worker of w-1 ended once \(OOMKilled"):
        judged({}, gone=worker("w-1"), now=worker("w-0"))


def test_health_need_not_know_a_triggerer_at_rest() -> None:
    now = ComponentHealth("healthy", datetime.now(UTC))
    health = Health(now, now, ComponentHealth("unhealthy", None), ComponentHealth(None, None))

    def look(made: Subject) -> Any:
        made.airflow = cast("Any", SimpleNamespace(health=lambda: health))
        made.waiter = cast("Any", SimpleNamespace(until=lambda _, look, **__: look()))
        made.see = lambda observation: None  # type: ignore[method-assign,return-value]
        return component_health.look(made)

    with pytest.raises(TargetFailed, match="airflow-triggerer is scaled to 0"):
        look(release({"triggerer": {"enabled": True, "replicas": 0}}))
    resting = release(KEDA)
    assert look(resting) == health
    assert any("the triggerer is scaled to 0" in note for note in resting.notes["AF-CMP-006"])
