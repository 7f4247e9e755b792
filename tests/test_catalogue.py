"""The catalogue and the checks agree, whatever is collected."""

import json
import re
from pathlib import Path

import pytest

from fixtures import catalogue, docs, process, values
from fixtures import chart as charts
from fixtures.chart import Chart
from fixtures.errors import HarnessError, UsageError
from fixtures.settings import Executor
from tests.real_airflow import environment


def test_every_requirement_has_a_check_and_every_check_a_requirement() -> None:
    assert set(docs.checks()) == set(catalogue.load())


def test_the_sentence_says_how_strong_the_promise_is() -> None:
    tests = docs.checks()
    for id, entry in catalogue.load().items():
        for check in tests[id]:
            assert re.search(rf"\b{entry.level}\b", check.sentence), f"{id}: {entry.level} is not in {check.sentence!r}"


def test_ids_have_one_form() -> None:
    assert all(re.fullmatch(r"AF-[A-Z]+-\d{3}", id) for id in catalogue.load())


def test_the_page_of_requirements_is_up_to_date() -> None:
    assert docs.TARGET.read_text() == docs.render(), "run `make docs`"


def test_a_row_is_expected_for_every_executor_it_applies_to() -> None:
    rows = catalogue.expected(catalogue.load().values(), list(Executor))
    ids = [row.requirement.id for row in rows]
    assert ids.count("AF-VER-001") == 2
    assert [row.executor for row in rows if row.requirement.id == "AF-POD-002"] == [Executor.KUBERNETES]


def test_a_repeated_id_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "requirements.yaml"
    page.write_text("A:\n  - {id: AF-X-001}\nB:\n  - {id: AF-X-001}\n")
    with pytest.raises(HarnessError, match="AF-X-001 appears twice"):
        catalogue.load(page)


def test_selecting() -> None:
    entries = catalogue.load()
    assert catalogue.select(entries, ()) == set(entries)
    assert catalogue.select(entries, ("AF-CRED-*",)) == {"AF-CRED-001", "AF-CRED-002", "AF-CRED-003"}
    with pytest.raises(UsageError, match="AF-NO-SUCH"):
        catalogue.select(entries, ("AF-NO-SUCH",))


def test_a_plain_run_promises_nothing_about_upgrades() -> None:
    entries = catalogue.load()
    plain = {entry.id for entry in catalogue.promised(entries, "plain", "helm")}
    assert {id for id in plain if id.startswith("AF-UPG")} == {"AF-UPG-001"}
    assert not any(e.disruptive for e in catalogue.promised(entries, "plain", "helm", disturbing=False))


def test_each_way_of_upgrading_has_rows_of_its_own() -> None:
    entries = catalogue.load()
    helm = {entry.id for entry in catalogue.promised(entries, "upgrade", "helm")}
    kubectl = {entry.id for entry in catalogue.promised(entries, "upgrade", "kustomize")}
    assert (helm - kubectl, kubectl - helm) == ({"AF-UPG-017", "AF-UPG-020"}, {"AF-UPG-003"})
    assert all(id.startswith("AF-UPG") for id in helm)


def test_how_one_gets_what_a_run_leaves_out() -> None:
    entries = catalogue.load()
    named = [entries[id] for id in ("AF-EXM-002", "AF-RES-001", "AF-UPG-001", "AF-UPG-003", "AF-UPG-008")]
    assert catalogue.left_out(named, "plain", "helm") == {
        "add SCENARIO=upgrade WAY=kustomize": ["AF-UPG-003"],
        "add SCENARIO=upgrade": ["AF-UPG-008"],
    }
    assert catalogue.left_out(named, "upgrade", "helm") == {
        "they disturb what an upgrade is judged by; drop SCENARIO": ["AF-RES-001"],
        "add WAY=kustomize": ["AF-UPG-003"],
    }
    assert not catalogue.left_out(named[3:], "upgrade", "kustomize")


def test_an_upgraded_release_is_judged_by_other_rows_where_they_are_named() -> None:
    promised = catalogue.promised(catalogue.load(), "upgrade", "helm", named={"AF-EXM-002", "AF-CM-001"})
    ids = {entry.id for entry in promised}
    assert {"AF-EXM-002", "AF-UPG-008"} <= ids
    assert "AF-CM-001" not in ids  # it would disturb what the rows about the way back look at


