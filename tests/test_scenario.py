"""Scenarios: read from data and options, and refused before anything is touched."""

from pathlib import Path

import pytest

from fixtures import scenario, settings
from fixtures.errors import UsageError
from fixtures.scenario import Scenario


def chosen(**options: str) -> Scenario:
    found = scenario.chosen(settings.load(options))
    assert found is not None
    return found


def test_a_plain_run_has_none() -> None:
    assert scenario.chosen(settings.load({})) is None


@pytest.mark.parametrize("name", scenario.names())
def test_those_that_come_with_the_suite_lead_forwards(name: str) -> None:
    assert chosen(SCENARIO=name).name == name


def test_options_win_over_the_file(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("executor: KubernetesExecutor\n")
    found = chosen(SCENARIO="upgrade", FROM="1.11.0/2.7.1", TO="1.18.0/2.9.0", TO_VALUES=str(own))
    assert (found.old.chart, found.old.airflow, found.old.values) == ("1.11.0", "2.7.1", ())
    assert (found.new.chart, found.new.airflow, found.new.values) == ("1.18.0", "2.9.0", (own,))


def test_a_file_of_ones_own_names_values_beside_it(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("a: 1\n")
    file = tmp_path / "mine.yaml"
    file.write_text("from: {chart: 1.11.0, airflow: 2.7.1, values: [old.yaml]}\nto: {chart: 1.15.0, airflow: 2.9.0}\n")
    assert chosen(SCENARIO=str(file)).old.values == (tmp_path / "old.yaml",)


def test_new_values_are_an_upgrade_too(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("a: 1\n")
    found = chosen(SCENARIO="upgrade", FROM="1.15.0/2.9.0", TO="1.15.0/2.9.0", TO_VALUES=str(own))
    assert found.old.title == found.new.title


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"SCENARIO": "upgrades"}, "there is no such scenario"),
        ({"SCENARIO": "~nobody-of-that-name/x.yaml"}, "there is no such scenario: it cannot be looked at"),
        ({"SCENARIO": f"{'x' * 300}.yaml"}, "there is no such scenario: it cannot be looked at"),
        ({"SCENARIO": "upgrade", "FROM": "1.11.0"}, "FROM=1.11.0: not of the form chart/airflow"),
        ({"SCENARIO": "upgrade", "TO": "latest/2.9.0"}, "TO=latest/2.9.0"),
        ({"SCENARIO": "upgrade", "FROM": "1.18.0/2.9.0"}, "chart 1.18.0 to chart 1.15.0 is a downgrade"),
        ({"SCENARIO": "upgrade", "FROM": "1.11.0/2.9.1"}, "airflow 2.9.1 to airflow 2.9.0 is a downgrade"),
        ({"SCENARIO": "upgrade", "FROM": "1.15.0/2.9.0"}, "nothing would be upgraded"),
        ({"SCENARIO": "upgrade", "TO": "1.18.0/3.0.1", "IMAGES": "pull"}, "TO: Airflow 3.0.1 is not of Airflow 2"),
    ],
)
def test_bad_pairs_are_named(options: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        chosen(**options)


def test_overlays_of_the_same_versions_are_an_upgrade_too(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    given = {"SCENARIO": "upgrade", "WAY": "kustomize", "EXECUTOR": "celery", "KUSTOMIZE": str(tmp_path)}
    found = chosen(**given, FROM="1.15.0/2.9.0", TO="1.15.0/2.9.0")
    assert found.old.title == found.new.title
    with pytest.raises(UsageError, match=r"chart 1\.15\.0 to chart 1\.11\.0 is a downgrade"):
        chosen(**given, FROM="1.15.0/2.9.0", TO="1.11.0/2.9.0")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("from: {chart: 1.11.0, airflow: 2.7.1}\n", "to: Field required"),
        ("from: {chart: 1.11.0}\nto: {chart: 1.15.0, airflow: 2.9.0}\n", "from.airflow: Field required"),
        ("from: [\n", "cannot be read"),
        ("", "top level"),
        (
            "from: {chart: 1.11.0, airflow: 2.7.1, values: [no.yaml]}\nto: {chart: 1.15.0, airflow: 2.9.0}\n",
            "names values that are not there",
        ),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=told):
        chosen(SCENARIO=str(file))


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        (["2.9.0", "2.8.4"], "from Airflow 2.9.0 to 2.8.4: a downgrade"),
        (["2.9.0", "3.0.1"], "Airflow 3.0.1 is not of Airflow 2"),
    ],
)
def test_images_that_lead_backwards_are_refused_whatever_they_were_asked_for_as(versions: list[str], told: str) -> None:
    scenario.require_forwards(["2.7.1", "", "2.9.0"])
    with pytest.raises(UsageError, match=told):
        scenario.require_forwards(versions)


def test_a_version_that_is_none_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("from: {chart: 1.11.0, airflow: 2.7.1}\nto: {chart: newest, airflow: 2.9.0}\n")
    with pytest.raises(UsageError, match=r"to\.chart"):
        chosen(SCENARIO=str(file))
