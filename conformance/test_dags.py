"""DAG files: where they lie, how soon they are seen, how broken ones are reported (README: DAG Management)."""

from fixtures.catalogue import requirement
from fixtures.observations import airflow_access, scheduler_ready
from fixtures.observations.architecture import (
    broken_forgotten,
    broken_reported,
    changed_listed,
    files_by_dag,
    first_listing,
    is_on_disk,
    is_still_parsed,
)
from fixtures.observations.checkouts import BROKEN, added_listed, committed
from fixtures.subject import Subject


@requirement("AF-DAG-001")
def test_dags_lie_in_the_declared_folder(subject: Subject) -> None:
    """Every listed DAG MUST come from one file in the declared DAG folder."""
    before = subject.see(first_listing)
    folder = subject.declared_dags_folder()
    now = {dag.dag_id: dag.fileloc for dag in subject.airflow.dags()}
    own = {dag: file for dag, file in now.items() if "/site-packages/" not in file}  # examples that come with Airflow
    elsewhere = {dag: file for dag, file in own.items() if not file.startswith(f"{folder}/") or "/.worktrees/" in file}
    gone = sorted(dag for dag, file in elsewhere.items() if not is_on_disk(subject, file))
    if gone:
        subject.note("AF-DAG-001", f"still listed, although their files are gone: {gone}; DELETE /api/v1/dags/ID helps")
    elsewhere = {dag: file for dag, file in elsewhere.items() if dag not in gone}
    assert not elsewhere, f"declared is the DAG folder {folder}, DAGs lie elsewhere: {elsewhere}"
    moved = {dag: [before[dag], file] for dag, file in own.items() if before.get(dag, file) != file}
    assert not moved, f"DAGs are read from two files in turn: {moved}"
    twice = {dag: files for dag, files in files_by_dag(subject).items() if len(files) > 1 and dag in now}
    assert not twice, f"DAGs are defined in more than one file, and the one that is parsed last wins: {twice}"
    if folder != "/opt/airflow/dags":
        subject.note(
            "AF-DAG-001",
            f"the README names /opt/airflow/dags as the DAG folder; here it is {folder}, "
            f"and a file placed directly in /opt/airflow/dags is not read",
        )


@requirement("AF-DAG-002")
def test_new_and_changed_files_are_seen(subject: Subject) -> None:
    """A new and a changed DAG file MUST be listed within the time that the declared intervals make necessary."""
    subject.see(scheduler_ready)
    subject.require_git_sync()
    subject.see(added_listed)
    subject.see(changed_listed)


@requirement("AF-DAG-003")
def test_a_broken_file_is_reported(subject: Subject) -> None:
    """A DAG file that does not import MUST be reported with its name and traceback, and harm no other DAG."""
    subject.see(scheduler_ready)
    subject.require_git_sync()
    gives_up, killed = (
        float(subject.option("core", name, default, subject.parser))
        for name, default in (("dagbag_import_timeout", "30"), ("dag_file_processor_timeout", "50"))
    )
    assert 0 < gives_up <= killed, (
        f"[core] dagbag_import_timeout is {gives_up:g} s, and a file's process is killed after {killed:g} s "
        "(dag_file_processor_timeout): the DAG of a file that takes so long is missing without an import error; "
        "set the second one higher than the first, which must be over 0"
    )
    commit, problem = subject.see(committed), subject.see(broken_reported)
    assert "conformance_module_that_does_not_exist" in problem.stack_trace, (
        f"the import error of {commit.broken_file} does not tell its cause:\n{problem.stack_trace}"
    )
    lost = commit.before - {dag.dag_id for dag in subject.airflow.dags()}
    assert not lost, f"since the broken file came, these DAGs are no longer listed: {sorted(lost)}"
    subject.see(broken_forgotten)


@requirement("AF-DAG-004")
def test_no_other_file_is_broken(subject: Subject) -> None:
    """Every DAG file of the deployment MUST import."""
    subject.see(airflow_access)
    subject.settle(broken_reported)  # by then every file has been parsed
    errors = [error for error in subject.airflow.import_errors() if BROKEN not in error.filename]
    stale = [error.filename for error in errors if not is_still_parsed(subject, error)]
    if stale:
        subject.note("AF-DAG-004", f"Airflow still reports import errors of files that are gone: {stale}")
    told = {error.filename: error.stack_trace.strip().splitlines()[-1] for error in errors}
    there = {file: last for file, last in told.items() if file not in stale}
    assert not there, f"{len(there)} import errors, the DAGs of these files are not listed: {there}"
