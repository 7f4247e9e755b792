"""External PostgreSQL and Redis (README: Using External Services, Connection Issues)."""

from fixtures.catalogue import requirement
from fixtures.errors import Unsupported
from fixtures.observations import (
    airflow_access,
    external,
    metadata_database,
    scheduler_ready,
    seeded,
    told_others_behind,
    worker_ready,
)
from fixtures.observations.form_connection import form_connection
from fixtures.observations.network import connections, dead_ends
from fixtures.settings import Executor
from fixtures.subject import Subject


@requirement("AF-PG-001")
def test_a_task_queries_postgresql(subject: Subject) -> None:
    """A task MUST read the external PostgreSQL through the connection `postgres_default`, stored encrypted."""
    subject.see(seeded)
    others = told_others_behind(subject, "postgres-external")
    assert not others, others
    answer = subject.see(external)
    assert "query_postgres" not in answer.logs, answer.why_failed("query_postgres")
    assert [list(row) for row in answer.users] == [[answer.seeded.users]], (
        f"SELECT COUNT(*) FROM users gave {answer.users}, the server holds {answer.seeded.users} rows: "
        f"does postgres_default point to postgres-external:15432/mydb?"
    )
    stored = metadata_database(subject, "scheduler", answer.finished.run.run_id, "postgres_default").seen
    for encrypted, has_password in stored["connections"]["postgres_default"]:  # none where the environment defines it
        assert encrypted or not has_password, "the password of postgres_default is stored in clear: set a Fernet key"


@requirement("AF-PG-002")
def test_connections_are_tested_only_where_enabled(subject: Subject) -> None:
    """Airflow SHOULD test connections for its users only where `[core] test_connection` enables that."""
    subject.see(airflow_access)
    # What the values say comes first: a ConfigMap in the environment that says otherwise is one that was forgotten.
    written = subject.option("core", "test_connection", component="webserver", referenced=False)
    declared = written or subject.option("core", "test_connection", component="webserver") or "Disabled"
    answer = subject.airflow.test_connection("sqlite", "")
    if declared.strip().lower() == "enabled":
        assert answer.status != 403, f"[core] test_connection is {declared}, and the API refuses: {answer.text[:200]}"
        return
    assert answer.status == 403, f"[core] test_connection is {declared}, and the API answers {answer.status}"
    subject.note("AF-PG-002", f"the Test button of the form is off: [core] test_connection is {declared}")


@requirement("AF-PG-003")
def test_the_form_adds_a_connection(subject: Subject) -> None:
    """A connection added by the form of the UI MUST be stored encrypted and be shown without its password."""
    added = subject.see(form_connection)
    kept = {name: added.shown.get(name) for name in ("conn_type", "host", "port", "schema", "login")}
    filled_in = {"conn_type": "postgres", "host": "postgres-external", "port": 15432, "schema": "mydb"}
    assert kept == {**filled_in, "login": "conformance"}, f"the form kept {kept}"
    assert added.password not in str(added.shown), "the REST API shows the password of a connection"
    assert added.stored == [(True, True)], (
        "the password of a connection added by the form is stored in clear: set a Fernet key (fernetKeySecretName)"
        if added.stored
        else "the connection is not in the scheduler's metadata database"
    )


@requirement("AF-RD-001")
def test_a_task_reads_redis(subject: Subject) -> None:
    """A task MUST read `my_key` from the external Redis through the connection `redis_default`."""
    subject.see(seeded)
    others = told_others_behind(subject, "redis-external")
    assert not others, others
    answer = subject.see(external)
    assert "read_redis" not in answer.logs, answer.why_failed("read_redis")
    assert answer.my_key == answer.seeded.my_key, (
        f"my_key read as {answer.my_key!r}, redis-external holds {answer.seeded.my_key!r}: "
        f"does redis_default point to redis-external:16379?"
    )


@requirement("AF-NET-001")
def test_the_scheduler_pod_reaches_the_external_services(subject: Subject) -> None:
    """`nc -zv postgres-external 15432` and `nc -zv redis-external 16379` MUST succeed in the scheduler pod."""
    subject.see(scheduler_ready)
    subject.see(seeded)
    for host, port in (("postgres-external", 15432), ("redis-external", 16379)):
        dead = dead_ends(subject, host, port)
        assert not dead, (
            f"Service {host} also leads to where nobody answers, so a share of all connections fails: "
            f"{'; '.join(dead)}: kubectl get endpointslices -n {subject.namespace} -l kubernetes.io/service-name={host}"
        )
        result = subject.inside("scheduler").run("nc -w 5 -zv %s %s", host, str(port))
        assert result.rc == 0, f"nc -zv {host} {port} in the scheduler pod: {result.stderr.strip()}"


@requirement("AF-NET-002")
def test_network_policies_leave_open_what_is_needed(subject: Subject) -> None:
    """Declared NetworkPolicies SHOULD be enforced, and leave open what the components need of each other."""
    found = subject.see(connections)
    cut = {what: why for what, why in found.needed.items() if why}
    assert not cut, f"the webserver does not reach {cut}; NetworkPolicies are {', '.join(found.policies)}"
    if not found.enforced:
        raise Unsupported(
            f"{', '.join(found.policies)} are declared, and the cluster's network does not enforce them: the webserver "
            "connects to the scheduler"
        )


@requirement("AF-TRB-011")
def test_tasks_reach_the_external_services(subject: Subject) -> None:
    """The external PostgreSQL and Redis MUST be reachable from where tasks run, not only from the scheduler."""
    if subject.executor is Executor.KUBERNETES:  # the pod is gone when its task ends: the task itself tells
        answer = subject.see(external)
        told = "\n".join(answer.why_failed(task_id) for task_id in answer.logs)
        assert not answer.logs, f"from its own pod a task did not reach a service: {told}"
        return
    subject.see(worker_ready)
    subject.see(seeded)
    for host, port in (("postgres-external", 15432), ("redis-external", 16379)):
        result = subject.inside("worker").run("nc -w 5 -zv %s %s", host, str(port))
        assert result.rc == 0, f"nc -zv {host} {port} in the worker: {result.stderr.strip()}"
