"""Upgrading (README: Upgrading Airflow)."""

from fixtures.catalogue import requirement
from fixtures.inventory import Allowed, losses
from fixtures.observations import external, facts
from fixtures.observations.after_upgrade import applied_again, restored, rolled_back, switched
from fixtures.observations.release_objects import difference, labels_of_charts, left_over, uneven_lists
from fixtures.observations.resilience import DEAF, told_strangers_at_work
from fixtures.observations.roles import missing_permissions, shipped_permissions
from fixtures.observations.upgrade import (
    VARIABLE,
    afterwards,
    arrived,
    changed_roles,
    held_run,
    migrated,
    migrated_by_hand,
    others_images,
    restless,
    resumed,
    saved,
    unsaved,
    upgrade,
    users_later,
    versions_of,
    written_by_task,
)
from fixtures.settings import Executor
from fixtures.subject import Subject


@requirement("AF-UPG-001")
def test_the_documented_backup_can_be_restored(subject: Subject) -> None:
    """The README's `pg_dump` MUST save the metadata database that Airflow uses, completely, and be restorable."""
    backup = subject.see(saved)
    assert not backup.problem, f"`{backup.command}` failed: {backup.problem}"
    assert backup.has_run, (
        f"the backup saves database airflow, and a run that Airflow has just made in {backup.used} is not in it: "
        "it is worthless"
    )
    assert not backup.objection, f"the backup cannot be restored: {backup.objection}"
    if backup.restored is None:
        subject.note("AF-UPG-001", "the database server is not the suite's own, so nothing was restored there")
        return
    assert backup.rows, "the dump holds no table of the schema public, where Airflow's are"
    lost = {t: (n, backup.restored.get(t, 0)) for t, n in backup.rows.items() if n != backup.restored.get(t, 0)}
    assert not lost, f"rows saved and restored differ: {lost}"
    fewer = unsaved(subject, backup)
    assert not fewer, f"the backup has fewer rows than the database held (held, saved): {fewer}"


@requirement("AF-UPG-002")
def test_every_object_is_of_the_new_version(subject: Subject) -> None:
    """After an upgrade every object MUST carry the new chart's label, and every component MUST run the new Airflow."""
    subject.see(resumed)
    target = subject.deployments[-1]
    charts = labels_of_charts(subject)
    of_scheduler = charts.get(f"deployment/{subject.fullname}-scheduler")
    promised = f"airflow-{target.chart_version}" if target.chart_version else of_scheduler
    old = {name: chart for name, chart in charts.items() if chart != promised}
    assert charts, f"no object of release {subject.release} carries the label chart"
    assert not old, f"promised is chart={promised}, and these objects carry another label: {old}"
    versions = {**versions_of(subject), "a task": subject.see(facts).seen["airflow"]}
    promised_airflow = target.airflow or versions["scheduler"]
    behind = {component: version for component, version in versions.items() if version != promised_airflow}
    assert not behind, f"promised is Airflow {promised_airflow}, and these components run another one: {behind}"


@requirement("AF-UPG-003")
def test_kubectl_apply_brings_the_overlay(subject: Subject) -> None:
    """`kubectl apply -k` of a new overlay MUST leave exactly the overlay's objects in the cluster."""
    subject.see(arrived)
    more = left_over(subject)
    assert not more, (
        f"objects of the release before are still there, which `kubectl apply` does not take away: {', '.join(more)}; "
        f"delete them: kubectl delete -n {subject.namespace} {' '.join(more)}"
    )
    subject.note(
        "AF-UPG-003",
        "kubectl cannot inflate a chart: the overlay holds objects that were rendered beforehand, with the hooks as "
        "Jobs and fixed keys, and its Jobs are deleted before each `kubectl apply -k`",
    )
    uneven = uneven_lists(subject)
    assert not uneven, (
        f"`kubectl apply` lost, or left, entries of lists: {'; '.join(uneven)}; it tells some apart by one key only, "
        "ports of a Service by their number (kubernetes/kubernetes#105610): delete the object and apply again"
    )
    differs = difference(subject)
    assert not differs, f"`kubectl diff` between the overlay and the cluster: {differs[:600]}"


