"""Following a run to its end, with a stub in place of Airflow; a real one is in test_airflow.py."""

from __future__ import annotations

import pytest

from fixtures import following
from fixtures.errors import Blocked, BudgetExceeded, TargetFailed
from fixtures.following import TaskFailed
from tests.stub_airflow import DAG, RUN, Reply, Stub, data, run_reply
from tests.waiting import waiter

HEALTHY = {
    "metadatabase": {"status": "healthy"},
    "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2024-04-12T10:00:00+00:00"},
    "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
    "dag_processor": {"status": None, "latest_dag_processor_heartbeat": None},
}


def tasks_reply(*states: tuple[str, str | None]) -> Reply:
    items = [
        {
            "task_id": task_id,
            "state": state,
            "hostname": "pod-1" if state in ("running", "failed", "success") else "",
            "try_number": 1,
            "start_date": None,
            "end_date": None,
            "queued_when": None,
            "pool": "small",
            "queue": "default",
            "operator": "PythonOperator",
            "map_index": -1,
        }
        for task_id, state in states
    ]
    return data({"task_instances": items, "total_entries": len(items)})


@pytest.fixture
def running(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """A stub with a DAG and a run of two tasks."""
    monkeypatch.setattr(following, "DIAGNOSE_AFTER_SECONDS", 0.0)
    stub.replace |= {
        "GET /health": [data(HEALTHY)],
        "GET /api/v1/dags/d": [data(DAG)],
        "GET /api/v1/dags/d/dagRuns": [data({"dag_runs": [], "total_entries": 0})],
        "GET /api/v1/dags/d/dagRuns/r": [run_reply("running")],
        "GET /api/v1/pools/small": [data({"name": "small", "slots": 1, "open_slots": 0})],
        "GET /api/v1/dags/d/dagRuns/r/taskInstances/a/logs/1": [(200, {"Content-Type": "text/plain"}, "one\n\ntwo\n")],
    }
    return stub


def test_run_is_followed_to_success(running: Stub) -> None:
    running.replace["GET /api/v1/dags/d/dagRuns/r"] = [run_reply("queued"), run_reply("running"), run_reply("success")]
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [
        tasks_reply(("a", None)),
        tasks_reply(("a", "success")),
    ]
    assert following.finish(running.client(), waiter(10), RUN).state == "success"


@pytest.mark.parametrize("state", ["failed", "upstream_failed", "up_for_retry", "removed"])
def test_task_off_the_way_ends_the_wait_at_once(running: Stub, state: str) -> None:
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("b", "running"), ("a", state))]
    with pytest.raises(TaskFailed, match=rf"task a of d is {state}, try 1(?s:.)*\| one\n  \| two"):
        following.finish(running.client(), waiter(10), RUN)


def test_the_cause_is_named_and_not_its_consequence(running: Stub) -> None:
    states = tasks_reply(("b", "upstream_failed"), ("a", "failed"))
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [states]
    with pytest.raises(TaskFailed, match="task a of d is failed, try 1 on pod-1"):
        following.finish(running.client(), waiter(10), RUN)


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (
            'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    connect()\n    ^^^^^^^^^\n'
            "psycopg2.OperationalError: no password supplied\n[2026-01-01] {x.py:1} INFO - Marking task as FAILED",
            "psycopg2.OperationalError: no password supplied",
        ),
        ("cut off\n    connect()\nValueError: a\n\nDuring handling of it:\n  File\n    g()\nKeyError", "KeyError"),
        ("[2026-01-01] {x.py:1} INFO - Error: none", ""),
        ("", ""),
    ],
)
def test_the_exception_that_ended_a_task_is_named(log: str, told: str) -> None:
    assert following.raised(log) == told


def test_a_task_that_failed_is_told_with_its_exception(running: Stub) -> None:
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("a", "failed"))]
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances/a/logs/1"] = [
        (200, {"Content-Type": "text/plain"}, "Traceback:\n  f()\nKeyError: 'k'\n")
    ]
    with pytest.raises(TaskFailed, match=r"\(run r, a failed\): KeyError: 'k'\n  \| Traceback:"):
        following.finish(running.client(), waiter(10), RUN)


def test_failed_task_whose_log_is_gone(running: Stub) -> None:
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("a", "failed"))]
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances/a/logs/1"] = [data({"title": "gone"}, 404)]
    with pytest.raises(TaskFailed, match=r"its log could not be read: .*gone"):
        following.finish(running.client(), waiter(10), RUN)


def test_expected_failure_that_would_be_tried_again(running: Stub) -> None:
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("a", "up_for_retry"))]
    with pytest.raises(TaskFailed, match="up_for_retry"):
        following.finish(running.client(), waiter(10), RUN, expect=("failed",))


def test_a_retry_that_is_expected(running: Stub) -> None:
    running.replace["GET /api/v1/dags/d/dagRuns/r"] = [run_reply("running"), run_reply("success")]
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [
        tasks_reply(("a", "up_for_retry")),
        tasks_reply(("a", "success")),
    ]
    assert following.finish(running.client(), waiter(10), RUN, may_retry=True).state == "success"


@pytest.mark.parametrize(("state", "expect"), [("success", "failed"), ("failed", "success")])
def test_run_that_ended_the_other_way(running: Stub, state: str, expect: str) -> None:
    running.replace["GET /api/v1/dags/d/dagRuns/r"] = [run_reply(state)]
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("a", "success"))]
    with pytest.raises(TargetFailed, match=f"ended in state {state}, expected {expect}; tasks: a success"):
        following.finish(running.client(), waiter(10), RUN, expect=(expect,))


