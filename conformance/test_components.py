"""Components (README: Components, Architecture)."""

import re

from fixtures.catalogue import requirement
from fixtures.observations import (
    LOGS_GONE,
    airflow_access,
    facts,
    hello,
    metadata_databases,
    scheduler_heartbeats,
    scheduler_ready,
    told_strangers,
    webserver_ready,
)
from fixtures.observations.architecture import (
    TRIGGER_MARK,
    broker_flaw,
    brokers,
    component_health,
    deferred,
    servers_of,
    stored_states,
    workers_flaw,
)
from fixtures.observations.credentials import broker_problem
from fixtures.observations.heartbeats import misjudged, told_dead_at_work, told_kept_slots
from fixtures.observations.network import require_way_in
from fixtures.observations.resilience import told_strangers_at_work
from fixtures.observations.task_logs import why_lost
from fixtures.session import LOGIN_MARK
from fixtures.settings import Executor
from fixtures.subject import TIMED_OUT, Subject


@requirement("AF-CMP-001")
def test_the_webserver_answers_through_its_service(subject: Subject) -> None:
    """The webserver MUST serve the UI to clients inside the cluster through its Service."""
    subject.see(webserver_ready)
    name, port = subject.webserver_service()
    spec = subject.cluster.service(name)["spec"]
    assert subject.cluster.endpoints(name), (
        f"Service {name} has no ready endpoint: its selector {spec.get('selector')} matches no ready pod"
    )
    beside = told_strangers(subject, name, "webserver", "the webserver's Deployment")
    assert not beside, f"{beside}, and they get their share of all requests"
    target = next((one.get("targetPort", one["port"]) for one in spec["ports"] if one["port"] == port), port)
    subject.see(scheduler_ready)  # its pod is where the look from inside the cluster is taken
    base = f"{subject.webserver_scheme}://{name}:{port}"
    for path, mark in (("/health", re.compile("metadatabase")), ("/login/", LOGIN_MARK)):
        answer = subject.get_from_inside(f"{base}{subject.path_prefix}{path}")
        if TIMED_OUT.search(answer.get("error", "")):
            require_way_in(subject, answer["error"])
        assert answer["status"] == 200, (
            f"GET {base}{path} from inside the cluster: {answer.get('error') or answer['status']}; "
            f"its port {port} leads to targetPort {target}, the webserver listens on {subject.webserver_port}"
        )
        assert mark.search(answer["body"]), (
            f"GET {path} through Service {name} is not Airflow's page: no {mark.pattern} in it"
        )


@requirement("AF-CMP-002")
def test_the_scheduler_is_alive(subject: Subject) -> None:
    """The scheduler MUST be healthy, its heartbeat MUST advance, and it MUST tell dead tasks from those at work."""
    subject.see(scheduler_ready)
    wrong = misjudged(subject)
    assert not wrong, "\n".join(wrong)
    subject.see(scheduler_heartbeats)
    kept = told_kept_slots(subject)
    assert not kept, kept
    if subject.only_looks(
        "AF-CMP-002", "other schedulers on its metadata database, and dead tasks that count as running"
    ):
        return
    dead = told_dead_at_work(subject)
    assert not dead, dead
    strange = told_strangers_at_work(subject)
    assert not strange, strange


@requirement("AF-CMP-003")
def test_a_worker_executes_tasks(subject: Subject) -> None:
    """Tasks MUST be executed by a worker: a Celery worker, or a pod of their own; never by the scheduler."""
    ran_on = subject.see(facts).task.hostname
    workers = subject.executing_pods(subject.see(facts).finished)
    assert any(pod.is_host(ran_on) for pod in workers), (
        f"the task ran on {ran_on or 'no host'}, which is none of the workers {[pod.name for pod in workers]}"
    )
    assert not any(pod.is_host(ran_on) for pod in subject.cluster.pods("scheduler")), f"{ran_on} is the scheduler"
    if subject.executor is Executor.CELERY:
        assert subject.cluster.workload("worker") is not None, "there is no worker workload"


