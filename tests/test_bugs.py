"""Files of reported bugs: read, rendered with the chart that they name, and judged with stubs in place of a cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from fixtures import bugs, manifests, values
from fixtures.bugs import Bug, Case
from fixtures.errors import HarnessError, UsageError
from fixtures.helm import Helm
from fixtures.outcome import Outcome
from fixtures.paths import ROOT
from fixtures.report import Report
from fixtures.reproduce import Options
from tests import cases
from tests.charting import published

ALL = bugs.load()
BUG = """
threads: [acme/flow#1, acme/flow#2]
title: It does not work
reported: chart 1.0.0
chart: 1.15.0
airflow: 2.9.0
executor: celery
values: {a: 1}
shows: {ids: [AF-MET-001], says: nothing sent}
mended: {values: {a: 2}, why: it is set right}
"""


def report(outcome: Outcome, reason: str = "") -> Report:
    found = cases.report(AF_MET_001=(outcome, reason))
    return found.model_copy(update={"run": "20261125-000000-abcd", "reason": "of 1"})


def bug(tmp_path: Path, text: str = BUG) -> Bug:
    path = tmp_path / "acme-flow-1.yaml"
    path.write_text(text)
    return bugs.read(path)


# Files


@pytest.mark.parametrize("found", ALL, ids=lambda found: found.source.stem)
def test_values_fit_the_chart_before_and_after(found: Bug, helm_binary: Path, tmp_path: Path) -> None:
    sides = [(found.chart, [found.values]), (found.chart, [found.values, found.upgrade])]
    if found.mended:
        sides.append((found.mended.chart or found.chart, [found.values, found.upgrade, found.mended.values]))
    for chart, overlays in sides:
        rendered(helm_binary, tmp_path, chart, found, overlays)


def rendered(
    helm: Path, directory: Path, version: str, found: Bug, overlays: Sequence[dict[str, Any]]
) -> dict[tuple[str, str], Any]:
    """Objects of a release with the reference values and overlays, by kind and name."""
    chart, files = published(version), list(manifests.reference_values(found.executor, version))
    for number, overlay in enumerate(overlays):
        files.append(directory / f"{version}-{number}.yaml")
        files[-1].write_text(yaml.safe_dump(overlay))
    assert values.check(chart, files) == []
    objects = yaml.safe_load_all(Helm(helm).template("airflow", "ns", chart, files))
    return {(entry["kind"], entry["metadata"]["name"]): entry for entry in objects if entry}


def statsd_host(objects: Mapping[tuple[str, str], Any]) -> bool:
    """Whether the host to which metrics are sent is a Service of the release."""
    config = next(entry for (kind, name), entry in objects.items() if kind == "ConfigMap" and name.endswith("-config"))
    match = re.search(r"^statsd_host = (\S+)$", config["data"]["airflow.cfg"], re.MULTILINE)
    return match is not None and ("Service", match[1]) in objects


def syncs(objects: Mapping[tuple[str, str], Any]) -> bool:
    """Whether some Deployment has a git-sync that stays."""
    return any(
        container["name"] == "git-sync"
        for (kind, _), entry in objects.items()
        if kind in ("Deployment", "StatefulSet")
        for container in entry["spec"]["template"]["spec"]["containers"]
    )


def migrates(objects: Mapping[tuple[str, str], Any]) -> bool:
    """Whether a Job that is no hook migrates the database."""
    job = objects.get(("Job", "airflow-run-airflow-migrations"))
    return job is not None and "helm.sh/hook" not in (job["metadata"].get("annotations") or {})


def shares_logs(objects: Mapping[tuple[str, str], Any]) -> bool:
    """Whether task pods mount the volume for logs."""
    template = yaml.safe_load(objects["ConfigMap", "airflow-config"]["data"]["pod_template_file.yaml"])
    return any((volume.get("persistentVolumeClaim") or {}) for volume in template["spec"]["volumes"])


def maps_one_part(objects: Mapping[tuple[str, str], Any]) -> bool:
    """Whether a rule of the exporter is for one part behind `dependency-check`; of globs the first one wins."""
    mapping = yaml.safe_load(objects["ConfigMap", "airflow-statsd"]["data"]["mappings.yml"])["mappings"]
    rules = [rule["match"] for rule in mapping if rule.get("match_type") == "regex"]
    return any(re.fullmatch(rule, "airflow.dagrun.dependency-check.hello_world_dag") for rule in rules)


@pytest.mark.parametrize(
    ("thread", "right"),
    [
        ("apache/airflow#35678", statsd_host),
        ("apache/airflow#27080", syncs),
        ("apache/airflow#32003", migrates),
        ("apache/airflow#29963", shares_logs),
        ("apache/airflow#37338", maps_one_part),
    ],
)
def test_the_chart_makes_the_bug_of_the_values_and_of_the_mend_none(
    thread: str, right: Callable[[Mapping[tuple[str, str], Any]], bool], helm_binary: Path, tmp_path: Path
) -> None:
    found = bugs.find(thread, ALL)
    assert found.mended is not None
    assert not right(rendered(helm_binary, tmp_path, found.chart, found, [found.values]))
    chart = found.mended.chart or found.chart
    assert right(rendered(helm_binary, tmp_path, chart, found, [found.values, found.mended.values]))


def test_every_thread_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "reproducing.md").read_text()
    assert [thread for found in ALL for thread in found.threads if thread not in text] == []


def test_a_bug_is_found_by_any_of_its_threads(tmp_path: Path) -> None:
    assert bugs.find("Acme/Flow#2", [bug(tmp_path)]).thread == "acme/flow#1"


def test_an_unknown_bug_lists_those_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"no file is about that thread(.|\n)*apache/airflow#35678"):
        bugs.find("apache/airflow#1", ALL)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("values: {a: 1}", "valeus: {a: 1}"), "values: Field required"),
        (("acme/flow#1", "flow 1"), "threads are named owner/repository#number"),
        (("acme/flow#1", "acme/flow#7"), "is about acme/flow#7"),
        (("AF-MET-001", "AF-NO-999"), "there is no AF-NO-999"),
        ((", says: nothing sent", ""), "how the bug is seen"),
        (("says: nothing sent", "says: '('"), "no regular expression"),
        (("mended: {values: {a: 2}, why: it is set right}", ""), "either `mended`, or `unmended`"),
        (("values: {a: 2}", "values: {a: 2}, chart: 1.18.0"), "by values, or by another chart"),
        (("executor: celery", "executor: local"), "executor"),
        ((BUG, "- a list"), "is no map in YAML"),
        ((BUG, "a: ["), "is no map in YAML"),
    ],
)
def test_a_file_that_is_wrong_names_the_key(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        bug(tmp_path, BUG.replace(*change))


# Judging


@pytest.mark.parametrize(
    ("document", "right", "told"),
    [
        (report(Outcome.FAIL, "there is nothing sent\nmore"), True, "shown: AF-MET-001 failed as reported: there is"),
        (report(Outcome.FAIL, "it is down"), False, "says nothing of /nothing sent/: it is down"),
        (report(Outcome.PASS), False, "not shown: AF-MET-001 is pass"),
        (report(Outcome.ERROR, "nothing sent"), False, "not shown: AF-MET-001 is error nothing sent"),
    ],
)
def test_a_bug_is_shown_by_the_right_message_only(tmp_path: Path, document: Report, right: bool, told: str) -> None:
    seen = bugs.shown(bug(tmp_path), document)
    assert seen.right is right
    assert told in seen.line


def test_a_mend_is_shown_by_rows_that_pass(tmp_path: Path) -> None:
    assert bugs.mended_by(bug(tmp_path), report(Outcome.PASS)).right
    seen = bugs.mended_by(bug(tmp_path), report(Outcome.FAIL, "still nothing"))
    assert (seen.right, seen.line) == (False, "not mended: AF-MET-001 is fail still nothing")


# The way of one bug, with stubs in place of clusters


class World:
    """Stands in for clusters, upgrades and runs of the suite, and notes what was asked of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *reports: Report) -> None:
        self.reports = list(reports)
        self.runs: list[Mapping[str, str]] = []
        self.upgrades: list[Sequence[dict[str, Any]]] = []
        self.removed: list[str] = []
        cluster = SimpleNamespace(
            name="airflow-conformance-20261125-000000-abcd", context="kind-airflow-conformance-20261125-000000-abcd"
        )
        monkeypatch.setattr(bugs.clusters, "existing", lambda: [cluster])
        monkeypatch.setattr(bugs.clusters, "remove", lambda it, *_: self.removed.append(it.name))
        monkeypatch.setattr(bugs.judging, "run_suite", self.run_suite)
        monkeypatch.setattr(bugs.standing, "bring_up", lambda *_: [self])
        monkeypatch.setattr(bugs.judging, "against", lambda target, ids, given: {"CONTEXT": given.CONTEXT})
        monkeypatch.setattr(bugs.bundle, "pack", lambda directory: directory)
        monkeypatch.setattr(bugs.bundle, "told", str)
        monkeypatch.setattr(bugs.runs, "latest", lambda directory: directory / "run" / "report.json")

    def run_suite(self, directory: Path, given: Mapping[str, str], *_: Any, **__: Any) -> Report:
        self.runs.append(given)
        return self.reports.pop(0)

    def upgrade(self, overlays: Sequence[dict[str, Any]], *, hooks: bool, name: str) -> None:
        self.upgrades.append(overlays)

    def settle(self) -> None:
        pass


