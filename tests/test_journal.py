"""What a run creates is written down in the cluster before it is created, and read by whoever cleans up."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from fixtures import journal
from fixtures.errors import HarnessError
from fixtures.journal import ClusterJournal, Stamp
from fixtures.ledger import Ledger, Trace
from tests.stub_api import StubApi, running

MAPS = "/api/v1/namespaces/airflow/configmaps"
STAMP = Stamp("20260101-120000-abcd", datetime(2026, 1, 1, 15, tzinfo=UTC))


@pytest.fixture
def api() -> Iterator[StubApi]:
    with running() as stub:
        yield stub


def begun(api: StubApi) -> ClusterJournal:
    journal = ClusterJournal(api.kube(), "airflow", STAMP, "airflow")
    journal.begin()
    return journal


def test_it_carries_the_run_and_its_expiry(api: StubApi) -> None:
    begun(api)
    (made,) = api.store[MAPS].values()
    assert made["metadata"]["name"] == "airflow-conformance-20260101-120000-abcd"
    assert made["metadata"]["labels"][journal.RUN] == STAMP.run
    assert made["metadata"]["annotations"][journal.EXPIRES] == "2026-01-01T15:00:00+00:00"


def test_what_was_written_is_read_by_another_process(api: StubApi) -> None:
    ledger = Ledger(None, begun(api), run=STAMP.run)
    ledger.record("connection", "postgres_default")
    ledger.record("DAG run", "conformance__1", dag="hello_world")
    (read,) = journal.left_behind(api.kube(), "airflow")
    assert read.stamp == STAMP
    assert read.release == "airflow"
    assert read.traces == {
        1: Trace("connection", "postgres_default", run=STAMP.run),
        2: Trace("DAG run", "conformance__1", {"dag": "hello_world"}, run=STAMP.run),
    }


def test_it_goes_when_everything_is_gone(api: StubApi) -> None:
    kept = begun(api)
    kept.add(1, Trace("pool", "a"))
    assert "RUN=20260101-120000-abcd" in kept.end()[0]
    kept.remove(1)
    assert kept.end() == []
    assert not api.store[MAPS]
    assert kept.end() == [], "somebody may have been faster"


def test_other_config_maps_are_nobodys_journal(api: StubApi) -> None:
    labels = {**journal.MINE, journal.RUN: "x"}
    api.put(MAPS, {"metadata": {"name": "my-dags", "labels": labels}})
    assert journal.left_behind(api.kube(), "airflow") == []


def test_a_journal_that_cannot_be_read_is_an_error(api: StubApi) -> None:
    begun(api)
    (made,) = api.store[MAPS].values()
    made["data"] = {"000001": "no JSON"}
    with pytest.raises(HarnessError, match="is no journal of a run"):
        journal.left_behind(api.kube(), "airflow")
