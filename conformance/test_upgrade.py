"""Upgrading (README: Upgrading Airflow)."""

from fixtures.catalogue import requirement
from fixtures.observations import facts
from fixtures.observations.backup import backup
from fixtures.subject import Subject


@requirement("AF-UPG-001")
def test_the_documented_backup_can_be_restored(subject: Subject) -> None:
    """The README's `pg_dump` MUST save the metadata database that Airflow uses, completely, and be restorable."""
    saved = subject.see(backup)
    assert not saved.problem, f"`{saved.command}` failed: {saved.problem}"
    used = subject.see(facts).seen["metadata_database"]
    assert saved.has_run, f"the backup saves database airflow, and Airflow keeps its runs in {used}: it is worthless"
    assert not saved.objection, f"the backup cannot be restored: {saved.objection}"
    if saved.restored is None:
        subject.note("AF-UPG-001", "the database server is not the suite's own, so nothing was restored there")
        return
    lost = {t: (rows, saved.restored.get(t, 0)) for t, rows in saved.rows.items() if rows != saved.restored.get(t, 0)}
    assert not lost, f"rows saved and restored differ: {lost}"