def case(tmp_path: Path, text: str = BUG, **options: Any) -> Case:
    given = Options(RESULTS=tmp_path / "results", **options)
    return Case(bug(tmp_path, text), given, SimpleNamespace(step=lambda _: None))  # type: ignore[arg-type]


FAILS, HOLDS = report(Outcome.FAIL, "nothing sent"), report(Outcome.PASS)


def test_a_bug_is_shown_and_mended_in_one_cluster_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, FAILS, HOLDS)
    assert case(tmp_path).run(mended=True) == 0
    first, second = world.runs
    assert (first["CHART_VERSION"], first["EXECUTOR"], first["ID"], first["KEEP"]) == (
        "1.15.0",
        "celery",
        "AF-MET-001",
        "1",
    )
    assert yaml.safe_load(Path(first["VALUES"]).read_text()) == {"a": 1}
    assert second["CONTEXT"].startswith("kind-airflow-conformance")
    assert world.upgrades == [[{"a": 2}]]
    assert world.removed == []


def test_the_cluster_goes_where_it_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, FAILS)
    assert case(tmp_path, KEEP=False).run(mended=False) == 0
    assert len(world.removed) == 1


@pytest.mark.parametrize("reports", [(HOLDS,), (FAILS, FAILS)])
def test_what_is_not_shown_or_not_mended_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reports: tuple[Report, ...]
) -> None:
    World(monkeypatch, *reports)
    assert case(tmp_path).run(mended=True) == 1


