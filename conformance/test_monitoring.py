"""Airflow's own views (README: Monitoring, Airflow UI)."""

from fixtures.catalogue import requirement
from fixtures.errors import Blocked
from fixtures.observations import HELLO, LOGS_GONE, airflow_access, external, hello
from fixtures.observations.architecture import component_health
from fixtures.observations.task_logs import declared_logging
from fixtures.observations.views import grid_states, shaped, triggered_in_ui, ui_log
from fixtures.subject import Subject


@requirement("AF-MON-001")
def test_dags_are_listed_and_triggered_in_the_ui(subject: Subject) -> None:
    """The DAGs view MUST list a DAG, and a run MUST come about both by the UI's form and by the REST API."""
    dag_id = subject.see(shaped).run.dag_id
    page = subject.airflow.page("/home", {"search": dag_id, "status": "all"})
    assert f"/dags/{dag_id}/grid" in page, f"/home does not list {dag_id}, which the REST API lists"
    by_hand, by_api = subject.see(triggered_in_ui).run, subject.see(shaped).run
    for run in (by_hand, by_api):
        assert (run.state, run.run_type) == ("success", "manual"), f"run {run.run_id} is {run.run_type}, {run.state}"


@requirement("AF-MON-002")
def test_task_instances_are_listed(subject: Subject) -> None:
    """The Task Instances view MUST list a task of a run, and the REST API MUST list the same."""
    finished = subject.see(hello).finished
    filters = {"_flt_3_dag_id": finished.run.dag_id, "_flt_3_run_id": finished.run.run_id}
    page = subject.airflow.page("/taskinstance/list/", filters)
    for task_id in finished.tasks:
        assert finished.run.run_id in page and task_id in page, (
            f"/taskinstance/list/ does not show {task_id} of run {finished.run.run_id}, which the REST API lists"
        )


@requirement("AF-MON-003")
def test_the_log_view_shows_the_output(subject: Subject) -> None:
    """The log view of the UI MUST show what a task printed."""
    run = subject.see(hello)
    if LOGS_GONE in run.log:
        raise Blocked("the log is lost, whoever asks for it", by="AF-LOG-001")
    log = ui_log(subject, run.finished.run, run.finished.tasks["hello_task"])
    assert HELLO in log, (
        f"the log view of the UI lacks the task's output ({declared_logging(subject)}), it shows:\n{log[-1500:]}"
    )


@requirement("AF-MON-004")
def test_the_graph_shows_the_structure(subject: Subject) -> None:
    """The graph view MUST show the dependencies of a DAG's tasks, and the grid view MUST show its runs."""
    edges = 0
    for finished in (subject.see(shaped), subject.see(external).finished):
        dag_id, run_id = finished.run.dag_id, finished.run.run_id
        declared = {(task.task_id, below) for task in subject.airflow.tasks_of(dag_id) for below in task.downstream}
        graph = subject.airflow.view("/object/graph_data", {"dag_id": dag_id})
        shown = {(edge["source_id"], edge["target_id"]) for edge in graph["edges"]}
        assert shown == declared, f"the graph of {dag_id} shows {sorted(shown)}, the DAG declares {sorted(declared)}"
        grid = subject.airflow.view("/object/grid_data", {"dag_id": dag_id, "dag_run_id": run_id})
        states = {task_id: task.state for task_id, task in finished.tasks.items()}
        assert grid_states(grid, run_id) == states, f"the grid shows {grid_states(grid, run_id)} for {states}"
        edges += len(shown)
    assert edges, "no DAG with dependencies was looked at"
    subject.airflow.page("/dags/conformance_graph/graph")


@requirement("AF-MON-005")
def test_every_declared_component_is_healthy_and_the_api_is_open(subject: Subject) -> None:
    """The health report MUST call every declared component healthy, and the API MUST take each declared way in."""
    subject.see(airflow_access)
    subject.see(component_health)
    backends = subject.option("api", "auth_backends", component="webserver")
    assert "deny_all" not in backends, (
        f"[api] auth_backends is {backends}: every client of the REST API but a browser with a session is refused"
    )
    if "basic_auth" in backends:
        answer = subject.airflow.get_with_password("/api/v1/dags?limit=1")
        assert answer.status == 200, (
            f"GET /api/v1/dags with user and password answers {answer.status}; [api] auth_backends is {backends}"
        )
