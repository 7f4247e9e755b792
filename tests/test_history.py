"""`make history`: since when rows fail, target by target, and a page that shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fixtures import history, runs
from fixtures.errors import HarnessError
from fixtures.history import RowHistory, TargetHistory, trace
from fixtures.outcome import Outcome
from fixtures.report import Check
from fixtures.runs import PastRun
from tests.test_diff import put
from tests.test_printed import Page
from tests.test_report import HOSTILE, check, report

OUTCOMES = {
    "P": Outcome.PASS,
    "F": Outcome.FAIL,
    "E": Outcome.ERROR,
    "B": Outcome.BLOCKED,
    "U": Outcome.UNSUPPORTED,
    "S": Outcome.SKIPPED,
    "N": Outcome.NOT_RUN,
}


def run_of(day: int, *checks: Check, **more: object) -> PastRun:
    document = report(*checks, run=str(day), started=f"2025-11-{day:02}T10:00:00Z", **more)
    return PastRun(Path("results") / str(day), document)


def row_over(outcomes: str) -> RowHistory | None:
    """History of a row of which this became from day to day; `.` is a run without it."""
    days = [
        run_of(day, *([] if outcome == "." else [check(OUTCOMES[outcome])])) for day, outcome in enumerate(outcomes, 1)
    ]
    [target] = trace(days[::-1])
    return target.rows[0] if target.rows else None


def day_of(run: PastRun | None) -> int | None:
    return None if run is None else int(run.report.run)


@pytest.mark.parametrize(
    ("outcomes", "since", "passed"),
    [
        ("PPFFF", 3, 2),
        ("FFF", 1, None),
        ("FPF", 3, 2),
        ("FFP", None, 3),
        ("PFNEBUS.F", 2, 1),  # what says nothing about the promise does not end a streak
        ("PFNEBUS.", 2, 1),
        ("PNF", 3, 1),  # nor does it begin one
        ("FPNEBUS.", None, 2),
        ("NF", 2, None),
    ],
)
def test_a_streak_begins_after_the_last_pass(outcomes: str, since: int | None, passed: int | None) -> None:
    row = row_over(outcomes)
    assert row is not None
    assert (day_of(row.failing_since), day_of(row.last_pass)) == (since, passed)
    assert [mark.check is None for mark in row.marks] == [outcome == "." for outcome in outcomes]


@pytest.mark.parametrize("outcomes", ["P", "PPEBUSN."])
def test_a_row_that_never_failed_is_left_out(outcomes: str) -> None:
    assert row_over(outcomes) is None


def test_rows_are_told_apart_by_executor_and_failing_ones_come_first() -> None:
    [target] = trace(
        [
            run_of(2, check(), check(executor="celery"), check(Outcome.FAIL, "AF-TST-002")),
            run_of(1, check(Outcome.FAIL), check(executor="celery"), check(id="AF-TST-002")),
        ]
    )
    assert [(row.last.id, row.last.executor) for row in target.rows] == [
        ("AF-TST-002", "kubernetes"),
        ("AF-TST-001", "kubernetes"),
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"PROVIDER": "existing", "CONTEXT": "prod"},
        {"NAMESPACE": "data"},
        {"RELEASE": "etl"},
        {"CHART": "charts/mine"},
        {"CHART_VERSION": "1.16.0"},
        {"SCENARIO": "upgrade"},
        {"SCENARIO": "upgrade", "WAY": "kustomize"},
        {"KUSTOMIZE": "overlays/prod"},
        {"VALUES": "['team.yaml']"},
    ],
)
def test_runs_of_another_target_are_told_apart(options: dict[str, str]) -> None:
    found = trace([run_of(2, check(Outcome.FAIL), options=options), run_of(1, check(), options={})])
    assert [len(target.runs) for target in found] == [1, 1]
    assert [day_of(row.last_pass) for target in found for row in target.rows] == [None]


def test_how_a_target_is_judged_makes_no_other_target() -> None:
    asked = [{"KEEP": "True"}, {"ID": "['AF-TST-*']"}, {"BUDGET_SCALE": "2.0"}, {"EXECUTOR": "['celery']"}, {}]
    [target] = trace([run_of(day, options=options) for day, options in enumerate(asked, 1)])
    assert len(target.runs) == len(asked)
    assert str(target.target) == "the reference deployment"


def test_every_target_option_is_an_option() -> None:
    from fixtures.settings import Settings

    assert set(runs.TARGET_OPTIONS) <= set(Settings.model_fields)


# The page


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def command(monkeypatch: pytest.MonkeyPatch, results: Path, **given: str) -> int:
    monkeypatch.delenv("MAKEFLAGS", raising=False)
    for name, value in {"RESULTS": str(results), **given}.items():
        monkeypatch.setenv(name, value)
    return history.main()


def shown(results: Path) -> Page:
    return Page((results / "history.html").read_text())


def test_the_page_tells_since_when_a_row_fails(
    results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    names = [
        put(results, day, check(OUTCOMES[outcome]), check(id="AF-TST-002")) for day, outcome in enumerate("FPNFF", 1)
    ]
    assert command(monkeypatch, results) == 0
    assert capfd.readouterr().out == (
        f"runs: 5, targets: 1, failing rows: 1, mended rows: 0\nhistory: {results / 'history.html'}\n"
    )
    page = shown(results)
    text = " ".join(" ".join(page.texts).split())
    assert "AF-TST-001 kubernetes MUST AF-TST-001 MUST hold. ✗ ✓ ○ ✗ ✗ why it failed because of fail" in text
    assert "✗ fail 2025-11-04 10:00:00 UTC 2025-11-02 10:00:00 UTC" in text, "newest, failing since, last passed"
    assert f"make diff A={names[1]} B={names[3]} RESULTS={results}" in text
    assert "AF-TST-002" not in text
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert [link for link in links if link.endswith("/report.html")][:5] == [
        f"./{name}/report.html" for name in reversed(names)
    ]
    assert f"./{names[0]}/report.html#AF-TST-001-kubernetes" in links
    assert f"./{names[1]}/report.html#AF-TST-001" in links


def test_every_link_leads_somewhere(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day, (outcome, options) in enumerate([("P", {}), ("F", {}), ("F", {"NAMESPACE": "data"}), ("B", {})], 1):
        gone = put(results, day, check(OUTCOMES[outcome]), options=options)
    (results / gone / "report.html").unlink()
    command(monkeypatch, results)
    page = shown(results)
    for link in [attributes["href"] for tag, attributes in page.tags if tag == "a"]:
        path, _, anchor = link.partition("#")
        assert anchor in (Page((results / path).read_text()) if path else page).ids() or not anchor, link
    assert gone in page.texts


def test_the_page_needs_nothing_but_itself(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(results, 1, check(Outcome.FAIL))
    command(monkeypatch, results)
    page = shown(results)
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "script", "img")]
    text = (results / "history.html").read_text()
    assert not re.search(r"url\(|@import", text)
    assert "prefers-color-scheme: dark" in text and "max-width: 640px" in text
    assert "width=device-width" in text


def test_hostile_text_stays_text(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = HOSTILE.replace("\ud800", "")
    hostile = check(Outcome.FAIL, name, name, reason=HOSTILE, remedy=HOSTILE, requirement=HOSTILE)
    put(results, 1, hostile, options={"CONTEXT": HOSTILE})
    strange = results / '<img src=x onerror="alert(1)">'
    (results / "20251101-100000-0001").rename(strange)
    command(monkeypatch, results)
    page = shown(results)
    assert not [tag for tag, _ in page.tags if tag in ("script", "img")]
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert all(a["href"].startswith(("./%3Cimg", "#")) for tag, a in page.tags if tag == "a")
    assert sum("<script>alert(1)</script>" in text for text in page.texts) >= 5


def test_many_runs_are_folded_and_a_strip_stays_compact() -> None:
    row = row_over("F" * (history.STRIP_RUNS + 5))
    assert row is not None
    assert len(row.strip) == history.STRIP_RUNS and row.strip[-1] is row.marks[-1]
    assert day_of(row.failing_since) == 1, "also when it began before the strip"


def test_earlier_runs_are_folded(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(1, history.LISTED_RUNS + 3):
        put(results, day, check())
    command(monkeypatch, results)
    page = shown(results)
    assert "2 runs before" in page.texts
    assert "No row failed in these runs." in page.texts


def test_what_cannot_be_read_is_named_and_left_out(
    results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    put(results, 1, check())
    for name, text in {"20251102-100000-0002": None, "20251103-100000-0003": "{", "mine": '{"schema": "x/1"}'}.items():
        (results / name).mkdir()
        if text is not None:
            (results / name / "report.json").write_text(text)
    (results / "prove").mkdir()
    (results / "notes.txt").touch()
    assert command(monkeypatch, results) == 0
    told = capfd.readouterr().out
    assert [line.split()[1] for line in told.splitlines() if line.startswith("!")] == [
        "20251102-100000-0002",
        "20251103-100000-0003",
        "mine",
    ]
    assert "runs: 1, targets: 1" in told and "prove" not in told
    assert sum("is left out" in text for text in shown(results).texts) == 3


def test_nothing_to_read_is_explained(
    results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, results) == 2
    results.mkdir()
    assert command(monkeypatch, results) == 2
    assert command(monkeypatch, results, MAKEFLAGS=" -- A=1") == 2
    told = capfd.readouterr().err
    assert "there are no runs below" in told and "has left a report" in told and "A is not an option" in told
    assert told.count("  → ") == 3
    assert list(results.iterdir()) == []


def test_a_page_that_cannot_be_written_does_not_replace_the_old_one(
    results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    put(results, 1, check())
    command(monkeypatch, results)
    before = (results / "history.html").read_text()
    put(results, 2, check(Outcome.FAIL))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert command(monkeypatch, results) == 11
    assert "No space left on device" in capfd.readouterr().err
    assert (results / "history.html").read_text() == before
    with pytest.raises(HarnessError, match="could not be written"):
        history.write([TargetHistory(runs.Target(()), [run_of(1)], [])], [], results)
