"""The README's example DAG, and logs (README: Creating DAGs, Monitoring)."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from fixtures import dagfiles, mail
from fixtures.catalogue import requirement
from fixtures.errors import Blocked, TargetFailed, Unsupported
from fixtures.observations import HELLO, LOGS_GONE, Hello, hello, listed, log_of, logs_come_late
from fixtures.observations.examples import (
    FIRST_TRY,
    daily_report,
    etl,
    etl_again,
    etl_logs,
    etl_refused,
    planted_log,
    retried,
    scheduled_runs,
)
from fixtures.observations.log_retention import log_cleaners, log_groomers, why_logs_end, why_logs_leave
from fixtures.observations.task_logs import (
    declared_logging,
    log_keys,
    log_source,
    not_sent,
    others_in,
    proxy_asked,
    why_lost,
)
from fixtures.settings import Executor
from fixtures.subject import Subject


@requirement("AF-EXM-001")
def test_the_example_dag_is_listed_as_documented(subject: Subject) -> None:
    """hello_world_dag MUST import without error and be listed as the README describes it."""
    listed(subject, "hello_world_dag", "hello_world.py")
    dag, tasks = subject.airflow.dag("hello_world_dag"), subject.airflow.tasks_of("hello_world_dag")
    ids = [task.task_id for task in tasks]
    assert ids == ["hello_task"], f"the tasks of hello_world_dag are {ids}, promised is hello_task alone"
    (task,) = tasks
    assert dag is not None and not dag.has_import_errors, "the DAG has import errors"
    assert "example" in dag.tags, f"hello_world_dag has the tags {set(dag.tags)}, promised is example"
    details = subject.airflow.details("hello_world_dag")
    seen_and_promised: dict[str, tuple[object, object]] = {
        "description": (dag.description, "Simple hello world DAG"),
        "schedule": (dag.schedule, "0 0 * * *"),
        "owners": (set(dag.owners), {"airflow"}),
        "catchup": (details.catchup, False),
        "retries of hello_task": (task.retries, 1),
        "retry_delay of hello_task": (task.retry_delay, timedelta(minutes=5)),
    }
    others = [
        f"{what} is {seen}, promised is {promised}"
        for what, (seen, promised) in seen_and_promised.items()
        if seen != promised
    ]
    assert not others, (
        f"hello_world_dag is not the README's: {'; '.join(others)}; was its file changed, or does a policy change it "
        "(airflow_local_settings)?"
    )
    assert details.run_timeout is None or details.run_timeout >= timedelta(hours=1), (
        f"its runs end after a dagrun_timeout of {details.run_timeout}, which the README does not give them and which "
        "its retry has to fit into: a dag_policy?"
    )
    assert details.end_date is None, (
        f"its end_date is {details.end_date}, after which it is never due, and which the README does not give it: a "
        "dag_policy?"
    )
    assert task.execution_timeout is None or task.execution_timeout >= timedelta(hours=1), (
        f"hello_task has an execution_timeout of {task.execution_timeout}, which the README does not give it: "
        "[core] default_task_execution_timeout, or a task_policy?"
    )


@requirement("AF-EXM-002")
def test_the_example_dag_says_hello(subject: Subject) -> None:
    """A triggered run of hello_world_dag MUST succeed, and its log MUST contain `Hello from Airflow!`."""
    run = subject.see(hello)
    assert run.finished.tasks["hello_task"].state == "success"
    if LOGS_GONE not in run.log:  # a lost log is the finding of AF-LOG-001
        assert HELLO in run.log, (
            f"the task's output is not in its log ({declared_logging(subject)}):\n{run.log[-2000:]}"
        )


@requirement("AF-EXM-003")
def test_the_example_dag_runs_daily_without_the_past(subject: Subject) -> None:
    """hello_world_dag MUST be due daily at midnight, and unpausing it MUST run the latest day at most."""
    finished, new = subject.see(hello).finished, subject.see(scheduled_runs)
    assert subject.flag("scheduler", "use_job_schedule", "True"), (
        "[scheduler] use_job_schedule is False: no DAG runs by its schedule, only by hand; set it to True"
    )
    dag = subject.airflow.dag("hello_world_dag")
    assert dag is not None and dag.timetable == "At 00:00", f"it is due {dag and dag.timetable!r}, promised is At 00:00"
    zone = subject.option("core", "default_timezone", "utc")
    if dag.next_run and zone != "system":
        due = dag.next_run.astimezone(ZoneInfo(zone if zone != "utc" else "UTC"))
        assert (due.hour, due.minute) == (0, 0), f"its next run is at {due}, promised is midnight"
    now = subject.cluster.kube.now()
    assert dag.next_run is None or dag.next_run <= now + timedelta(hours=25), (  # a day, with an end of summer time
        f"it is {now:%Y-%m-%d %H:%M} and its next run is at {dag.next_run}, promised is daily: Airflow counts on from "
        "the latest scheduled or backfill run, and one of those may be about a day to come"
    )
    days = [run.interval_end for run in new if run.interval_end]
    old = [day for day in days if finished.run.start and day < finished.run.start - timedelta(days=1)]
    assert not old, f"catchup: unpausing made {len(new)} scheduled runs, for days up to {min(old)}"
    assert len(days) == len(set(days)), f"a day has more than one scheduled run: {days}"


@requirement("AF-EXM-004")
def test_a_failed_try_is_repeated(subject: Subject) -> None:
    """A task that has a retry MUST be tried again after it failed, and count as successful when that succeeds."""
    run = subject.see(retried)
    task = run.finished.tasks["recover"]
    assert (task.state, task.try_number) == ("success", 2), (
        f"the task failed its first try on purpose; it is {task.state} at try {task.try_number}, "
        f"right is success at try 2\n{run.first_log[-1500:]}"
    )
    if LOGS_GONE not in run.first_log:
        assert FIRST_TRY in run.first_log, f"the log of try 1 lost it:\n{run.first_log[-1500:]}"
        assert "the second try succeeds" not in run.first_log, (
            "the log of try 1 holds that of try 2: [logging] log_filename_template must name the try"
        )


@requirement("AF-EXM-005")
def test_the_example_arguments_are_obeyed(subject: Subject) -> None:
    """Tasks with the README's arguments MUST depend on no past run, and send no mail about a failure or a retry."""
    listed(subject, "hello_world_dag", "hello_world.py")
    for task in subject.airflow.tasks_of("hello_world_dag"):
        assert not task.depends_on_past, f"{task.task_id} has depends_on_past on"
    wanted = dagfiles.mails_wanted(subject.airflow.source("hello_world_dag"))
    assert not wanted, (
        f"hello_world_dag has {' and '.join(wanted)} on, so that failures are mailed; the README has both off"
    )
    runs = [subject.see(retried).finished.run, subject.see(etl_refused).run]
    try:
        sent = [found.subject for run in runs for found in mail.mailbox(subject).about(run.run_id)]
    except (Blocked, Unsupported, TargetFailed) as unseen:  # the last is the finding of AF-OPS-004
        subject.note("AF-EXM-005", f"mails were not looked at: {unseen.cause}")
        return
    assert not sent, f"email_on_failure and email_on_retry are off, and these mails were sent: {sent}"
    subject.note("AF-EXM-005", "the README's example has email_on_failure off, its best practices ask for alerts")


