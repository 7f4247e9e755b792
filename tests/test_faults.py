"""Fault and variation files: every one is complete, fits the chart, and names requirements that exist."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from fixtures import catalogue, faults, values
from fixtures import chart as charts
from fixtures.catalogue import Requirement
from fixtures.chart import Chart
from fixtures.errors import HarnessError, UsageError
from fixtures.faults import Case, Inject
from fixtures.settings import Executor

NAMES = {"NAMESPACE": "airflow", "RELEASE": "airflow", "FULLNAME": "airflow", "EXECUTOR": "kubernetes"}
GOOD = {
    "title": "A fault",
    "expect": ["AF-X-001"],
    "says": "why",
    "inject": {"overlay": {"a": 1}},
    "verify": [{"kubectl": ["get", "pods"], "says": "x"}],
}


def written(directory: Path, **changes: object) -> Path:
    path = directory / "GS-03.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in {**GOOD, **changes}.items() if value is not None}))
    return path


def entry(id: str, *executors: Executor, disruptive: bool = False) -> Requirement:
    return Requirement(id, "area", "MUST", executors or tuple(Executor), disruptive)


def test_every_file_can_be_read() -> None:
    cases = faults.load_all()
    assert len({case.id for case in cases}) == len(cases)
    assert {case.kind for case in cases} == {"fault", "variation"}


def test_every_requirement_exists() -> None:
    missing = faults.unknown_requirements(faults.load_all(), catalogue.load())
    assert not missing, f"not in manifests/requirements.yaml, but named by fault files: {missing}"


def test_every_fault_is_expected_somewhere_under_each_of_its_executors() -> None:
    entries = catalogue.load()
    nowhere = [
        f"{case.id} {executor}"
        for case in faults.load(faults.FAULTS, "fault")
        for executor in case.executors
        if not case.blind and not faults.select(case, executor, entries).expect
    ]
    assert not nowhere, f"no requirement that applies could notice: {nowhere}"


def test_every_overlay_fits_the_chart(published_chart: Chart) -> None:
    """Each overlay by itself: with the defaults it would take a second for each of them."""
    schema = json.loads(charts.read(published_chart, "values.schema.json") or b"{}")
    validator = jsonschema.validators.validator_for(schema)(schema)
    known = {*values.defaults(published_chart), *schema["properties"]}
    wrong = [
        f"{case.id}: {error.json_path}: {error.message}"
        for case in faults.load_all()
        for executor in case.executors
        for overlay in (*case.inject.values(executor), case.inject.former)
        for error in validator.iter_errors(values.merge({}, faults.fill(overlay, NAMES)))
    ]
    strangers = [
        f"{case.id}: {sorted(set(overlay) - known)}"
        for case in faults.load_all()
        for executor in case.executors
        for overlay in case.inject.values(executor)
        if set(overlay) - known
    ]
    assert not wrong and not strangers


def test_every_placeholder_has_a_value() -> None:
    for case in faults.load_all():
        faults.fill(case.model_dump(exclude={"source"}), NAMES)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"expects": ["AF-X-001"]}, "expects: Extra inputs"),
        ({"verify": None}, "an injection is verified"),
        ({"says": None}, "names the requirements"),
        ({"says": "("}, "no regular expression"),
        ({"inject": {"steps": [{"sql": "a", "restart": ["scheduler"]}]}}, "a step is one of"),
        ({"inject": {}}, "neither an overlay nor steps"),
        ({"verify": [{"says": "x"}]}, "a look is one of"),
        ({"executors": ["local"]}, "executors"),
        ({"id": "other"}, "told by the file itself"),
    ],
)
def test_a_wrong_file_is_told_by_its_name_and_key(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        faults.read(written(tmp_path, **changes), "fault")
    assert told in str(caught.value)
    assert "GS-03.yaml" in str(caught.value)


def test_a_variation_expects_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must raise no alarm"):
        faults.read(written(tmp_path), "variation")


def test_what_cannot_be_injected_needs_only_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "NW-06.yaml"
    path.write_text("{title: A fault, blind: no such network}")
    assert faults.read(path, "fault").blind == "no such network"


def test_only_known_placeholders_are_replaced() -> None:
    assert faults.fill({"run": ["echo $(hostname) $HOME ${NAMESPACE} $$ ^x$"]}, NAMES) == {
        "run": ["echo $(hostname) $HOME airflow $$ ^x$"]
    }
    with pytest.raises(HarnessError, match="UNKNOWN"):
        faults.fill("${UNKNOWN}", NAMES)


def test_cases_are_chosen_by_pattern(tmp_path: Path) -> None:
    cases = [faults.read(written(tmp_path), "fault")]
    assert faults.choose(cases, ["GS-*"]) == cases
    with pytest.raises(UsageError, match="FAULT=XX matches no fault"):
        faults.choose(cases, ["XX"])


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    first = faults.read(written(tmp_path), "fault")
    assert first.digest == faults.read(written(tmp_path), "fault").digest
    assert first.digest != faults.read(written(tmp_path, title="Another"), "fault").digest


def test_what_is_judged(tmp_path: Path) -> None:
    case: Case = faults.read(written(tmp_path, expect=["AF-X-001", "AF-Y-001"], check=["AF-Z-*"]), "fault")
    entries = {
        e.id: e
        for e in (
            entry("AF-X-001", Executor.CELERY),
            entry("AF-Y-001"),
            entry("AF-Z-001"),
            entry("AF-Z-002", disruptive=True),
            entry("AF-Q-001"),
        )
    }
    kubernetes = faults.select(case, Executor.KUBERNETES, entries)
    assert kubernetes.expect == {"AF-Y-001"}
    assert kubernetes.ids == ("AF-Y-001", "AF-Z-001"), "a pattern means no check that disturbs"
    assert faults.select(case, Executor.CELERY, entries).expect == {"AF-X-001", "AF-Y-001"}


def test_a_variation_is_judged_by_everything_that_does_not_disturb(tmp_path: Path) -> None:
    case = faults.read(written(tmp_path, expect=None, says=None), "variation")
    entries = {e.id: e for e in (entry("AF-X-001"), entry("AF-Y-001", disruptive=True))}
    assert faults.select(case, Executor.CELERY, entries).ids == ("AF-X-001",)


def test_a_check_that_disturbs_is_judged_where_it_is_named(tmp_path: Path) -> None:
    case = faults.read(written(tmp_path), "fault")
    selection = faults.select(case, Executor.CELERY, {"AF-X-001": entry("AF-X-001", disruptive=True)})
    assert selection.ids == ("AF-X-001",)
    assert selection.disruptive


def test_a_case_in_an_upgrade_is_values_of_its_releases(tmp_path: Path) -> None:
    overlay = {"inject": {"overlay": {"a": 1}}, "verify": []}
    assert faults.read(written(tmp_path, scenario="upgrade", **overlay), "fault").scenario == "upgrade"
    steps = {"inject": {"steps": [{"kubectl": ["get", "pods"]}]}, "verify": []}
    with pytest.raises(UsageError, match="values of the two releases, and nothing else"):
        faults.read(written(tmp_path, scenario="upgrade", **steps), "fault")
    former = {"inject": {"former": {"a": 1}}, "verify": []}
    assert faults.read(written(tmp_path, scenario="upgrade", **former), "fault").inject.former == {"a": 1}
    with pytest.raises(UsageError, match="only a scenario has a release before"):
        faults.read(written(tmp_path, inject={"overlay": {"a": 1}, "former": {"a": 1}}), "fault")


def test_an_upgrade_is_judged_by_rows_about_upgrades(tmp_path: Path) -> None:
    variation = {"check": ["*", "AF-UPG-019"], "inject": {}, "verify": [], "expect": [], "says": ""}
    case = faults.read(written(tmp_path, scenario="upgrade", **variation), "variation")
    ids = faults.select(case, Executor.CELERY, catalogue.load()).ids
    assert {"AF-UPG-001", "AF-UPG-008", "AF-UPG-019"} <= set(ids)
    assert not [id for id in ids if not id.startswith("AF-UPG")]
    assert "AF-UPG-016" not in ids  # disturbs, and is not named


def test_cases_that_set_a_value_in_the_same_place_are_told_apart() -> None:
    first = Inject.model_validate({"overlay": {"webserver": {"webserverConfig": "a"}}})
    same = Inject.model_validate({"celery": {"webserver": {"webserverConfig": "b", "replicas": 2}}})
    assert first.sets_the_same(same, Executor.CELERY)
    assert not first.sets_the_same(same, Executor.KUBERNETES), "it sets nothing there"
    assert not first.sets_the_same(Inject.model_validate({"overlay": {"webserver": {"replicas": 2}}}), Executor.CELERY)
