"""DAG Best Practices and Best Practices of the README, over the DAGs that the deployment lists."""

from pathlib import PurePosixPath

from fixtures import dagfiles
from fixtures.catalogue import requirement
from fixtures.objects import FINISHED
from fixtures.observations import LOGS_GONE, hello
from fixtures.observations.examples import (
    ON_PURPOSE,
    etl,
    etl_again,
    failing_log,
    listed_dags,
    parsed_dags,
    start_dates_later,
    tested_locally,
)
from fixtures.subject import Subject
from fixtures.watch import is_operators_pod

SIZED = {"webserver", "scheduler", "worker", "redis", "statsd", "base"}
"""Containers of what the README names, beside git-sync; of others, such as log groomers and sidecars, a note tells."""


@requirement("AF-BP-001")
def test_start_dates_stay(subject: Subject) -> None:
    """The start_date of a DAG MUST be a specific date, the same at every parsing."""
    found, later = subject.see(parsed_dags), subject.see(start_dates_later)
    for one in found:
        id, before = one.dag.dag_id, one.details.start_date
        moving = dagfiles.moving_start_dates(one.source)
        says = f"{id}: start_date is {moving[0]}, which moves with the time" if moving else ""
        if not moving and id in later and later[id] != before:
            says = f"{id}: start_date was {before} at one parsing and {later[id]} at a later one"
        assert not (says and one.own), f"{says}; give a date as in datetime(2024, 1, 1)"
        if says:
            subject.note("AF-BP-001", says)


@requirement("AF-BP-002")
def test_nothing_is_backfilled(subject: Subject) -> None:
    """DAGs MUST have catchup off."""
    for one in subject.see(parsed_dags):
        assert not (one.own and one.details.catchup), f"{one.dag.dag_id} has catchup on: set catchup=False"
        if one.details.catchup and one.dag.schedule:
            subject.note(
                "AF-BP-002", f"{one.dag.dag_id} has catchup on: unpausing it runs every interval since its start"
            )


@requirement("AF-BP-003")
def test_tasks_are_tried_again(subject: Subject) -> None:
    """Every task of the README's examples MUST have at least one retry."""
    for one in subject.see(parsed_dags):
        never = [task.task_id for task in one.tasks if task.retries < 1]
        assert not (one.documented_example and never), f"{one.dag.dag_id}: {never} have no retries: set retries=1"
        if never and not one.own:  # the suite's own probes fail at once on purpose
            subject.note("AF-BP-003", f"{one.dag.dag_id}: {never} have no retries")


@requirement("AF-BP-004")
def test_dags_are_found_by_tag(subject: Subject) -> None:
    """DAGs MUST have a tag, and filtering by a tag MUST list those DAGs and no other."""
    found = subject.see(listed_dags)
    for one in found:
        assert one.dag.tags or not one.own, f"{one.dag.dag_id} has no tag"
        if not one.dag.tags:
            subject.note("AF-BP-004", f"{one.dag.dag_id} has no tag")
    expected = {one.dag.dag_id for one in found if "example" in one.dag.tags}
    filtered = {dag.dag_id for dag in subject.airflow.dags(tag="example")}
    assert filtered == expected, (
        f"GET /api/v1/dags?tags=example lists {filtered}, the DAGs with that tag are {expected}"
    )


@requirement("AF-BP-005")
def test_dags_are_described(subject: Subject) -> None:
    """DAGs MUST have a description or documentation."""
    for one in subject.see(parsed_dags):
        described = bool(one.dag.description.strip() or one.details.doc_md.strip())
        assert described or not one.own, f"{one.dag.dag_id} has neither description nor doc_md"
        if not described:
            subject.note("AF-BP-005", f"{one.dag.dag_id} has neither description nor doc_md")
        if one.documented_example and (bare := dagfiles.undocumented_callables(one.source)):
            subject.note("AF-BP-005", f"the README asks for docstrings; {', '.join(bare)} of {one.dag.dag_id} has none")