@requirement("AF-CMP-004")
def test_postgresql_is_the_one_metadata_database(subject: Subject) -> None:
    """PostgreSQL MUST be the metadata database, the same one for every component."""
    databases = subject.see(metadata_databases)
    for database in databases:
        assert "error" not in database.seen, f"the {database.component} cannot use it: {database.seen['error']}"
        assert database.seen["dialect"] == "postgresql", (
            f"the {database.component} keeps its metadata in {database.seen['dialect']}, not in PostgreSQL"
        )
    identities = {database.component: database.identity for database in databases}
    where = {one.component: one.place for one in databases}
    assert len(set(identities.values())) == 1, f"components use different databases: {where}, of servers {identities}"
    for database in databases:
        assert database.seen["run"], (
            f"a run made through the API is not in the database of the {database.component}, "
            f"{where[database.component]}"
        )
    seen = subject.see(facts).seen
    task = (seen["metadata_host"], seen["metadata_database"])
    scheduler = next(d.seen for d in databases if d.component == "scheduler")
    assert task == (scheduler["host"], scheduler["database"]), f"a task uses another metadata database: {task}"


@requirement("AF-CMP-005")
def test_redis_is_the_one_broker(subject: Subject) -> None:
    """Redis MUST be the Celery broker, the same writable one for every component, with the workers behind it."""
    found = subject.see(brokers)
    unusable = [problem for component, seen in found.seen.items() if (problem := broker_flaw(component, seen))]
    assert not unusable, "\n".join(unusable)
    addresses = {component: f"{seen['address']}/{seen['database']}" for component, seen in found.seen.items()}
    assert len(set(servers_of(found).values())) == 1, f"components use different brokers: {addresses}"
    apart = workers_flaw(found)
    assert not apart, apart
    outdated = broker_problem(subject)
    assert not outdated, outdated


@requirement("AF-CMP-006")
def test_health_knows_every_component(subject: Subject) -> None:
    """`/health` MUST call the metadata database, the scheduler, and every other declared component healthy."""
    subject.see(webserver_ready)
    health = subject.see(component_health)
    assert health.scheduler.status == "healthy", f"/health calls the scheduler {health.scheduler.status}"


@requirement("AF-CMP-007")
def test_a_deferred_task_comes_back(subject: Subject) -> None:
    """A task deferred to a trigger from the DAG folder SHOULD finish, its log readable while it is deferred."""
    run = subject.see(deferred)
    assert run.finished.tasks["deferring"].state == "success"
    triggerer = subject.cluster.workload("triggerer")
    nameless = triggerer is not None and triggerer.kind == "Deployment" and "does not resolve" in why_lost(run.log)
    if TRIGGER_MARK not in run.log and nameless:
        subject.note(
            "AF-CMP-007",
            "a triggerer that is a Deployment has no name in DNS, so its log cannot be read while it works: "
            "set [core] hostname_callable, or triggerer.persistence.enabled",
        )
        return
    assert TRIGGER_MARK in run.log, (
        "the log of the deferred task was not readable: can the webserver reach the triggerer's port "
        f"{subject.option('logging', 'trigger_log_server_port', '8794', 'webserver')}? "
        f"NetworkPolicies on it: {subject.policies_on('triggerer')}\n"
        f"{run.log[-2000:]}"
    )


@requirement("AF-ARC-001")
def test_a_run_goes_all_the_way(subject: Subject) -> None:
    """A run made through the webserver MUST be executed by a worker, be kept in PostgreSQL, and leave its log."""
    subject.see(airflow_access)
    found = subject.see(facts)
    pods = [pod.name for pod in subject.executing_pods(found.finished) if pod.is_host(found.task.hostname)]
    assert pods, f"the task ran on {found.task.hostname or 'no host'}, which is no worker"
    states = subject.see(stored_states)
    assert states == ["success"], (
        f"the API says run {found.finished.run.run_id} is a success, the metadata database says {states or 'nothing'}"
    )
    if subject.executor is Executor.CELERY:
        broker = subject.see(brokers)
        consumed = {queue for queues in (broker.workers or {}).values() for queue in queues}
        assert broker.workers is None or found.task.queue in consumed, (
            f"the task went to the queue {found.task.queue}, the workers behind Redis consume {sorted(consumed)}"
        )
    log = subject.see(hello).log
    if LOGS_GONE not in log:  # a lost log is the finding of AF-LOG-001
        assert "hello_task" in log, f"the log is not that of the task:\n{log[-2000:]}"