@requirement("AF-UPG-004")
def test_the_documented_migrate_changes_nothing(subject: Subject) -> None:
    """The README's `airflow db migrate` MUST end well in the new scheduler, and find nothing left to migrate."""
    ran = subject.see(migrated_by_hand)
    assert ran.code == 0, f"`{ran.command}` ended with exit code {ran.code}: {ran.said}"
    assert ran.after == ran.heads, f"afterwards the database is at {ran.after}, Airflow {ran.airflow} needs {ran.heads}"
    assert ran.before == ran.after, f"the upgrade had left the database at {ran.before}, and it migrated to {ran.after}"


@requirement("AF-UPG-005")
def test_a_task_under_way_finishes(subject: Subject) -> None:
    """A task that runs during an upgrade MUST finish, and run once only."""
    finished, hosts = subject.see(held_run)
    assert len(hosts) == 1, (
        f"the task of run {finished.run.run_id} was started {len(hosts)} times: on {', '.join(hosts)}"
    )


@requirement("AF-UPG-006")
def test_the_new_version_comes_up(subject: Subject) -> None:
    """An upgrade MUST bring the release to its new version, with every workload rolled out."""
    upgraded = subject.see(arrived)
    subject.exhibit("AF-UPG-006", "The upgrade", f"{subject.deployments[-1].title}: up after {upgraded.seconds:.0f} s")


@requirement("AF-UPG-007")
def test_a_pod_of_the_new_version_migrated(subject: Subject) -> None:
    """The schema MUST be that of the new image, and a pod of the new version MUST have migrated it."""
    seen = subject.see(migrated)
    told = "; ".join(f"{name} with {image}: {'ended well' if well else 'failed'}" for name, image, well in seen.pods)
    assert seen.schema == seen.heads, (
        f"the database is at schema {', '.join(seen.schema) or 'none'}, Airflow {seen.airflow} needs "
        f"{', '.join(seen.heads)}; migration Jobs since the upgrade began: {told or 'none'}"
    )
    if not seen.by_job:
        subject.note(
            "AF-UPG-007", "no Job is declared that migrates (migrateDatabaseJob), and the schema is the new one"
        )
        return
    ran = [image for _, image, well in seen.pods if well]
    assert ran, f"no migration Job has ended well since the upgrade began: {told or 'there was none'}"
    assert seen.image in ran, f"the migration ran with {', '.join(ran)}, the new pods wait for it with {seen.image}"


@requirement("AF-UPG-008")
def test_every_row_is_still_there(subject: Subject) -> None:
    """Everything that the metadata database held before an upgrade MUST be there after it, unchanged."""
    before, after = subject.see(upgrade).history.known, subject.see(afterwards)
    lost = losses(before.inventory, after.inventory, Allowed.load())
    other = f"the database is another one: {after.database} now, {before.database} before; "
    assert not lost, f"{other if before.database != after.database else ''}{'; '.join(lost)}"


@requirement("AF-UPG-009")
def test_stored_connections_still_work(subject: Subject) -> None:
    """A connection that was stored before an upgrade MUST be decrypted by a task after it."""
    subject.see(resumed)
    stored = subject.airflow.has_connection("postgres_default")
    assert stored, "the connection postgres_default, which was stored before the upgrade, is gone"
    answer = subject.see(external)
    assert "query_postgres" not in answer.logs, answer.why_failed("query_postgres")
    assert answer.users == [[answer.seeded.users]], (
        f"the task got {answer.users} through postgres_default, {answer.seeded.users} rows are there"
    )


@requirement("AF-UPG-010")
def test_users_keep_password_and_role(subject: Subject) -> None:
    """Users MUST be able to log in with their password after an upgrade, with the roles and permissions they had."""
    subject.see(afterwards)
    for role, (opened, roles) in subject.see(users_later).items():
        assert opened, f"the user with role {role} cannot log in any more"
        assert roles == {role}, f"the user with role {role} has the roles {', '.join(sorted(roles)) or 'none'} now"
    changed = changed_roles(subject)
    assert not changed, "; ".join(changed)
    lacking = missing_permissions(subject)
    assert not lacking, "\n".join(lacking)
    if not subject.see(shipped_permissions):
        subject.note(
            "AF-UPG-010", "what Airflow's own roles hold is not compared: this version keeps the list elsewhere"
        )