@requirement("AF-OPS-001")
def test_containers_have_limits(subject: Subject) -> None:
    """Every container of the release and of its task pods SHOULD request CPU and memory, and be limited in memory."""
    subject.see(hello)
    mine = {"tier": "airflow", **({"release": subject.release} if subject.release else {})}
    running = [pod for pod in subject.cluster.pods(**mine) if pod.phase not in FINISHED]
    pods = [pod for pod in running if not is_operators_pod(pod.raw)]
    wanted = {"cpu_request": "requests.cpu", "memory_request": "requests.memory", "memory_limit": "limits.memory"}
    missing = {
        f"{pod.labels.get('component')}/{container.name}": [
            name for field, name in wanted.items() if getattr(container.resources, field) is None
        ]
        for pod in [*pods, *subject.see(hello).finished.pods.values()]
        for container in (*pod.init_containers.values(), *pod.containers.values())
    }
    lacks = {where: f"{where} lacks {', '.join(what)}" for where, what in sorted(missing.items()) if what}
    sized = {*SIZED, subject.git_sync, f"{subject.git_sync}-init"}
    told = {where for where in lacks if where.rpartition("/")[2] in sized}
    for where in sorted(lacks.keys() - told):
        subject.note("AF-OPS-001", lacks[where])
    lacking = "; ".join(lacks[where] for where in sorted(told))
    assert pods, f"no pod of release {subject.release} runs"
    assert not lacking, f"{lacking}: set the component's `resources`, and dags.gitSync.resources"


@requirement("AF-OPS-002")
def test_a_task_that_runs_again_gives_the_same(subject: Subject) -> None:
    """A finished run that is cleared MUST run again and give the same result."""
    first, again = subject.see(etl), subject.see(etl_again)
    before, after = first.finished.tasks["load"], again.finished.tasks["load"]
    assert after.try_number > before.try_number, f"clearing started nothing: load is still at try {after.try_number}"
    assert again.loaded == first.loaded, f"the first time it loaded {first.loaded}, when cleared {again.loaded}"


@requirement("AF-OPS-003")
def test_progress_and_errors_are_logged(subject: Subject) -> None:
    """The log of a task MUST tell its progress, and of a failing one the error."""
    log = subject.see(failing_log)
    if LOGS_GONE in log:  # a lost log is the finding of AF-LOG-001
        return
    assert ON_PURPOSE in log, f"the exception of the task that failed is not in its log:\n{log[-2000:]}"
    levels = {level for level in ("INFO", "ERROR") if level in log}
    declared = subject.option("logging", "logging_level", "INFO")
    assert "ERROR" in levels, f"no line of the failing task's log says ERROR:\n{log[-2000:]}"
    assert "INFO" in levels, f"no line of progress (INFO) is in the task's log: [logging] logging_level={declared}"


@requirement("AF-OPS-005")
def test_dags_are_tested_without_the_scheduler(subject: Subject) -> None:
    """A task MUST be testable on its own in the deployment's image with `airflow tasks test`."""
    seen = subject.see(tested_locally)
    assert seen.code == 0, f"`airflow tasks test` ended with exit code {seen.code}:\n{seen.output.strip()[-2000:]}"
    assert "conformance: said" in seen.output, f"it ran nothing:\n{seen.output.strip()[-2000:]}"
    assert not seen.left, f"the test left runs behind: {seen.left}"


@requirement("AF-OPS-006")
def test_dags_are_files_of_the_repository(subject: Subject) -> None:
    """Every DAG SHOULD be a file of the Git repository."""
    found = subject.see(listed_dags)
    subject.require_git_sync()
    folder = PurePosixPath(subject.declared_dags_folder())
    foreign = [
        f"{one.dag.dag_id} from {one.dag.fileloc}"
        for one in found
        if folder not in PurePosixPath(one.dag.fileloc).parents
    ]
    assert not foreign, f"DAGs that are not below {folder}: {', '.join(foreign)}"


@requirement("AF-OPS-007")
def test_workflows_are_documented(subject: Subject) -> None:
    """A DAG of several tasks SHOULD have documentation of its own (`doc_md`)."""
    for one in subject.see(parsed_dags):
        if len(one.tasks) > 1 and not one.details.doc_md.strip():
            told = f"{one.dag.dag_id} has {len(one.tasks)} tasks and no doc_md: give it one in its file"
            assert not one.own, told
            subject.note("AF-OPS-007", told)
