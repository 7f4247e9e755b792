"""DAGs by git-sync (README: DAGs, Git-Sync)."""

from pathlib import PurePosixPath

from fixtures import gitsync
from fixtures.catalogue import requirement
from fixtures.errors import Unsupported
from fixtures.kube import NotFound
from fixtures.observations import (
    LOGS_GONE,
    dags_on_disk,
    facts_triggered,
    hello,
    scheduler_ready,
    webserver_ready,
)
from fixtures.observations.architecture import (
    deletion,
    everyone_followed,
    git_credentials,
    has_git_key,
    older_git_credentials,
    other_periods,
    syncing,
)
from fixtures.observations.checkouts import (
    added_listed,
    committed,
    first_checkout,
    repository,
    revision_run,
    scheduler_followed,
)
from fixtures.subject import Subject


@requirement("AF-GIT-001")
def test_dags_come_from_the_declared_revision(subject: Subject) -> None:
    """DAGs MUST be pulled from the declared repository, ref and subPath."""
    subject.see(scheduler_ready)
    subject.require_git_sync()
    subject.see(dags_on_disk)
    server, scheduler = subject.see(first_checkout)
    env = subject.pod(subject.parser).container(subject.git_sync).env
    told = {name: env.get(name) for name in ("GITSYNC_REF", "GIT_SYNC_BRANCH", "GIT_SYNC_REV")}
    assert scheduler == server, (
        f"declared ref {subject.see(repository).ref} is {server}, the scheduler has {scheduler}: git-sync has {told}; "
        "a branch wins over another ref, and a rev over both (dags.gitSync.branch, ref, rev)"
    )
    configured = str(PurePosixPath(subject.dags_folder))
    folder = subject.declared_dags_folder()
    assert configured == folder, f"[core] dags_folder is {configured}, with dags.gitSync it must be {folder}"
    fileloc = subject.see(hello).fileloc
    assert fileloc.startswith(f"{folder}/"), f"hello_world.py is loaded from {fileloc}, promised is {folder}"


@requirement("AF-GIT-002")
def test_the_sync_interval_is_the_declared_one(subject: Subject) -> None:
    """The declared `wait` MUST be the interval at which git-sync asks the server, in every pod that has it."""
    subject.see(scheduler_ready)
    subject.require_git_sync()
    pod = subject.pod(subject.parser)
    declared = gitsync.declared_period(subject, pod)
    if subject.values:  # nothing else declares the interval for all
        others = other_periods(subject, declared)
        assert not others, f"git-sync asks every {' and every '.join(others)}, declared are {declared:g} s"
    measured = gitsync.measured_period(subject, subject.see(repository), pod, declared)
    if measured is None:
        subject.note("AF-GIT-002", f"declared are {declared:g} s, which is too long to be measured in one run")
        return
    assert abs(measured - declared) <= max(2.0, 0.25 * declared), (
        f"git-sync asks every {measured:.1f} s, declared are {declared:g} s"
    )


@requirement("AF-GIT-003")
def test_a_commit_reaches_the_tasks(subject: Subject) -> None:
    """A commit MUST reach the running deployment: changed code runs, a new file is listed, a deleted one goes."""
    subject.see(scheduler_ready)
    subject.require_git_sync()
    commit = subject.see(committed)
    subject.see(scheduler_followed)
    subject.see(added_listed)
    _, log = subject.see(revision_run)
    if LOGS_GONE not in log:
        assert commit.token in log, f"a run after commit {commit.sha[:8]} still ran the old code:\n{log[-2000:]}"
    gone = subject.see(deletion)
    if gone.still_listed:
        subject.note(
            "AF-GIT-003",
            f"{gone.dag_id} is still listed after its file was deleted, as Airflow does with git-sync; "
            f"remove such a DAG with DELETE /api/v1/dags/{gone.dag_id}",
        )


@requirement("AF-GIT-004")
def test_task_pods_clone_the_latest_commit(subject: Subject) -> None:
    """Under KubernetesExecutor each task pod MUST clone the latest commit before the task starts."""
    subject.see(scheduler_ready)
    subject.require_git_sync()
    finished, log = subject.see(revision_run)
    pod = finished.pod("revision")
    if not subject.value("dags.persistence.enabled", False):  # with a volume, the pod shares the scheduler's checkout
        clones = f"{subject.git_sync}-init"
        assert clones in pod.init_containers, f"task pod {pod.name} has no init container {clones}"
    if LOGS_GONE not in log:
        assert subject.see(committed).token in log, "the task pod ran code of an older commit"


@requirement("AF-GIT-005")
def test_the_webserver_needs_no_checkout(subject: Subject) -> None:
    """The webserver MUST show DAGs and their code without a checkout of its own."""
    subject.see(scheduler_ready)
    subject.require_git_sync()
    pod = subject.see(webserver_ready)
    dag_id = subject.see(facts_triggered).dag_id
    assert dag_id in subject.airflow.source(dag_id), (
        f"the webserver does not show the code of {dag_id}: it reads it from the table dag_code, which the scheduler "
        "fills when it parses the file (`airflow dags reserialize` does it anew)"
    )
    if subject.git_sync in pod.containers:
        subject.note("AF-GIT-005", f"{pod.name} has git-sync, which a webserver of Airflow 2 has no use for")


@requirement("AF-GIT-006")
def test_git_credentials_have_all_keys(subject: Subject) -> None:
    """Declared credentials of git-sync SHOULD be a Secret with the names of git-sync 3 and 4, whose values it uses."""
    name = git_credentials(subject)
    if not name and not has_git_key(subject):
        raise Unsupported("this deployment declares no credentials: dags.gitSync.credentialsSecret is not set")
    if name:
        try:
            keys = {key for key, value in subject.cluster.secret(name).items() if value}
        except NotFound:
            raise AssertionError(
                f"dags.gitSync.credentialsSecret names the Secret {name}, which is not there"
            ) from None
        missing = {"GIT_SYNC_USERNAME", "GIT_SYNC_PASSWORD", "GITSYNC_USERNAME", "GITSYNC_PASSWORD"} - keys
        assert not missing, f"Secret {name} lacks {sorted(missing)}: pods with git-sync cannot start without them"
    if not subject.only_looks("AF-GIT-006", "whether git-sync runs with what the Secret holds"):
        older = older_git_credentials(subject)
        assert not older, "; ".join(older)


@requirement("AF-GIT-007")
def test_every_checkout_follows(subject: Subject) -> None:
    """Every pod with git-sync MUST be at the declared revision, and none may fail to synchronise while it is ready."""
    subject.see(scheduler_ready)
    subject.require_git_sync()
    subject.see(syncing)
    followed = subject.see(everyone_followed)
    assert subject.parser in followed or subject.value("dags.persistence.enabled", False), (
        f"the {subject.parser}, which parses, has no git-sync; components that have it: {sorted(followed)}"
    )
