"""The UI in a real browser (README: Access Airflow UI, Monitoring)."""

from fixtures.catalogue import requirement
from fixtures.observations.browser import browser_run, browser_visit
from fixtures.subject import Subject


@requirement("AF-BRW-001")
def test_a_person_logs_in(subject: Subject) -> None:
    """A browser SHOULD be led to a complete login form, and the form SHOULD let the user in."""
    subject.see(browser_visit).require("AF-BRW-001")


@requirement("AF-BRW-002")
def test_the_list_shows_the_example_dag(subject: Subject) -> None:
    """The list of DAGs in the browser SHOULD show hello_world_dag with the states of its runs."""
    subject.see(browser_visit).require("AF-BRW-002")


@requirement("AF-BRW-003")
def test_the_button_triggers_a_run(subject: Subject) -> None:
    """The trigger button of the list SHOULD make a run, and that run SHOULD succeed."""
    subject.see(browser_visit).require("AF-BRW-003")
    subject.see(browser_run)


@requirement("AF-BRW-004")
def test_the_grid_shows_the_run(subject: Subject) -> None:
    """The grid view SHOULD show a finished run with its task, and the state of the task that one selects."""
    subject.see(browser_visit).require("AF-BRW-004")


@requirement("AF-BRW-005")
def test_the_graph_shows_the_tasks(subject: Subject) -> None:
    """The graph view SHOULD show a node for each task."""
    subject.see(browser_visit).require("AF-BRW-005")


@requirement("AF-BRW-006")
def test_the_log_view_shows_the_output(subject: Subject) -> None:
    """The log view SHOULD show what a finished task printed."""
    subject.see(browser_visit).require("AF-BRW-006")