@requirement("AF-LOG-001")
def test_the_log_outlives_the_task(subject: Subject) -> None:
    """The log of a finished task MUST be readable after its pod is gone, and MUST be that of no other task or run."""
    log, run = subject.see(hello).log, subject.see(hello).finished.run
    ran_on = subject.see(hello).finished.tasks["hello_task"].hostname
    assert LOGS_GONE not in log, (
        "the log is lost with the pod: "
        f"{why_logs_end(subject) or not_sent(subject, log) or 'does the webserver mount the same volume?'}\n"
        + log[-2000:]
        if subject.executor is Executor.KUBERNETES
        else "the webserver cannot read the worker's log: "
        f"{proxy_asked(subject, ran_on) or why_lost(log) or 'its words follow'} (NetworkPolicies on the worker: "
        f"{subject.policies_on('worker')})\n" + log[-2000:]
    )
    assert HELLO in log, f"the log holds no output of the task ({declared_logging(subject)}):\n{log[-2000:]}"
    logs = [(run, "hello_task", log)]
    try:
        logs += [(subject.see(etl).finished.run, task_id, text) for task_id, text in etl_logs(subject).items()]
    except Blocked as unseen:
        subject.note("AF-LOG-001", f"only the log of hello_task was looked at: {unseen.cause}")
    for of_run, task_id, text in logs:
        others = others_in(text, of_run, task_id)
        assert not others, (
            f"the log of {task_id} of run {of_run.run_id} also holds that of {', '.join(others)}: [logging] "
            "log_filename_template must name the DAG, the run and the task"
        )


