"""Resilience: what is killed, doubled or restarted does no lasting harm (README: Executor, Architecture)."""

from fixtures.catalogue import requirement
from fixtures.errors import Unsupported
from fixtures.observations.resilience import (
    DEAF,
    TASK,
    broker_restarted,
    executor_switched,
    pod_died,
    pod_told_to_end,
    scheduler_killed,
    two_schedulers,
    webserver_restarted,
    worker_away,
    worker_killed,
)
from fixtures.settings import Executor
from fixtures.subject import Subject
from fixtures.watch import TASK_POD_LABEL


@requirement("AF-RES-001")
def test_a_run_survives_its_scheduler(subject: Subject) -> None:
    """When the scheduler is killed while a task is at work, another one MUST take over and end the run in success,
    and the task MUST have been started once.
    """
    seen = subject.see(scheduler_killed)
    assert seen.meanwhile == "running", f"with a new scheduler, the task at work became {seen.meanwhile}"
    task = seen.finished.tasks[TASK]
    assert len(seen.started_on) == 1, f"the task was started {len(seen.started_on)} times, on {seen.started_on}"
    assert task.try_number == 1, f"the run survived, but its task needed try {task.try_number}"


@requirement("AF-RES-002")
def test_a_killed_worker_is_replaced(subject: Subject) -> None:
    """When a worker is killed while it runs a task, another one MUST take its place and run the next task, and the
    task that was lost MUST NOT be reported as a success.
    """
    seen = subject.see(worker_killed)
    ran_on = seen.next.tasks[TASK].hostname
    assert any(pod.is_host(ran_on) for pod in seen.workers), f"the next task ran on {ran_on}, which is no worker"
    assert seen.lost.state != "success", f"the task whose worker was killed is reported as {seen.lost.state}"
    assert len(seen.started_on) == 1, f"the lost task was started {len(seen.started_on)} times, on {seen.started_on}"


@requirement("AF-RES-003")
def test_two_schedulers_run_nothing_twice(subject: Subject) -> None:
    """With two schedulers at work, each of several runs MUST end in success, its task started once."""
    seen = subject.see(two_schedulers)
    assert len(seen.schedulers) >= 2, f"there was only {seen.schedulers}"
    for finished in seen.finished:
        hosts = seen.started_on[finished.run.run_id]
        assert len(hosts) == 1, f"run {finished.run.run_id}: its task was started {len(hosts)} times, on {hosts}"
        assert finished.tasks[TASK].try_number == 1, f"run {finished.run.run_id}: {finished.tasks[TASK]}"
        if subject.executor is Executor.KUBERNETES:
            made = [pod.name for pod in subject.cluster.task_pods(finished.run.run_id)]
            assert len(made) == 1, f"run {finished.run.run_id}: the schedulers made the pods {made} for one task"


@requirement("AF-RES-004")
def test_keys_and_sessions_survive_a_restart(subject: Subject) -> None:
    """A restart of the webserver MUST keep its keys, the sessions of its users, and what was stored encrypted."""
    seen = subject.see(webserver_restarted)
    assert seen.session_held, (
        "a user who was logged in before the webserver's restart must log in again: [webserver] secret_key "
        "is made up at each start, or its sessions are not kept; set webserverSecretKeySecretName"
    )
    changed = [option for option, key in seen.before.items() if seen.after.get(option) != key]
    assert not changed, f"{', '.join(changed)} changed with the restart: give it in a Secret"
    assert seen.password_read, f"a password that was stored before the restart cannot be read: {seen.error}"


@requirement("AF-RES-005")
def test_tasks_run_again_after_the_broker_restarted(subject: Subject) -> None:
    """After a restart of the broker tasks SHOULD run again, at the latest when the workers were restarted too."""
    took_up_by_themselves = subject.see(broker_restarted)
    if not took_up_by_themselves:  # it happens to some restarts and not to others: no deployment is to blame for one
        subject.note("AF-RES-005", f"{DEAF}: restart the workers whenever the broker was restarted")


@requirement("AF-RES-006")
def test_a_worker_that_is_told_to_end_finishes_its_task(subject: Subject) -> None:
    """A worker that is told to end, as in an upgrade, MUST finish the task it runs."""
    seen = subject.see(worker_away)
    assert seen.at_work.state == "success", (
        f"its worker was told to end, and the task became {seen.at_work.state}; "
        "is workers.terminationGracePeriodSeconds long enough, and does the worker get the signal first (dumb-init)?"
    )
    assert len(seen.at_work_started_on) == 1, f"the task was started on {seen.at_work_started_on}"


@requirement("AF-RES-007")
def test_a_dead_pod_is_noticed(subject: Subject) -> None:
    """The executor MUST notice that a task's pod died before it could report, and fail the task."""
    seen = subject.see(pod_died)
    assert seen.state in ("failed", "up_for_retry"), (
        f"pod {seen.pod.name} is dead, and its task is still {seen.state}: "
        "may the scheduler's service account watch pods (Role <release>-pod-launcher-role)?"
    )


@requirement("AF-RES-008")
def test_a_task_whose_pod_is_told_to_end_is_no_success(subject: Subject) -> None:
    """A task whose pod is told to end while it is at work MUST end as failed, or wait for a retry, at once."""
    seen = subject.see(pod_told_to_end)
    assert seen.state in ("failed", "up_for_retry"), (
        f"pod {seen.pod.name} was told to end in the middle of its task, and the task is {seen.state}"
    )


@requirement("AF-CMP-008")
def test_tasks_wait_in_the_broker_for_a_worker(subject: Subject) -> None:
    """While there is no worker, a task MUST wait in the broker, and it MUST run when a worker is back."""
    seen = subject.see(worker_away)
    if "length" not in seen.queue:
        raise Unsupported(f"the broker is {seen.queue['kind']}, whose queues this suite cannot read")
    assert seen.queue["length"] >= 1, (
        f"the task is queued without a worker, and the queue {seen.waiting.queue} at {seen.queue['host']} is empty: "
        "the message went to another broker, or got lost"
    )
    assert seen.queue_after["length"] == 0, f"the queue {seen.waiting.queue} still holds {seen.queue_after['length']}"


@requirement("AF-EXE-008")
def test_the_executor_can_be_switched(subject: Subject) -> None:
    """An upgrade of the release to CeleryExecutor, and the way back, MUST each leave it running tasks as declared,
    and MUST keep the history.
    """
    seen, forgotten = subject.see(executor_switched)
    worker_host = seen.there.tasks["hello_task"].hostname
    assert any(pod.is_host(worker_host) for pod in seen.workers), (
        f"under CeleryExecutor the task ran on {worker_host}, which is none of the workers "
        f"{[pod.name for pod in seen.workers]}"
    )
    own = seen.back.pod("hello_task")
    assert own.labels.get(TASK_POD_LABEL) == "True", f"back under KubernetesExecutor the task ran in {own.name}"
    assert not forgotten, f"runs that were there before are gone: {', '.join(forgotten)}"
    if not seen.by_themselves:
        subject.note("AF-EXE-008", f"after the switch to CeleryExecutor {DEAF}")
