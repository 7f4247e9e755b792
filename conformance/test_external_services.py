"""External PostgreSQL and Redis (README: Using External Services, Connection Issues)."""

from fixtures.catalogue import requirement
from fixtures.observations import external, metadata_databases, seeded
from fixtures.subject import Subject


@requirement("AF-PG-001")
def test_a_task_queries_postgresql(subject: Subject) -> None:
    """A task MUST read the external PostgreSQL through the connection `postgres_default`, stored encrypted."""
    answer = subject.see(external)
    assert [list(row) for row in answer.users] == [[answer.seeded.users]], (
        f"SELECT COUNT(*) FROM users gave {answer.users}, the server holds {answer.seeded.users} rows: "
        f"does postgres_default point to postgres-external:15432/mydb?"
    )
    scheduler = next(seen for seen in subject.see(metadata_databases) if seen.component == "scheduler")
    for encrypted, password in scheduler.seen["connections"]["postgres_default"]:
        assert encrypted and password, "the password of postgres_default is not stored encrypted: is a Fernet key set?"


@requirement("AF-RD-001")
def test_a_task_reads_redis(subject: Subject) -> None:
    """A task MUST read `my_key` from the external Redis through the connection `redis_default`."""
    answer = subject.see(external)
    assert answer.my_key == answer.seeded.my_key, (
        f"my_key read as {answer.my_key!r}, the server holds {answer.seeded.my_key!r}: "
        f"does redis_default point to redis-external:16379?"
    )


@requirement("AF-NET-001")
def test_the_scheduler_pod_reaches_the_external_services(subject: Subject) -> None:
    """`nc -zv postgres-external 15432` and `nc -zv redis-external 16379` MUST succeed in the scheduler pod."""
    subject.see(seeded)
    for host, port in (("postgres-external", 15432), ("redis-external", 16379)):
        result = subject.inside("scheduler").run("nc -w 5 -zv %s %s", host, str(port))
        assert result.rc == 0, f"nc -zv {host} {port} in the scheduler pod: {result.stderr.strip()}"
