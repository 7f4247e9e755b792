"""The ledger takes away exactly what was recorded, newest first, and says what it could not."""

import io
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import ledger
from fixtures.errors import CannotSee, HarnessError
from fixtures.ledger import Ledger, Trace
from fixtures.observations import schedule  # noqa: F401 - brings along how each kind of trace is taken away
from fixtures.progress import Progress
from fixtures.release import RUN_LABEL
from fixtures.wait import Budgets, Waiter


@pytest.fixture(autouse=True)
def things(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two kinds of things: one that goes, and one that stays."""

    def refuse(subject: list[str], trace: Trace) -> None:
        raise CannotSee("the API server is gone")

    monkeypatch.setitem(ledger._undo, "thing", lambda subject, trace: subject.append(trace.name))
    monkeypatch.setitem(ledger._undo, "rock", refuse)
    yield


class Notes:
    """A journal in memory."""

    def __init__(self) -> None:
        self.traces: dict[int, Trace] = {}

    def add(self, number: int, trace: Trace) -> None:
        self.traces[number] = trace

    def remove(self, number: int) -> None:
        del self.traces[number]


@given(st.lists(st.text(min_size=1), max_size=20))
def test_everything_goes_in_reverse_order(names: list[str]) -> None:
    gone: list[str] = []
    kept = Ledger(gone)
    for name in names:
        kept.record("thing", name)
    assert kept.settle() == []
    assert gone == names[::-1]
    assert len(kept) == 0


def test_a_failure_is_told_and_stops_nothing() -> None:
    gone: list[str] = []
    kept = Ledger(gone)
    kept.record("thing", "first")
    kept.record("rock", "second")
    assert kept.settle() == ["rock second is left behind: the API server is gone"]
    assert gone == ["first"]


def test_what_is_on_record_twice_can_be_left_to_the_second_record() -> None:
    gone: list[str] = []
    notes = Notes()
    kept = Ledger(gone, notes)
    number = kept.record("thing", "by hand")
    kept.record("thing", "by its id")
    kept.forget(number)
    assert [trace.name for trace in notes.traces.values()] == ["by its id"]
    assert kept.settle() == []
    assert gone == ["by its id"]


def test_what_was_taken_away_before_the_end_is_not_taken_away_again() -> None:
    gone: list[str] = []
    kept = Ledger(gone)
    number = kept.record("thing", "only")
    kept.undo(number)
    kept.undo(number)
    assert kept.settle() == []
    assert gone == ["only"]


def test_the_journal_holds_what_is_there_and_what_could_not_be_taken_away() -> None:
    notes, gone = Notes(), list[str]()
    kept = Ledger(gone, notes)
    kept.record("thing", "first", of="somebody")
    number = kept.record("thing", "second")
    kept.record("rock", "third")
    assert notes.traces[1] == Trace("thing", "first", {"of": "somebody"})
    kept.undo(number)
    kept.settle()
    assert [str(trace) for trace in notes.traces.values()] == ["rock third"]


def test_a_kind_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(HarnessError, match="nobody knows how to take away a dragon"):
        ledger.undo([], Trace("dragon", "Fafnir"))


class Deployment:
    """An Airflow and a Helm release that others have changed since."""

    def __init__(self, description: str = "", replicas: int = 0, revision: int = 0, label: str = "") -> None:
        self.done: list[str] = []
        self.namespace = "airflow"
        self.waiter = SimpleNamespace(budgets=SimpleNamespace(seconds=lambda name: 1))
        self.airflow = SimpleNamespace(
            description=lambda collection, name: description, delete_connection=self.done.append
        )
        workload = SimpleNamespace(title="deployment/scheduler", replicas=replicas)
        self.cluster = SimpleNamespace(
            titled=lambda title: workload,
            scale=lambda workload, replicas: self.done.append(f"{replicas} replicas"),
            recorder=SimpleNamespace(objects=lambda name: []),
        )
        self.helm = SimpleNamespace(
            status=lambda release, namespace: SimpleNamespace(revision=revision),
            has_label=lambda release, namespace, wanted: wanted == label,
            rollback=lambda release, namespace, revision, timeout: self.done.append(f"revision {revision}"),
        )


RUN = "20260101-120000-abcd"


@pytest.mark.parametrize(
    ("description", "gone"), [(f"conformance {RUN} until x", ["a"]), ("the team's own", []), ("", [])]
)
def test_a_connection_that_another_made_stays(description: str, gone: list[str]) -> None:
    deployment = Deployment(description)
    ledger.undo(deployment, Trace("connection", "a", run=RUN))
    assert deployment.done == gone


@pytest.mark.parametrize(("replicas", "done"), [(2, ["1 replicas"]), (3, [])])
def test_a_workload_that_somebody_scaled_since_stays_so(replicas: int, done: list[str]) -> None:
    deployment = Deployment(replicas=replicas)
    ledger.undo(deployment, Trace("scaled", "deployment/scheduler", {"replicas": 1, "meanwhile": 2}, RUN))
    assert deployment.done == done


@pytest.mark.parametrize(
    ("revision", "run", "done"),
    [
        (5, RUN, ["revision 4"]),
        (5, "20260101-120000-ffff", []),  # the run never came to its upgrade, and the owner made one
        (6, RUN, []),  # the owner upgraded after the run, and the label was inherited
        (4, "", []),
    ],
)
def test_an_upgrade_that_somebody_made_since_is_not_rolled_back(revision: int, run: str, done: list[str]) -> None:
    deployment = Deployment(revision=revision, label=f"{RUN_LABEL}={run}")
    ledger.undo(deployment, Trace("upgrade of release", "airflow", {"revision": 4}, RUN))
    assert deployment.done == done


def test_what_a_dag_left_in_the_database_goes_after_its_file_which_brings_it_back() -> None:
    deployment, answers = Deployment(), [True, False]
    deployment.is_parsed = lambda file: deployment.done.append(f"is {file} there") or answers.pop(0)  # type: ignore[attr-defined]
    deployment.parser = "scheduler"  # type: ignore[attr-defined]
    deployment.waiter = Waiter(Progress(io.StringIO()), Budgets({"git_pickup": 5}))
    deployment.airflow.delete_dag = deployment.done.append
    ledger.undo(deployment, Trace("DAG", "added", {"file": "added.py"}, RUN))
    assert deployment.done == ["is added.py there"] * 2 + ["added"]