def test_stuck_run_names_the_full_pool(running: Stub) -> None:
    states = tasks_reply(("a", "scheduled"), ("b", None), ("c", "success"))
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [states]
    with pytest.raises(BudgetExceeded) as stuck:
        following.finish(running.client(), waiter(0.2), RUN)
    assert "run of d is running; a scheduled, b not scheduled; pool small has 0 of 1 slots open" in str(stuck.value)


def holding(*dag_ids: str, slots: int = 1) -> Reply:
    """Tasks that run in a pool; there are as many that are queued, because the stub does not read the query."""
    return data(
        {
            "task_instances": [{"dag_id": dag_id, "pool_slots": slots} for dag_id in dag_ids],
            "total_entries": len(dag_ids),
        }
    )


def full(stub: Stub, slots: int, tasks: Reply) -> None:
    """A task of the run waits in a pool of so many slots, none of them open."""
    stub.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("a", "scheduled"))]
    stub.replace["GET /api/v1/pools/small"] = [data({"name": "small", "slots": slots, "open_slots": 0})]
    stub.replace["GET /api/v1/dags/~/dagRuns/~/taskInstances"] = [tasks]


def test_a_pool_full_of_other_peoples_tasks_blocks(running: Stub) -> None:
    full(running, 8, holding("sales", "hello_world_dag", slots=2))
    with pytest.raises(Blocked, match="full of other DAGs' tasks, which hold 4 of 8 slots") as blocked:
        following.finish(running.client(), waiter(0.2), RUN)
    assert blocked.value.by == "pool small"


@pytest.mark.parametrize(
    ("slots", "tasks"),
    [
        (0, holding("sales")),
        (8, holding("conformance_parallel", "hello_world_dag", "etl_pipeline", "daily_report")),
        (8, holding("sales", "conformance_parallel", "conformance_facts")),
        (1, data({"title": "Internal Server Error"}, 500)),
    ],
)
def test_a_pool_that_is_closed_or_full_of_the_suites_own_tasks_accuses(running: Stub, slots: int, tasks: Reply) -> None:
    full(running, slots, tasks)
    with pytest.raises(BudgetExceeded, match="a scheduled"):
        following.finish(running.client(), waiter(0.2), RUN)


@pytest.mark.parametrize("state", ["scheduled", "queued"])
def test_room_that_other_peoples_tasks_take_blocks(running: Stub, state: str) -> None:
    """The stub shows the same tasks as running and as queued."""
    full(running, 128, holding("sales", "sales", "conformance_facts"))
    running.replace["GET /api/v1/pools/small"] = [data({"name": "small", "slots": 128, "open_slots": 99})]
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("a", state))]
    with pytest.raises(Blocked, match=r"of 4 tasks that may be under way at once \(parallelism\), 2 that run") as seen:
        following.finish(running.client(), waiter(0.2), RUN, limits=lambda: {"parallelism": 4})
    assert seen.value.by == "parallelism"


@pytest.mark.parametrize(
    ("state", "tasks", "limit"),
    [
        ("running", holding("sales", "sales"), 4),
        ("scheduled", holding("sales"), 4),
        ("scheduled", holding("hello_world_dag", "conformance_facts"), 4),
        ("scheduled", data({"title": "Internal Server Error"}, 500), 4),
    ],
)
def test_room_that_is_there_accuses(running: Stub, state: str, tasks: Reply, limit: int) -> None:
    full(running, 128, tasks)
    running.replace["GET /api/v1/pools/small"] = [data({"name": "small", "slots": 128, "open_slots": 99})]
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("a", state))]
    with pytest.raises(BudgetExceeded, match=f"a {state}"):
        following.finish(running.client(), waiter(0.2), RUN, limits=lambda: {"parallelism": limit})


def test_stuck_run_names_the_paused_dag_and_the_dead_scheduler(running: Stub) -> None:
    running.replace["GET /api/v1/dags/d"] = [data({**DAG, "is_paused": True})]
    running.replace["GET /api/v1/dags/d/dagRuns/r"] = [run_reply("queued")]
    dead = {**HEALTHY["scheduler"], "status": "unhealthy"}
    running.replace["GET /health"] = [data({**HEALTHY, "scheduler": dead})]
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("a", None))]
    with pytest.raises(BudgetExceeded) as stuck:
        following.finish(running.client(), waiter(1), RUN)
    assert "scheduler is unhealthy, last heartbeat 2024-04-12 10:00:00+00:00" in str(stuck.value)
    assert "DAG d is paused" in str(stuck.value)


def test_stuck_run_names_the_runs_before_it(running: Stub) -> None:
    other = {"dag_id": "d", "dag_run_id": "other", "state": "running", "run_type": "scheduled"}
    others = {"dag_runs": [{**other, "start_date": None, "end_date": None}], "total_entries": 1}
    running.replace["GET /api/v1/dags/d/dagRuns"] = [data(others)]
    running.replace["GET /api/v1/dags/d/dagRuns/r"] = [run_reply("queued")]
    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("a", None))]
    with pytest.raises(BudgetExceeded, match="max_active_runs is 1 and other running"):
        following.finish(running.client(), waiter(0.2), RUN)


def test_what_happens_outside_ends_the_wait(running: Stub) -> None:
    def doomed() -> None:
        raise TargetFailed("the image of the task pod cannot be pulled")

    running.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances"] = [tasks_reply(("a", "queued"))]
    with pytest.raises(TargetFailed, match="cannot be pulled"):
        following.finish(running.client(), waiter(10), RUN, terminal=doomed)
