"""Scheduling (README: Components, Troubleshooting)."""

import re
from datetime import timedelta

from fixtures.capacity import worker_limit
from fixtures.catalogue import requirement
from fixtures.observations import facts, hello, scheduler_ready
from fixtures.observations.examples import came_late, hoarding, parsed_dags, require_room, side_by_side
from fixtures.settings import Executor
from fixtures.subject import Subject

ENOUGH_SECONDS = 30
"""Shorter waits in the queue are ordinary: an image is pulled, a repository cloned, another task still runs."""
ENDS_AFTER_ROUNDS = re.compile(r"""(?<![/\w-])scheduler\s(?:[^;&|]*\s)?(?:-n|--num[\w-]*)[\s="']*[1-9]""")
"""A command line that bounds the scheduler's rounds; -1 and 0 are no bound (Airflow's cli_config.py, ARG_NUM_RUNS)."""


@requirement("AF-SCH-001")
def test_independent_tasks_run_side_by_side(subject: Subject) -> None:
    """Independent tasks SHOULD run side by side."""
    finished = subject.see(side_by_side)
    of_workers = subject.executor is Executor.CELERY and bool(subject.running("worker"))
    kept = hoarding(subject) if of_workers else ""
    assert not kept, kept
    left, right = finished.tasks["left"], finished.tasks["right"]
    assert left.start and left.end and right.start and right.end, "a task has no times"
    if left.start < right.end and right.start < left.end:
        return
    first, last = ("left", "right") if left.start < right.start else ("right", "left")
    if late := came_late(subject, finished, first, last):
        subject.note("AF-SCH-001", late)
        return
    require_room(subject, finished, first, last)
    limits = {
        "[core] parallelism": subject.option("core", "parallelism", "32"),
        "[core] max_active_tasks_per_dag": subject.option("core", "max_active_tasks_per_dag", "16"),
        f"pool {left.pool} slots": str(subject.airflow.pool(left.pool).slots),
    }
    if of_workers:
        limits |= worker_limit(subject)
    ones = [f"{name}={value}" for name, value in limits.items() if value == "1"]
    shown = ", ".join(ones or [f"{name}={value}" for name, value in limits.items()])
    raise AssertionError(
        f"two independent tasks ran one after the other ({left.start:%X}-{left.end:%X} and "
        f"{right.start:%X}-{right.end:%X}), although each waited a minute for the other: {shown}"
    )


@requirement("AF-SCH-002")
def test_pools_have_slots(subject: Subject) -> None:
    """The default pool, and every other that DAGs use, MUST exist and have slots."""
    used, own = {"default_pool": ["every task that names no pool"]}, {"default_pool"}
    for one in subject.see(parsed_dags):
        if one.own and not one.documented_example:
            continue  # it may use a pool that exists for the length of one check
        own |= {task.pool for task in one.tasks if one.own}
        for task in one.tasks:
            used.setdefault(task.pool, []).append(f"{one.dag.dag_id}.{task.task_id}")
    pools = {pool.name: pool.slots for pool in subject.airflow.pools()}
    for name, users in used.items():
        if pools.get(name, 0) == 0:
            has = "has 0 slots" if name in pools else "does not exist"
            says = f"pool {name} {has}, so {users[0]} will never run: `airflow pools set {name} 128 ''`"
            assert name not in own, says
            subject.note("AF-SCH-002", says)


@requirement("AF-SCH-003")
def test_the_scheduler_is_declared_sanely(subject: Subject) -> None:
    """The scheduler SHOULD run for ever, and let a queued task wait longer than tasks take to start."""
    subject.see(scheduler_ready)
    allowed = float(subject.option("scheduler", "task_queued_timeout", "600"))
    option = f"[scheduler] task_queued_timeout is {allowed:g} s"
    assert allowed > ENOUGH_SECONDS, (
        f"{option}: a task that waits for an image or a slot takes longer, and fails without a log; set over "
        f"{ENOUGH_SECONDS} s"
    )
    runs = subject.option("scheduler", "num_runs", "-1")
    assert runs in ("-1", "0"), f"[scheduler] num_runs={runs}: the scheduler ends after so many rounds; set -1"
    for name, container in subject.pod("scheduler").containers.items():
        assert not ENDS_AFTER_ROUNDS.search(container.command), (
            f"container {name} runs `{container.command}`, and ends after so many rounds: leave --num-runs out"
        )
    tasks = [subject.see(hello).finished.tasks["hello_task"], subject.see(facts).task]
    waited = [task.start - task.queued for task in tasks if task.start and task.queued]
    longest = max(waited, default=timedelta(0)).total_seconds()
    assert allowed > longest, f"{option}, and a task of this run took {longest:.1f} s to start; set more"
