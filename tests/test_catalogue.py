"""The catalogue and the checks agree, whatever is collected."""

import re
from pathlib import Path

import pytest

from fixtures import catalogue, docs
from fixtures.errors import HarnessError, UsageError
from fixtures.settings import Executor


def test_every_requirement_has_a_check_and_every_check_a_requirement() -> None:
    assert set(docs.checks()) == set(catalogue.load())


def test_the_sentence_says_how_strong_the_promise_is() -> None:
    tests = docs.checks()
    for id, entry in catalogue.load().items():
        for check in tests[id]:
            assert re.search(rf"\b{entry.level}\b", check.sentence), f"{id}: {entry.level} is not in {check.sentence!r}"


def test_ids_have_the_form_of_the_contract() -> None:
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