@requirement("AF-UPG-011")
def test_logs_xcoms_and_variables_are_readable(subject: Subject) -> None:
    """The log, the XCom and the state of runs, and the variables, of before an upgrade MUST be readable after it."""
    history = subject.see(upgrade).history
    subject.see(afterwards)
    for run, ended in ((history.succeeded, "success"), (history.failed, "failed")):
        state = subject.airflow.run(run).state
        assert state == ended, f"run {run.run_id} of {run.dag_id} had ended as {ended} and is {state} now"
    log, lines = subject.airflow.log(history.succeeded, "facts"), written_by_task(history.log)
    missing = [line for line in lines if line not in log]
    assert not missing, f"of {len(lines)} lines of the log of before {len(missing)} are gone: {log[-300:]}"
    if not lines:
        subject.note(
            "AF-UPG-011", f"the log of before could not be read before the upgrade either: {history.log[-200:]}"
        )
    assert subject.xcom(history.succeeded, "facts") == history.xcom, "the XCom of before reads differently now"
    value = subject.airflow.variables(VARIABLE).get(VARIABLE)
    assert value == history.value, "the variable of before cannot be read: another Fernet key?"


@requirement("AF-UPG-012")
def test_keys_and_volumes_are_the_same(subject: Subject) -> None:
    """An upgrade MUST leave the Fernet key, the webserver's secret key, the database and its volume as they are."""
    before, after = subject.see(upgrade).history.known, subject.see(afterwards)
    changed = [name for name, key in before.keys.items() if key != after.keys.get(name)]
    assert not changed, f"{', '.join(changed)} changed with the upgrade: pin the Secrets that hold them"
    assert after.database == before.database, f"the database was {before.database} and is {after.database}"
    lost = [name for name, uid in before.claims.items() if after.claims.get(name) != uid]
    assert not lost, f"volume claims are gone or new: {', '.join(lost)}"


@requirement("AF-UPG-013")
def test_no_old_pod_lives_and_nothing_keeps_restarting(subject: Subject) -> None:
    """After an upgrade no pod of before MUST live, and no component MUST have restarted more than once."""
    subject.see(afterwards)
    old = others_images(subject)
    assert not old, f"pods with another image than the scheduler's still live: {old}"
    strange = told_strangers_at_work(subject)
    assert not strange, strange
    restarted = restless(subject)
    assert not restarted, f"restarts since the upgrade: {restarted}"


@requirement("AF-UPG-014")
def test_scheduling_resumes(subject: Subject) -> None:
    """Scheduling MUST resume within the time that manifests/budgets.yaml states (`scheduling_resumes`).

    Workers that take nothing up before somebody replaces them break this promise, except where they did not begin after
    their broker: an upgrade of the chart replaces both at once, whether a worker then hears the new broker is a matter
    of chance (celery/celery#8030), and no deployment with that Celery could be called good. That is told as a note.
    """
    seen, allowed = subject.see(resumed), subject.waiter.budgets.seconds("scheduling_resumes")
    told = f"no scheduler for {seen.gap:.0f} s; everything rolled out after {seen.seconds:.0f} s"
    subject.note("AF-UPG-014", told)
    if not seen.by_themselves:
        assert seen.older, (
            "no worker took a task up until all of them were replaced, although they began after their broker: restart "
            f"the workers, and read why: kubectl logs -n {subject.namespace} -l component=worker -c worker"
        )
        subject.note(
            "AF-UPG-014",
            f"scheduling did not resume by itself: {', '.join(seen.older)} did not begin after the new broker, and "
            f"{DEAF}; restart the workers after every upgrade that replaces the broker (kubectl rollout restart)",
        )
    assert seen.gap <= allowed, f"{told}; {allowed:.0f} s are allowed"


@requirement("AF-UPG-015")
def test_dags_stay_paused_and_unpaused(subject: Subject) -> None:
    """DAGs that were paused before an upgrade MUST be paused after it, and the others not."""
    before, after = subject.see(upgrade).history.known, subject.see(afterwards)
    if set(before.paused.values()) != {True, False}:
        subject.note("AF-UPG-015", "before the upgrade all DAGs were paused, or none")
    changed = {dag: after.paused.get(dag) for dag, was in before.paused.items() if after.paused.get(dag) is not was}
    assert not changed, f"these DAGs were paused or unpaused by the upgrade (now): {changed}"


