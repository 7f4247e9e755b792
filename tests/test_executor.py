"""What the rows about executors judge."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from conformance.test_executor import test_no_worker_stands_by as judge_idle_workers
from fixtures.objects import Pod
from fixtures.subject import Subject


def like_a_worker(name: str, phase: str = "Running", **labels: str) -> Pod:
    """A pod that was made from the chart's template, or looks like it."""
    metadata = {"name": name, "uid": name, "labels": {"component": "worker", **labels}}
    return Pod({"metadata": metadata, "spec": {"containers": [{"name": "base"}]}, "status": {"phase": phase}})


TASKS = [
    like_a_worker("load-x", kubernetes_executor="True"),
    like_a_worker("train-x", kubernetes_pod_operator="True"),
    like_a_worker("by-hand", "Succeeded"),
]


def with_pods(*pods: Pod) -> Subject:
    cluster = SimpleNamespace(workload=lambda component: None, pods=lambda component: [*TASKS, *pods])
    return cast("Subject", SimpleNamespace(cluster=cluster))


def test_pods_that_tasks_make_and_those_that_ended_do_not_stand_by() -> None:
    judge_idle_workers(with_pods())


def test_a_pod_that_stands_by_is_named() -> None:
    with pytest.raises(AssertionError, match=r"run no task: \['idle-0'\]"):
        judge_idle_workers(with_pods(like_a_worker("idle-0")))
