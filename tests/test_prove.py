"""`make prove`: its options, its sample, and the upgrades that it breaks."""

import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures import catalogue, faults, judging, prove, standing
from fixtures.errors import HarnessError, UsageError
from fixtures.outcome import Outcome
from fixtures.progress import Progress
from fixtures.proofs import Store
from fixtures.report import Report
from fixtures.settings import Executor
from tests.cases import case, report


def test_the_sample_can_be_injected_and_covers_both_executors() -> None:
    pairs = faults.sample(faults.load_all())
    assert {executor for _, executor in pairs} == set(Executor)
    assert not [case.id for case, executor in pairs if executor not in case.executors]


def test_options_of_other_commands_are_refused() -> None:
    assert prove.options({"FAULT": "GS-03,MT-*", "FRESH": "1"}).FAULT == ("GS-03", "MT-*")
    with pytest.raises(UsageError, match="breaks deployments on purpose"):
        prove.options({"PROVIDER": "existing"})
    with pytest.raises(UsageError, match="ID selects requirements"):
        prove.options({"ID": "AF-*"})
    with pytest.raises(UsageError, match="FAULTS is not an option"):
        prove.options({"MAKEFLAGS": " -- FAULTS=GS-03"})
    for name, value in {"SCENARIO": "upgrade", "READONLY": "1", "LIVE": "0"}.items():
        with pytest.raises(UsageError, match=f"{name} does not go with `make prove`"):
            prove.options({name: value})


def test_an_upgrade_gets_the_values_of_the_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def run_suite(directory: Path, given: dict[str, str], stop: threading.Event, scale: float) -> Report:
        values = {side: yaml.safe_load(Path(given[side]).read_text()) for side in ("FROM_VALUES", "TO_VALUES")}
        seen.update({**given, **values})
        return report(AF_UPG_007=(Outcome.FAIL, "schema"))

    monkeypatch.setattr(judging, "run_suite", run_suite)
    inject = {"overlay": {"a": 1, "b": None}, "former": {"c": 1}}
    upgrade = case("UP-80", scenario="upgrade", expect=("AF-UPG-007",), says="schema", verify=[], inject=inject)
    store, told = Store(tmp_path), prove.options({})
    work = prove.Work(told, Progress(), store, [upgrade], catalogue.load())
    broken = prove.work_scenario(work, upgrade, Executor.CELERY)
    assert not broken
    assert (seen["SCENARIO"], seen["EXECUTOR"]) == ("upgrade", "celery")
    assert (seen["FROM_VALUES"], seen["TO_VALUES"]) == ({"c": 1}, {"a": 1, "b": None})
    assert seen["ID"].split(",") == ["AF-UPG-007"]
    kept = store.get(upgrade, Executor.CELERY)
    assert kept is not None
    assert kept.proven


def test_an_upgrade_without_a_report_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_suite(*_: Any) -> Report:
        raise HarnessError("the run of the checks left no report")

    monkeypatch.setattr(judging, "run_suite", run_suite)
    upgrade, store = case("UP-80", scenario="upgrade", verify=[]), Store(tmp_path)
    work = prove.Work(prove.options({}), Progress(), store, [upgrade], catalogue.load())
    broken = prove.work_scenario(work, upgrade, Executor.CELERY)
    assert broken == ["UP-80 celery: the run of the checks left no report"]
    assert store.get(upgrade, Executor.CELERY) is None


@pytest.mark.parametrize(("needs", "asked", "made"), [(False, "0", False), (True, "0", True), (False, "1", True)])
def test_a_cluster_enforces_policies_where_a_fault_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: bool, asked: str, made: bool
) -> None:
    def bring_up(given: prove.Options, *_: Any) -> Any:
        assert given.NETWORK_POLICIES is made
        raise HarnessError("seen")

    monkeypatch.setattr(standing, "bring_up", bring_up)
    one, told = case("NW-06", network_policies=needs), prove.options({"NETWORK_POLICIES": asked})
    work = prove.Work(told, Progress(), Store(tmp_path), [one], catalogue.load())
    with pytest.raises(HarnessError, match="seen"):
        prove.work_standing(work, [(one, Executor.CELERY)])
