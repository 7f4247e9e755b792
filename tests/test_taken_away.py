"""Runs whose pod the cluster takes away, as with a node that is drained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import following, observations
from fixtures.airflow import DagRun
from fixtures.following import TaskFailed
from fixtures.objects import Pod
from fixtures.observations import Facts, TakenAway, facts, facts_triggered, run_dag
from fixtures.settings import Executor

RUN = DagRun("hello_world_dag", "", "success")
EVICTED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}


def a_pod(run_id: str, *conditions: dict[str, str]) -> Pod:
    metadata = {"name": f"p-{run_id}", "uid": run_id, "annotations": {"task_id": "facts", "run_id": run_id}}
    return Pod({"metadata": metadata, "spec": {}, "status": {"phase": "Running", "conditions": list(conditions)}})


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Ids of the runs that were made; the task of the first one fails, or of each whose id is added to `failing`."""
    ids: list[str] = []

    def start(*_: Any) -> DagRun:
        ids.append(f"run {len(ids) + 1}")
        return replace(RUN, run_id=ids[-1])

    def finish(airflow: Any, waiter: Any, run: DagRun, **_: Any) -> DagRun:
        if run.run_id in airflow.failing:
            raise TaskFailed(f"task of {run.run_id} is up_for_retry")
        return run

    monkeypatch.setattr(observations, "listed", lambda *_: "")
    monkeypatch.setattr(observations, "start_facts", start)
    monkeypatch.setattr(observations, "start_dag", start)
    monkeypatch.setattr(following, "finish", finish)
    yield ids


def release(failing: set[str], *conditions: dict[str, str]) -> Any:
    """A release in which the tasks of some runs fail, whose pods have these conditions."""
    task = SimpleNamespace(task_id="facts")
    forgotten: list[str] = []
    return SimpleNamespace(
        forget=lambda run: forgotten.append(run.run_id),
        forgotten=forgotten,
        executor=Executor.KUBERNETES,
        turn=contextlib.nullcontext(),
        see=lambda asked: replace(RUN, run_id="run 0") if asked is facts_triggered else None,
        xcom=lambda *_: {"airflow": "2.9.0"},
        waiter=None,
        airflow=SimpleNamespace(failing=failing, tasks=lambda run: [task]),
        cluster=SimpleNamespace(
            task_pods=lambda run_id: [a_pod(run_id, *conditions)], last_words=lambda pods: "\nits pod wrote: no"
        ),
    )


def test_a_run_whose_pod_is_evicted_is_made_anew(made: list[str]) -> None:
    subject = release({"run 1"}, EVICTED)
    assert run_dag(subject, "hello_world_dag", "hello_world.py").run.run_id == "run 2"
    assert subject.forgotten == ["run 1"], "of which no more than one may be active, perhaps"
    found = facts.look(release({"run 0"}, EVICTED))
    assert isinstance(found, Facts) and found.finished.run.run_id == "run 3"


def test_a_run_is_made_anew_once_and_then_accuses_nobody(made: list[str]) -> None:
    with pytest.raises(TakenAway, match=r"its pod p-run 2 was taken away by the cluster \(EvictionByEvictionAPI\)"):
        run_dag(release({"run 1", "run 2"}, EVICTED), "hello_world_dag", "hello_world.py")
    assert made == ["run 1", "run 2"]


def test_a_task_that_fails_in_a_pod_that_stays_is_told(made: list[str]) -> None:
    with pytest.raises(TaskFailed, match="its pod wrote: no"):
        run_dag(release({"run 1"}), "hello_world_dag", "hello_world.py")
    assert made == ["run 1"]