def test_another_chart_mends_in_a_cluster_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, FAILS, HOLDS)
    text = BUG.replace("{values: {a: 2}, why", "{chart: 1.18.0, airflow: 2.9.3, why")
    assert case(tmp_path, text).run(mended=True) == 0
    assert (world.runs[1]["CHART_VERSION"], world.runs[1]["AIRFLOW"], world.runs[1]["KEEP"]) == ("1.18.0", "2.9.3", "")
    assert world.upgrades == []


def test_a_bug_of_an_upgrade_is_judged_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, HOLDS, FAILS, HOLDS)
    assert case(tmp_path, BUG + "upgrade: {b: 1}\n").run(mended=True) == 0
    assert world.upgrades == [[{"b": 1}], [{"b": 1}, {"a": 2}]]


def test_a_bug_that_nothing_mends_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, FAILS)
    text = BUG.split("mended:")[0] + "unmended: nobody knows how\n"
    assert case(tmp_path, text).run(mended=True) == 0
    assert len(world.runs) == 1


def test_a_bug_that_does_not_come_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    World(monkeypatch, report(Outcome.NOT_RUN))
    monkeypatch.setattr(bugs.clusters, "existing", list)
    with pytest.raises(HarnessError, match="could not be brought up: of 1"):
        case(tmp_path).run(mended=True)


def test_a_question_mark_lists_the_bugs(capsys: pytest.CaptureFixture[str]) -> None:
    assert bugs.reproduce("?", Options(), mended=True) == 0
    assert "apache/airflow#35678" in capsys.readouterr().out
