"""A deployment with very many DAG files: how it is read, and what is run in it."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.observations.commands import dags_list
from fixtures.observations.examples import OTHERS_READ, Listed, parsed_dags, tested_locally
from fixtures.progress import Progress
from fixtures.wait import Budgets, Waiter
from tests.test_example_rows import dag

SCALE = 3.0


def reading(*known: Listed) -> Any:
    """A subject that lists these DAGs and counts what is asked for."""
    asked: list[str] = []

    def ask(what: str) -> Any:
        return lambda name: asked.append(what) or name

    airflow = SimpleNamespace(details=ask("details"), tasks_of=ask("tasks"), file=ask("file"))
    notes: list[str] = []
    return SimpleNamespace(
        see=lambda _: list(known), airflow=airflow, note=lambda _, told: notes.append(told), asked=asked, notes=notes
    )


def others(count: int, file: str = "") -> list[Listed]:
    made = [dag(f"theirs_{number}", file_token=str(number)) for number in range(count)]
    return [Listed(replace(one, fileloc=file) if file else one, own=False) for one in made]


def test_of_very_many_dags_of_others_only_some_are_read() -> None:
    own = Listed(dag("etl_pipeline", file_token="own"), own=True)
    subject = reading(*others(OTHERS_READ + 50), own)
    found = parsed_dags.look(subject)
    assert found[0].own and found[0].source == "own" and len(found) == OTHERS_READ + 1
    assert len(subject.asked) == 3 * len(found)
    assert subject.notes == [f"only {OTHERS_READ} of the {OTHERS_READ + 50} DAGs that are not the suite's were read"]


def test_a_file_of_many_dags_is_read_once() -> None:
    subject = reading(*others(20, "/dags/factory.py"))
    assert len(parsed_dags.look(subject)) == 20
    assert subject.asked.count("file") == 1 and not subject.notes


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A subject in whose scheduler commands are run, and those commands with their deadlines."""
    for module in ("examples", "commands"):
        monkeypatch.setattr(
            f"fixtures.observations.{module}.listed", lambda *_: "/dags/repo/dags/conformance_rights.py"
        )
    ran: list[tuple[str, float]] = []
    subject = SimpleNamespace(
        namespace="airflow", parser="scheduler", parsing=threading.Lock(), ran=ran, see=lambda _: None
    )

    def run(text: str, deadline: float) -> Any:
        assert subject.parsing.locked(), "two commands may parse all files at once"
        ran.append((text, deadline))
        return SimpleNamespace(rc=0, code=0, stdout="said", stderr="")

    def inside(pod: Any, container: str, *, deadline: float) -> Any:
        return SimpleNamespace(run=lambda text, *words: run(text % words, deadline))

    workload = SimpleNamespace(kind="Deployment", name="airflow-scheduler", title="deployment/airflow-scheduler")
    tools = SimpleNamespace(kubectl_run=lambda *words, check, deadline: run(" ".join(words), deadline))
    subject.cluster = SimpleNamespace(inside=inside, workload=lambda _: workload, tools=tools)
    subject.pod = lambda _: None
    subject.airflow = SimpleNamespace(runs=lambda _: [])
    subject.waiter = Waiter(Progress(io.StringIO()), Budgets.load(scale=SCALE))
    return subject


def test_commands_that_parse_dag_files_have_time_and_the_container_for_themselves(commands: Any) -> None:
    tested_locally.look(commands)
    dags_list.look(commands)
    (tested, one), (listed, other) = commands.ran
    assert tested.startswith("airflow tasks test -S /dags/repo/dags/conformance_rights.py conformance_rights say ")
    assert listed == "exec -n airflow -it deployment/airflow-scheduler -- airflow dags list"
    assert one == other == SCALE * Budgets.load().seconds("all_dags_parsed")
