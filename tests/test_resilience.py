"""The held task: whom it waits for, and when it is let go."""

from __future__ import annotations

import contextlib
import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.airflow import DagRun
from fixtures.errors import Blocked, BudgetExceeded, TargetFailed
from fixtures.objects import Pod
from fixtures.observations import resilience
from fixtures.observations.resilience import (
    FINISHING,
    hold,
    pod_died,
    scaled,
    strangers,
    taken_up,
    unheard,
    wait_told_to_end,
    worker_of,
)
from fixtures.progress import Progress
from fixtures.settings import Executor
from fixtures.wait import Budgets, Pending, Signal, Waiter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = DagRun("conformance_sleeper", "r", "running")


def worker(name: str, told: timedelta | None = None) -> Pod:
    metadata: dict[str, Any] = {"name": name, "uid": f"uid of {name}"}
    if told is not None:
        metadata["deletionTimestamp"] = (NOW - told).isoformat()
    return Pod({"metadata": metadata})


def release(*workers: Pod, host: str = "") -> Any:
    """As much of a release as the held task needs."""
    return SimpleNamespace(
        cluster=SimpleNamespace(kube=SimpleNamespace(now=lambda: NOW), pods=lambda component: list(workers)),
        running=lambda component: list(workers),
        airflow=SimpleNamespace(task=lambda run, task_id: SimpleNamespace(hostname=host)),
        waiter=Waiter(Progress(io.StringIO()), Budgets({"task_pod": 0.2})),
    )


def test_only_the_worker_of_the_held_task_is_watched() -> None:
    """A StatefulSet tells the next worker only when the last one is back, which waits for the held task."""
    told, spared = worker("w-1", FINISHING + timedelta(seconds=1)), worker("w-0")
    wait_told_to_end(release(told, spared), [told])
    with pytest.raises(BudgetExceeded, match="w-0 not told"):
        wait_told_to_end(release(told, spared), [told, spared])


def test_a_worker_that_was_told_just_now_still_works() -> None:
    just_told = worker("w-0", timedelta(seconds=1))
    with pytest.raises(BudgetExceeded, match="w-0 not told, or just now"):
        wait_told_to_end(release(just_told), [just_told])


def test_nobody_waits_for_what_is_over() -> None:
    spared = worker("w-0")
    wait_told_to_end(release(spared), [spared], over=lambda: True)


def test_the_worker_of_a_task_is_found_by_its_host() -> None:
    first, second = worker("w-0"), worker("w-1")
    assert worker_of(release(first, second, host="w-1.w.airflow.svc"), RUN) is second
    with pytest.raises(TargetFailed, match="runs on elsewhere, which is none of the workers"):
        worker_of(release(first, second, host="elsewhere"), RUN)


def test_a_broker_comes_back_before_the_workers() -> None:
    done: list[str] = []
    cluster = SimpleNamespace(
        workload=lambda component: SimpleNamespace(title=component, replicas=1),
        scale=lambda workload, replicas: done.append(f"{workload.title} {replicas}"),
        wait_ready=lambda component: done.append(f"{component} ready"),
        wait_settled=lambda: done.append("settled"),
        pods=lambda component: [],
        wait_gone=lambda pods, **_: None,
    )
    recorded: list[str] = []

    def record(kind: str, name: str, *, replicas: int, meanwhile: int) -> int:
        recorded.append(name)
        return len(recorded) - 1

    ledger = SimpleNamespace(record=record, undo=lambda number: done.append(f"{recorded[number]} back"))
    subject: Any = SimpleNamespace(cluster=cluster, ledger=ledger, namespace="airflow")
    with scaled(subject, redis=0, worker=0, scheduler=1):
        done.append("meanwhile")
    gone, back = done[: done.index("meanwhile")], done[done.index("meanwhile") + 1 :]
    assert sorted(gone) == ["redis 0", "worker 0"], "who has as many pods as wanted is left alone"
    assert back == ["redis back", "redis ready", "scheduler back", "worker back", "settled"]


def listening(*states: str | None, broker: dict[str, Any] | None = None) -> Any:
    """A release whose task goes through these states, one at each look, and stays in the last one."""
    told = iter(states)
    now: list[str | None] = []

    def tasks(run: DagRun) -> list[Any]:
        now[:] = [next(told, now[0] if now else None)]
        return [SimpleNamespace(state=now[0], queue="default")]

    replaced: list[str] = []
    cluster = SimpleNamespace(kill=lambda pod, container: replaced.append(pod.name), wait_replaced=lambda *_: [])
    return SimpleNamespace(
        airflow=SimpleNamespace(tasks=tasks),
        running=lambda component: [worker("w-0")],
        ask=lambda component, probe, *words: broker or {},
        cluster=cluster,
        waiter=Waiter(Progress(io.StringIO()), Budgets({"dag_run": 4, "reconnect": 0.2})),
        replaced=replaced,
    )


def test_workers_are_not_deaf_while_nobody_queues_a_task() -> None:
    late = listening(None, "scheduled", "running")  # queued long after the budget for being taken up
    assert taken_up(late, RUN)
    assert not late.replaced
    with pytest.raises(BudgetExceeded, match="the task to be queued"):
        taken_up(listening("scheduled"), RUN)


