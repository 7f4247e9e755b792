"""The README's example DAG, and logs (README: Creating DAGs, Monitoring)."""

from datetime import timedelta

from fixtures.catalogue import requirement
from fixtures.errors import Blocked
from fixtures.observations import LOGS_GONE, hello, listed
from fixtures.observations.monitoring import log_keys, log_source, why_lost
from fixtures.settings import Executor
from fixtures.subject import Subject


@requirement("AF-EXM-001")
def test_the_example_dag_is_listed_as_documented(subject: Subject) -> None:
    """hello_world_dag MUST import without error and be listed as the README describes it."""
    listed(subject, "hello_world_dag", "hello_world.py")
    dag, tasks = subject.airflow.dag("hello_world_dag"), subject.airflow.tasks_of("hello_world_dag")
    assert [task.task_id for task in tasks] == ["hello_task"], f"its tasks are {[task.task_id for task in tasks]}"
    (task,) = tasks
    assert dag is not None and not dag.has_import_errors, "the DAG has import errors"
    assert dag.description == "Simple hello world DAG", f"description is {dag.description!r}"
    assert "example" in dag.tags, f"tags are {set(dag.tags)}"
    assert dag.schedule == "0 0 * * *", f"schedule is {dag.schedule!r}"
    assert dag.owners == {"airflow"}, f"owners are {set(dag.owners)}"
    assert subject.airflow.details("hello_world_dag").catchup is False, "catchup is on"
    assert task.retries == 1, f"hello_task has {task.retries} retries"
    assert task.retry_delay == timedelta(minutes=5), f"retry_delay is {task.retry_delay}"


@requirement("AF-EXM-002")
def test_the_example_dag_says_hello(subject: Subject) -> None:
    """A triggered run of hello_world_dag MUST succeed, and its log MUST contain `Hello from Airflow!`."""
    run = subject.see(hello)
    assert run.finished.tasks["hello_task"].state == "success"
    if LOGS_GONE not in run.log:  # a lost log is the finding of AF-LOG-001
        assert "Hello from Airflow!" in run.log, f"the task's output is not in its log:\n{run.log[-2000:]}"


@requirement("AF-LOG-001")
def test_the_log_outlives_the_task(subject: Subject) -> None:
    """The log of a finished task MUST be readable after its pod is gone."""
    log = subject.see(hello).log
    assert LOGS_GONE not in log, (
        "the log is lost with the pod: enable logs.persistence or remote logging\n" + log[-2000:]
        if subject.executor is Executor.KUBERNETES
        else f"the webserver cannot read the worker's log: {why_lost(log) or 'its words follow'}\n" + log[-2000:]
    )
    assert "Hello from Airflow!" in log, (
        f"the log holds no output of the task ([logging] logging_level?):\n{log[-2000:]}"
    )


@requirement("AF-LOG-004")
def test_the_log_comes_from_where_the_task_ran(subject: Subject) -> None:
    """The log of a Celery task MUST come from the worker that ran it or from shared storage, by one signing key."""
    run = subject.see(hello)
    keys = log_keys(subject, ("webserver", "worker"))
    assert len(set(keys.values())) == 1, f"[webserver] secret_key differs, by fingerprint: {keys}: requests end in 403"
    if LOGS_GONE in run.log:
        raise Blocked("the log is lost", by="AF-LOG-001")
    source, host = log_source(run.log), run.finished.tasks["hello_task"].hostname
    shared = "local files" in source or "remote" in source
    assert shared or (host and host in source), f"the task ran on {host}, its log says of its source: {source!r}"
