"""External PostgreSQL and Redis (README: Using External Services, Connection Issues)."""

from fixtures.catalogue import requirement
from fixtures.observations import external, metadata_database, scheduler_ready, seeded
from fixtures.subject import Subject


@requirement("AF-PG-001")
def test_a_task_queries_postgresql(subject: Subject) -> None:
    """A task MUST read the external PostgreSQL through the connection `postgres_default`, stored encrypted."""
    answer = subject.see(external)
    assert "query_postgres" not in answer.logs, f"the task failed:\n{answer.logs['query_postgres']}"
    assert [list(row) for row in answer.users] == [[answer.seeded.users]], (
        f"SELECT COUNT(*) FROM users gave {answer.users}, the server holds {answer.seeded.users} rows: "
        f"does postgres_default point to postgres-external:15432/mydb?"
    )
    stored = metadata_database(subject, "scheduler", answer.finished.run.run_id, "postgres_default").seen
    for encrypted, has_password in stored["connections"]["postgres_default"]:  # none where the environment defines it
        assert encrypted or not has_password, "the password of postgres_default is stored in clear: set a Fernet key"


@requirement("AF-RD-001")
def test_a_task_reads_redis(subject: Subject) -> None:
    """A task MUST read `my_key` from the external Redis through the connection `redis_default`."""
    answer = subject.see(external)
    assert "read_redis" not in answer.logs, f"the task failed:\n{answer.logs['read_redis']}"
    assert answer.my_key == answer.seeded.my_key, (
        f"my_key read as {answer.my_key!r}, the server holds {answer.seeded.my_key!r}: "
        f"does redis_default point to redis-external:16379?"
    )


@requirement("AF-NET-001")
def test_the_scheduler_pod_reaches_the_external_services(subject: Subject) -> None:
    """`nc -zv postgres-external 15432` and `nc -zv redis-external 16379` MUST succeed in the scheduler pod."""
    subject.see(scheduler_ready)
    subject.see(seeded)
    for host, port in (("postgres-external", 15432), ("redis-external", 16379)):
        result = subject.inside("scheduler").run("nc -w 5 -zv %s %s", host, str(port))
        assert result.rc == 0, f"nc -zv {host} {port} in the scheduler pod: {result.stderr.strip()}"