def test_workers_that_leave_a_queued_task_are_replaced() -> None:
    deaf = listening("scheduled", "queued")
    assert not taken_up(deaf, RUN)
    assert deaf.replaced == ["w-0"]


@pytest.mark.parametrize(
    ("broker", "deaf"),
    [
        ({"length": 1, "unheard": 9}, True),
        ({"length": 1, "unheard": 0}, False),
        ({"length": 1}, False),  # no worker has come back yet
        ({"length": 0, "unheard": 9}, False),  # somebody has the message
        ({"kind": "amqp"}, False),
    ],
)
def test_workers_that_left_a_message_and_stopped_asking_are_deaf(broker: dict[str, Any], deaf: bool) -> None:
    assert unheard(listening("queued", broker=broker), RUN) is deaf


def test_nobody_is_waited_for_who_has_stopped_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resilience, "UNHEARD", 0.01)
    deaf = listening("queued", broker={"length": 1, "unheard": 9})
    deaf.waiter = Waiter(Progress(io.StringIO()), Budgets({"dag_run": 4, "reconnect": 600}))
    assert not taken_up(deaf, RUN)
    assert deaf.replaced == ["w-0"]


def test_what_works_on_the_database_beside_the_release_is_named() -> None:
    """Not what is dead, and also what sends its heartbeat a little later than the scheduler."""
    rows = [
        (1, "s-1", "SchedulerJob"),
        (2, "t-1", "TriggererJob"),
        (3, "old-t", "TriggererJob"),
        (4, "dead", "SchedulerJob"),
    ]
    beats = iter([(0, 0, 0, 0), (5, 5, 0, 0), (10, 10, 5, 0), (15, 15, 5, 0)])

    def ask(component: str, probe: str, *types: str) -> list[list[Any]]:
        assert component == "webserver" and "TriggererJob" in types
        return [
            [id, host, 0, lived, "running", type] for (id, host, type), lived in zip(rows, next(beats), strict=True)
        ]

    pods = {"scheduler": [worker("s-1")], "triggerer": [worker("t-1")]}

    def until(what: str, look: Any, **_: Any) -> Any:
        return next(found for found in iter(look, None) if not isinstance(found, Pending))

    subject: Any = SimpleNamespace(
        see=lambda _: None, ask=ask, ever=lambda name: pods.get(name, []), waiter=SimpleNamespace(until=until)
    )
    assert strangers.look(subject) == ["triggerer old-t"]


def on_a_node_that_comes(*phases: str, coming: bool, held: dict[str, int] | None = None) -> Any:
    """A release whose task pod is in one phase after the other, and whose node comes for it, or does not.

    Args:
        held: tasks that run, by their DAG, where two may be under way at once.
    """
    told = iter(phases)

    def pods(*_: Any) -> list[Pod]:
        return [Pod({"metadata": {"name": "p", "uid": "u"}, "status": {"phase": next(told, phases[-1])}})]

    state = "scheduled" if held else "failed"
    task = SimpleNamespace(state=state, pool="default_pool")
    return SimpleNamespace(
        executor=Executor.KUBERNETES,
        turn=contextlib.nullcontext(),
        namespace="airflow",
        cluster=SimpleNamespace(
            task_pods=pods, are_coming=lambda _: coming, recorder=SimpleNamespace(condition=Signal())
        ),
        airflow=SimpleNamespace(
            task=lambda *_: task,
            tasks=lambda _: [task],
            tasks_in=lambda *_: held or {},
            pool=lambda name: SimpleNamespace(slots=128, open_slots=99),
        ),
        running=lambda component: [worker("s-1")],
        option=lambda section, key, default: "2",
        waiter=Waiter(Progress(io.StringIO()), Budgets({"dag_run": 0.1, "cold_start": 30, "pod_death": 5})),
    )


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are there at once."""
    for name, what in (("listed", None), ("start_dag", RUN), ("start_sleeper", RUN)):
        monkeypatch.setattr(f"fixtures.observations.resilience.{name}", lambda *_, what=what: what)


@pytest.mark.usefixtures("started")
def test_a_pod_whose_node_is_to_come_dies_later() -> None:
    waited = ["Pending"] * 3 + ["Failed"]
    assert pod_died.look(on_a_node_that_comes(*waited, coming=True)).state == "failed"
    with pytest.raises(BudgetExceeded, match="death of a task's pod: its pod is Pending"):
        pod_died.look(on_a_node_that_comes(*waited, coming=False))


@pytest.mark.usefixtures("started")
def test_a_task_for_which_others_leave_no_room_is_not_at_work_and_accuses_nobody() -> None:
    with pytest.raises(Blocked, match=r"of 2 tasks that may be under way at once \(\[core\] parallelism\), 2 that run"):
        hold(on_a_node_that_comes("Pending", coming=False, held={"sales": 2}))
    with pytest.raises(BudgetExceeded, match="conformance_sleeper to be at work: the task is scheduled"):
        hold(on_a_node_that_comes("Pending", coming=False, held={"conformance_pods": 2}))
