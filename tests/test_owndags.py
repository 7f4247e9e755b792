"""A user's own DAG files: what is told of each, with a stub in place of Airflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Condition
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import owndags
from fixtures.airflow import DagRun, ImportProblem, NotThere
from fixtures.errors import CannotSee, ConformanceError
from fixtures.following import TaskFailed
from fixtures.report import Trial
from fixtures.settings import Executor
from tests.waiting import waiter

DAG = "from airflow import DAG\n"


class StubAirflow:
    """Knows DAGs by file, and how their runs end."""

    def __init__(self, ends: Callable[[DagRun], None]) -> None:
        self.ends = ends
        self.asked: list[str] = []

    def import_errors(self) -> list[ImportProblem]:
        return [ImportProblem("/opt/airflow/dags/repo/dags/broken.py", "Traceback\nModuleNotFoundError: pandas")]

    def dags(self) -> list[Any]:
        return [SimpleNamespace(dag_id="theirs", fileloc="/opt/airflow/dags/repo/dags/their_dag.py")]

    def details(self, dag_id: str) -> None:
        self.asked.append(dag_id)
        if len(self.asked) == 1:
            raise NotThere("theirs is not loaded yet")

    def trigger(self, dag_id: str) -> DagRun:
        return DagRun(dag_id, "run", "queued")


@pytest.fixture(autouse=True)
def followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs end as the stub says, at once."""
    monkeypatch.setattr(owndags.following, "finish", lambda airflow, waiter, run, **_: airflow.ends(run))


def subject(ends: Callable[[DagRun], None], *, seconds: float = 30) -> Any:
    return SimpleNamespace(
        executor=Executor.CELERY,
        airflow=StubAirflow(ends),
        see=lambda _: None,
        waiter=waiter(seconds),
        cluster=SimpleNamespace(recorder=SimpleNamespace(condition=Condition())),
    )


def file(directory: Path, name: str, text: str = DAG) -> Path:
    (directory / name).write_text(text)
    return directory / name


def test_a_dag_runs_once_the_webserver_has_loaded_it(tmp_path: Path) -> None:
    it = subject(lambda run: None)
    (trial,) = owndags.tried(it, [file(tmp_path, "their_dag.py")])
    assert trial == Trial(file="their_dag.py", dag="theirs", executor="celery", state="success")
    assert len(it.airflow.asked) == 2


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TaskFailed("task extract failed\nKeyError: 'x'"), "failed"),
        (CannotSee("the webserver is gone"), "could not be followed"),
    ],
)
def test_how_a_run_ends_is_told(tmp_path: Path, error: ConformanceError, state: str) -> None:
    def ends(run: DagRun) -> None:
        raise error

    (trial,) = owndags.tried(subject(ends), [file(tmp_path, "their_dag.py")])
    assert (trial.dag, trial.state, trial.reason) == ("theirs", state, error.cause)
    assert owndags.told([trial])[0].endswith(error.cause.splitlines()[-1])


def test_a_file_that_does_not_import_is_told_with_its_traceback(tmp_path: Path) -> None:
    (trial,) = owndags.tried(subject(lambda run: None), [file(tmp_path, "broken.py")])
    assert (trial.dag, trial.state) == ("", "does not import")
    assert "ModuleNotFoundError: pandas" in trial.reason


def test_a_file_whose_dag_never_appears_is_told(tmp_path: Path) -> None:
    (trial,) = owndags.tried(subject(lambda run: None, seconds=1), [file(tmp_path, "empty.py")])
    assert trial.state == "is not listed"


def test_a_module_without_dags_is_no_dag(tmp_path: Path) -> None:
    assert owndags.tried(subject(lambda run: None), [file(tmp_path, "helpers.py", "X = 1\n")]) == []
