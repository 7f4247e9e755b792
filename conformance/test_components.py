"""Components (README: Components, Architecture)."""

from fixtures.catalogue import requirement
from fixtures.observations import (
    facts,
    metadata_databases,
    scheduler_heartbeats,
    scheduler_ready,
    webserver_ready,
)
from fixtures.settings import Executor
from fixtures.subject import Subject


@requirement("AF-CMP-001")
def test_the_webserver_answers_through_its_service(subject: Subject) -> None:
    """The webserver MUST serve the UI to clients inside the cluster through its Service."""
    subject.see(webserver_ready)
    name, port = subject.webserver_service()
    assert subject.cluster.endpoints(name), f"Service {name} has no ready endpoint: its selector matches no ready pod"
    subject.see(scheduler_ready)  # its pod is where the look from inside the cluster is taken
    for path, mark in (("/health", "metadatabase"), ("/login/", "csrf_token")):
        answer = subject.get_from_inside(f"http://{name}:{port}{subject.path_prefix}{path}")
        assert answer["status"] == 200, (
            f"GET http://{name}:{port}{path} from inside the cluster: {answer.get('error') or answer['status']}; "
            f"compare the Service's targetPort with the port of the webserver"
        )
        assert mark in answer["body"], f"GET {path} through Service {name} is not Airflow's page: no {mark} in it"


@requirement("AF-CMP-002")
def test_the_scheduler_is_alive(subject: Subject) -> None:
    """The scheduler MUST be healthy, and its heartbeat MUST advance."""
    subject.see(scheduler_ready)
    beats = subject.see(scheduler_heartbeats)
    assert beats.second > beats.first, f"the heartbeat stays at {beats.first}"


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
        assert database.seen["run"], (
            f"a run made through the API is not in the database of the {database.component}, "
            f"{database.seen['host']}/{database.seen['database']}"
        )
    identities = {database.component: database.identity for database in databases}
    assert len(set(identities.values())) == 1, f"components use different databases: {identities}"
    seen = subject.see(facts).seen
    task = (seen["metadata_host"], seen["metadata_database"])
    scheduler = next(d.seen for d in databases if d.component == "scheduler")
    assert task == (scheduler["host"], scheduler["database"]), f"a task uses another metadata database: {task}"
