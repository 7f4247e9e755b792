"""One run at a time in a namespace."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures import lease
from fixtures.errors import Refused
from fixtures.journal import Stamp
from fixtures.lease import Lease
from tests.stub_api import StubApi, eventually, running

LEASES = "/apis/coordination.k8s.io/v1/namespaces/airflow/leases"


@pytest.fixture
def api() -> Iterator[StubApi]:
    with running() as stub:
        yield stub


def of(api: StubApi, run: str, lost: list[str] | None = None) -> Lease:
    told = lost if lost is not None else []
    return Lease(api.kube(), "airflow", Stamp(run, datetime.now(UTC)), told.append)


def held(api: StubApi) -> dict[str, Any]:
    return api.store[LEASES]["airflow-conformance"]


def test_the_second_run_is_refused_until_the_first_one_ends(api: StubApi) -> None:
    first = of(api, "first")
    first.take()
    assert lease.holder(api.kube(), "airflow") == "first"
    with pytest.raises(Refused, match="run first is under way in namespace airflow"):
        of(api, "second").take()
    first.release()
    assert lease.holder(api.kube(), "airflow") == ""
    second = of(api, "second")
    second.take()
    second.release()


def test_the_place_of_a_run_that_was_killed_is_free_after_a_while(api: StubApi) -> None:
    of(api, "killed").take()
    held(api)["spec"]["renewTime"] = (datetime.now(UTC) - timedelta(seconds=lease.DURATION + 5)).isoformat()
    second = of(api, "second")
    second.take()
    assert held(api)["spec"]["holderIdentity"] == "second"
    lease.discard(api.kube(), "airflow", "killed")
    assert held(api), "what another took over stays"
    second.release()


def test_what_a_killed_run_holds_can_be_discarded(api: StubApi) -> None:
    of(api, "killed").take()
    lease.discard(api.kube(), "airflow", "killed")
    assert lease.holder(api.kube(), "airflow") == ""
    lease.discard(api.kube(), "airflow", "killed")


def test_it_is_renewed_and_its_loss_is_told(api: StubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)
    lost: list[str] = []
    mine = of(api, "mine", lost)
    mine.take()
    before = held(api)["spec"]["renewTime"]
    eventually(lambda: held(api)["spec"]["renewTime"] > before)
    held(api)["spec"]["holderIdentity"] = "somebody"
    eventually(lambda: bool(lost))
    assert lost == ["run somebody has taken the Lease of this run"]
    mine.release()
    assert held(api)["spec"]["holderIdentity"] == "somebody", "what is another's stays"


@pytest.mark.parametrize("spec", [{}, {"holderIdentity": "x"}, {"renewTime": "2026-01-01T00:00:00Z"}])
def test_a_lease_without_holder_or_time_is_nobodys(spec: dict[str, Any]) -> None:
    assert lease.alive({"spec": spec}, datetime.now(UTC)) == ""