@requirement("AF-UPG-016")
def test_applying_twice_changes_nothing(subject: Subject) -> None:
    """Applying the same state a second time MUST change no object, restart no pod, and lose no row."""
    seen = subject.see(applied_again)
    assert not seen.objects, f"objects changed: {', '.join(seen.objects)}"
    assert not seen.pods, f"pods were replaced: {', '.join(seen.pods)}"
    assert not seen.lost, "; ".join(seen.lost)


@requirement("AF-UPG-017")
def test_switching_the_executor_keeps_everything(subject: Subject) -> None:
    """Switching the upgraded release to the other executor and back MUST run tasks under each, and lose nothing."""
    seen, lost = subject.see(switched)
    other = subject.executor.other
    assert bool(seen.there.pods) is (other is Executor.KUBERNETES), f"under {other} the task ran elsewhere"
    assert not lost, "; ".join(lost)
    if not seen.by_themselves:
        subject.note("AF-UPG-017", f"after the switch to CeleryExecutor {DEAF}")


@requirement("AF-UPG-018")
def test_going_back_without_the_backup_leaves_the_schema_new(subject: Subject) -> None:
    """Putting the old chart back alone MUST leave the migrated database as it is; its pods wait for the old schema."""
    seen = subject.see(rolled_back)
    if seen.came_up:
        subject.note(
            "AF-UPG-018", "the schema is the same in both versions, so the old chart alone is enough to go back"
        )
        return
    assert seen.schema == subject.see(afterwards).schema, (
        f"the schema was at {seen.schema} after the old chart was back, and the new one had left it at "
        f"{subject.see(afterwards).schema}: something migrated it down, which loses what only the new schema holds"
    )
    if not seen.waits:
        subject.note(
            "AF-UPG-018",
            f"nothing keeps the old pods from working on schema {', '.join(seen.schema)} although they need "
            f"{', '.join(seen.heads)}: no component has waitForMigrations enabled; restore the backup (AF-UPG-019)",
        )
        return
    subject.note(
        "AF-UPG-018",
        f"the old chart alone does not go back: its pods wait for schema {', '.join(seen.heads)}, the database stays "
        f"at {', '.join(seen.schema)}; restore the backup (AF-UPG-019)",
    )


@requirement("AF-UPG-019")
def test_the_backup_with_the_old_chart_brings_everything_back(subject: Subject) -> None:
    """The README's backup, restored under the old chart, MUST bring back the old version with everything it had."""
    seen, before = subject.see(restored), subject.see(upgrade).history.known
    assert (seen.known.airflow, seen.known.schema) == (before.airflow, before.schema), (
        f"Airflow {seen.known.airflow} at schema {seen.known.schema} came back, not {before.airflow} at {before.schema}"
    )
    assert not seen.lost, "; ".join(seen.lost)
    paused = sorted(dag for dag, was in before.paused.items() if seen.known.paused.get(dag) is not was)
    assert not paused, f"paused or unpaused by going back: {', '.join(paused)}"
    if not seen.by_themselves:
        subject.note("AF-UPG-019", DEAF)
    assert not seen.later, "a run that was made after the backup is still there: it was not restored"


@requirement("AF-UPG-020")
def test_helm_has_a_new_revision(subject: Subject) -> None:
    """`helm upgrade` MUST leave the release deployed, as a new revision of the new chart."""
    upgraded = subject.see(upgrade)
    chart, status = subject.deployments[-1].chart, subject.helm.status(subject.release, subject.namespace)
    assert status is not None, f"Helm knows no release {subject.release}"
    if upgraded.failure is not None and status.state.startswith("pending"):  # the suite ended Helm, as it saw why
        subject.see(arrived)
    assert status.state == "deployed", (
        f"revision {status.revision} is {status.state}: that upgrade did not end well; read why in "
        f"`helm history {subject.release} -n {subject.namespace}` and in the logs of its Jobs"
    )
    assert chart is not None
    assert (status.revision, status.chart) == (2, f"{chart.name}-{chart.version}"), (
        f"Helm has revision {status.revision} of {status.chart}, promised is 2 of {chart.name}-{chart.version}"
    )