@requirement("AF-LOG-003")
def test_logs_stay(subject: Subject) -> None:
    """A log that was readable MUST stay readable, at least for a day."""
    seen = subject.see(hello)
    if logs_come_late(subject):  # from elsewhere; what lies in a pod is a copy
        later = require_log_stays(subject, seen)
        if LOGS_GONE not in later and (lost := not_sent(subject, later)):
            assert "local files" in log_source(later), f"{lost} What Airflow shows is a copy that goes with its worker"
            subject.note("AF-LOG-003", f"{lost} What Airflow shows is the copy on a volume")
        return
    planted = subject.see(planted_log)
    kept = {**log_groomers(subject), **log_cleaners(subject)}
    soon = {name: age for name, age in kept.items() if age is not None and age < timedelta(days=1)}
    if subject.executor is Executor.CELERY:  # the log of a task pod is read when the pod is gone, see AF-LOG-001
        ends = why_logs_end(subject)
        assert not ends, f"logs go with the worker's pod: {ends}"
        leave = why_logs_leave(subject)
        assert not leave, leave
    assert not soon, (
        f"logs are deleted at an age of {min(soon.values())}: {', '.join(soon)}; see its command, or logGroomerSidecar"
    )
    require_log_stays(subject, seen)
    if planted.pod.uid not in {pod.uid for pod in subject.cluster.pods(planted.component)}:
        subject.note(
            "AF-LOG-003", f"{planted.pod.name} was replaced during the run: only the logs themselves were looked at"
        )
        return
    there = subject.cluster.inside(planted.pod, planted.component).run("test -e %s", planted.path).rc == 0
    assert there, f"a log of yesterday, {planted.path}, was deleted during the run: something deletes logs before a day"


def require_log_stays(subject: Subject, seen: Hello) -> str:
    """A log that was readable is read again some time later, and returned; one that was not stays as it was."""
    for later in (etl_again, daily_report):  # time passes
        subject.settle(later)
    if LOGS_GONE in seen.log:
        return seen.log
    log = log_of(subject, seen.finished, "hello_task", HELLO)
    assert HELLO in log, f"the log was readable and is not any more:\n{log[-1000:]}"
    return log


@requirement("AF-LOG-004")
def test_the_log_comes_from_where_the_task_ran(subject: Subject) -> None:
    """The log of a Celery task MUST come from the worker that ran it or from shared storage, by one signing key."""
    run = subject.see(hello)
    keys = log_keys(subject, ("webserver", "worker"))
    assert len(set(keys.values())) == 1, f"[webserver] secret_key differs, by fingerprint: {keys}: requests end in 403"
    if LOGS_GONE in run.log:
        raise Blocked("the log is lost", by="AF-LOG-001")
    source, host = log_source(run.log), run.finished.tasks["hello_task"].hostname
    # Handlers of remote logs tell their source each in words of its own, or not at all.
    remote = subject.flag("logging", "remote_logging", component="worker")
    shared = remote or "local files" in source or "remote" in source
    assert shared or (host and host in source), f"the task ran on {host}, its log says of its source: {source!r}"
