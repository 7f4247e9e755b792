"""How the metadata database serves Airflow (README: Architecture)."""

from fixtures.catalogue import requirement
from fixtures.errors import Blocked
from fixtures.observations.credentials import has_its_own_database
from fixtures.observations.database_service import database_service
from fixtures.subject import Subject
from fixtures.terminal import MIGRATIONS


@requirement("AF-PG-004")
def test_the_metadata_database_serves_airflow(subject: Subject) -> None:
    """The metadata database MUST serve Airflow freely: no strict limits or locks, own whole tables, declared TLS."""
    service = subject.see(database_service)
    seen, role = service.seen, f"role {service.seen['role']} at {service.seen['host']}"
    if seen["dialect"] != "postgresql":
        raise Blocked(f"the metadata database is {seen['dialect']}", by="AF-CMP-004")
    assert "error" not in seen, f"{role} cannot ask the database for its state: {seen['error']}"
    assert not service.too_strict, (
        f"{role}: {'; '.join(service.too_strict)}: queries of Airflow are cancelled; "
        f"alter role {seen['role']} reset <setting>, then end the old sessions"
    )
    assert not seen["read_only"], f"{role}: its sessions are read-only"
    assert not service.unsuitable, (
        f"{role}: {'; '.join(service.unsuitable)}: transactions or texts are refused now and then; "
        f"alter role {seen['role']} reset <setting>, and restore what has another encoding into a database made with "
        "`createdb -T template0 -E UTF8`"
    )
    for scope, used, allowed in seen["room"]:
        assert allowed - used >= service.demanded["free_connections"], (
            f"{scope} may have {allowed} connections, only {allowed - used} are free: raise the limit, or put "
            "PgBouncer in front"
        )
    lacking = "; ".join(seen["cannot_migrate"])
    if lacking and has_its_own_database(subject, MIGRATIONS):
        subject.note("AF-PG-004", f"{role}: {lacking}; the Job that migrates has an address of its own")
    else:
        assert not lacking, (
            f"{role}: {lacking}: Airflow works, and the next migration is refused in the middle; "
            f"alter table <each> owner to {seen['role']}, and grant create on the schema"
        )
    assert not seen["damaged"], (
        f"{role}: {'; '.join(seen['damaged'])}: a row will be refused, or come twice; was it restored or replicated "
        "without all of it? Restore it from a complete dump, or alter table <each> add primary key, and select "
        "setval(<sequence>, <highest>)"
    )
    if seen["sslmode"] in ("require", "verify-ca", "verify-full"):
        assert seen["encrypted"] is not False, (
            f"the connection declares sslmode={seen['sslmode']}, and the session is not encrypted"
        )