def test_every_requirement_has_a_paragraph_in_the_guide_and_every_paragraph_a_requirement() -> None:
    assert list(catalogue.guide()) == list(catalogue.load()), "in the same order"


def test_paragraphs_of_the_guide_are_short_and_tell_how_to_look() -> None:
    for id, text in catalogue.guide().items():
        assert 250 <= len(text) <= 900, f"{id} has {len(text)} characters"
        assert "Look " in text or "look " in text, f"{id} does not tell how to look"
        assert text.count("`") > 0 and text.count("`") % 2 == 0, f"{id}: backticks come in pairs, for what is named"
        assert catalogue.load().keys() >= set(re.findall(r"AF-[A-Z]+-\d{3}", text)), f"{id} names an unknown row"


def named_in_the_guide(pattern: str) -> set[tuple[str, ...]]:
    """What stands between backticks in the guide and has this form: the pattern's groups, and the id."""
    quoted = [(id, code) for id, text in catalogue.guide().items() for code in re.findall(r"`([^`]*)`", text)]
    return {(*match.groups(), id) for id, code in quoted if (match := re.fullmatch(pattern, code))}


def test_values_that_the_guide_names_are_those_of_the_chart(published_chart: Chart) -> None:
    schema = json.loads(charts.read(published_chart, "values.schema.json") or b"")
    defaults = values.defaults(published_chart)
    refused = "executor.podTemplate"  # the README's key, named because the chart refuses it

    def known(name: str) -> bool:
        declared, default = schema, defaults
        for key in name.split("."):
            declared, default = declared.get("properties", {}).get(key, {}), (default or {}).get(key)
        return bool(declared) or default is not None

    named = {
        (name, id)
        for name, _, id in named_in_the_guide(r"([a-z][A-Za-z]*(?:\.\w+)+)(:.*)?")
        if not name.startswith("config.") and name not in (refused, "scheduler.status", "client.get")
    }
    assert len(named) > 50
    assert not {(name, id) for name, id in named if not known(name)}


OPTIONS = """
import json
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager
ProvidersManager().initialize_providers_configuration()
print(json.dumps({section: list(known["options"]) for section, known in conf.configuration_description.items()}))
"""


def test_options_that_the_guide_names_are_those_of_airflow(tmp_path: Path) -> None:
    named = named_in_the_guide(r"\[(\w+)\] (\w+)") | named_in_the_guide(r"config\.(\w+)\.(\w+)(?::.*)?")
    python, home = environment() / "bin" / "python", {"AIRFLOW_HOME": str(tmp_path)}
    options = json.loads(process.run([python, "-c", OPTIONS], env=home, deadline=60).stdout.splitlines()[-1])
    absent = {"celery", "celery_broker_transport_options"}  # of a provider that this Airflow lacks
    wrong = {one for one in named if one[0] not in absent and one[1] not in options.get(one[0], [])}
    assert len(named) > 50
    assert not wrong


def test_the_guide_is_up_to_date() -> None:
    assert docs.GUIDE.read_text() == docs.render_guide(), "run `make docs`"


def test_what_is_missing_is_told_with_what_to_do() -> None:
    with pytest.raises(HarnessError, match=r"(?s)AF-X-001: in a.yaml, and not in b.yaml.*add it to b.yaml"):
        docs.require_both({"AF-X-001", "AF-X-002"}, {"AF-X-002"}, "a.yaml", "b.yaml")
    with pytest.raises(HarnessError, match=r"AF-X-003: in b.yaml, and not in a.yaml"):
        docs.require_both({"AF-X-002"}, {"AF-X-002", "AF-X-003"}, "a.yaml", "b.yaml")


def test_links_into_the_guide_lead_somewhere() -> None:
    lines = docs.render_guide().splitlines()
    headings = {f"{docs.GUIDE.name}#{line[4:].lower()}" for line in lines if line.startswith("### ")}
    assert set(re.findall(r"\((guide\.md#[^)]*)\)", docs.render())) == headings
