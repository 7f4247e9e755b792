"""`make fleet` with a stand-in for the run: what is started, how it ends, and what the page says."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fixtures import child, fleet, targets
from fixtures.fleet import Fleet, Judged, Options
from fixtures.outcome import Outcome, Verdict
from fixtures.paths import ROOT
from fixtures.progress import Progress
from tests.stand_in import STAND_IN
from tests.stub_api import eventually
from tests.test_printed import Page
from tests.test_report import HOSTILE


def listing(*contexts: str) -> targets.Targets:
    found = tuple(targets.Target(name=f"t{n}-{context}", context=context) for n, context in enumerate(contexts))
    return targets.Targets(found, {})


def judge(results: Path, *contexts: str, jobs: int = 4) -> Fleet:
    stream = io.StringIO()
    options = Options(RESULTS=results, JOBS=jobs)
    return fleet.judge_all(listing(*contexts), options, threading.Event(), Progress(stream))


@pytest.mark.usefixtures("stand_in")
def test_every_target_is_judged_and_the_worst_decides(tmp_path: Path) -> None:
    found = judge(tmp_path, "conformant", "partial", "non-conformant", "inconclusive")
    assert [judged.verdict for judged in found.targets] == ["conformant", "partial", "non-conformant", "inconclusive"]
    assert [judged.exit_code for judged in found.targets] == [0, 10, 1, 11]
    assert (found.verdict, found.exit_code) == (Verdict.NON_CONFORMANT, 1)
    assert found.targets[2].failed == ["AF-TST-001"]
    for judged in found.targets:
        assert (tmp_path / judged.report).is_file()
        assert judged.report.startswith(f"fleet/{judged.name}/")


@pytest.mark.usefixtures("stand_in")
def test_a_run_without_a_report_says_its_last_words(tmp_path: Path) -> None:
    found = judge(tmp_path, "usage", "killed", "broken").targets
    assert {judged.verdict for judged in found} == {Verdict.INCONCLUSIVE}
    assert [judged.exit_code for judged in found] == [2, 11, 11]  # nobody is accused without a report
    assert "no such context" in found[0].reason
    assert "Traceback" in found[2].reason


@pytest.mark.usefixtures("stand_in")
def test_the_report_of_an_earlier_run_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    judge(tmp_path, "conformant")
    (tmp_path / "fleet" / "t0-conformant").rename(tmp_path / "fleet" / "t0-usage")
    [judged] = judge(tmp_path, "usage").targets
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "left no report" in judged.reason


@pytest.mark.usefixtures("stand_in")
def test_a_report_that_was_lost_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = STAND_IN.replace("sys.exit(EXIT_CODES[verdict])", "sys.exit(13)")
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-c", lost))
    found = judge(tmp_path, "conformant", "partial")
    assert [judged.exit_code for judged in found.targets] == [13, 13]
    assert (found.verdict, found.exit_code) == (Verdict.PARTIAL, 13)
    assert "did not get to everybody" in found.targets[0].reason


@pytest.mark.usefixtures("stand_in")
def test_lines_are_told_with_the_name_of_their_target(tmp_path: Path) -> None:
    stream = io.StringIO()
    fleet.judge_all(listing("conformant", "partial"), Options(RESULTS=tmp_path), threading.Event(), Progress(stream))
    assert sorted(stream.getvalue().splitlines()) == [
        "t0-conformant judging conformant",
        "t1-partial    judging partial",
    ]


def test_releases_of_one_namespace_do_not_keep_each_other_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = threading.Lock()

    def judge_alone(target: targets.Target, *_: object) -> Judged:
        assert alone.acquire(blocking=False), "another one is under way"
        time.sleep(0.05)
        alone.release()
        return judged(target.name, Verdict.CONFORMANT)

    monkeypatch.setattr(fleet, "judge", judge_alone)
    found = tuple(targets.Target(name=name, context="c", release=name) for name in ("one", "two", "three"))
    told = fleet.judge_all(
        targets.Targets(found, {}), Options(RESULTS=tmp_path), threading.Event(), Progress(io.StringIO())
    )
    assert [one.name for one in told.targets] == ["one", "two", "three"]


@pytest.mark.usefixtures("stand_in")
def test_results_may_be_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    [judged] = judge(tmp_path / "link", "conformant").targets
    assert (tmp_path / "link" / judged.report).is_file()


@pytest.mark.usefixtures("stand_in")
def test_an_interrupted_fleet_ends_its_runs_and_begins_no_other(tmp_path: Path) -> None:
    cancelled = threading.Event()

    def interrupt() -> None:
        eventually(lambda: (tmp_path / "fleet" / "t0-slow" / "begun").exists())
        cancelled.set()

    waiting = threading.Thread(target=interrupt)
    waiting.start()
    options = Options(RESULTS=tmp_path, JOBS=1)
    found = fleet.judge_all(listing("slow", "conformant"), options, cancelled, Progress(io.StringIO()))
    waiting.join()
    slow, other = found.targets
    assert slow.report, "it had the time to write its report"
    assert (other.exit_code, other.report) == (11, "")
    assert "not begun" in other.reason
    assert found.exit_code == 11


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_in_an_orderly_way(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "targets.yaml").write_text("targets:\n- {name: a, context: slow}\n- {name: b, context: conformant}\n")
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    code = f"""
import sys
from fixtures import child, fleet
child.COMMAND = (sys.executable, {str(tmp_path / "stand_in.py")!r})
sys.exit(fleet.main())
"""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    options = {"TARGETS": str(tmp_path / "targets.yaml"), "RESULTS": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = subprocess.Popen(
        [sys.executable, "-c", code], env={**environment, **options}, stdout=subprocess.PIPE, text=True
    )
    while not (tmp_path / "fleet" / "a" / "begun").exists() or not (tmp_path / "fleet" / "b" / "latest").exists():
        assert command.poll() is None
        time.sleep(0.05)
    command.send_signal(number)
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 11, output
    data = json.loads((tmp_path / "fleet.json").read_text())
    assert {entry["name"]: entry["verdict"] for entry in data["targets"]} == {"a": "inconclusive", "b": "conformant"}
    assert output.rstrip().endswith(f"fleet: {tmp_path}/fleet.html")


def judged(name: str, verdict: Verdict, **more: object) -> Judged:
    fields = {
        "name": name, "context": "prod", "namespace": "airflow", "release": "airflow", "verdict": verdict,
        "exit_code": 0, "reason": f"because {verdict}", "seconds": 61.0,
    }  # fmt: skip
    return Judged.model_validate(fields | more)


def fleet_of(*found: Judged) -> Fleet:
    worst = next(verdict for verdict in fleet.VERDICT_ORDER if any(j.verdict is verdict for j in found))
    return Fleet(
        verdict=worst, exit_code=0, started="2026-11-25T10:00:00+00:00", seconds=120, targets=list(found)
    )  # fmt: skip


def test_the_page_shows_the_worst_first_and_leads_to_the_reports(tmp_path: Path) -> None:
    good = judged("good", Verdict.CONFORMANT, report="fleet/good/1/report.html", counts={Outcome.PASS: 3})
    bad = judged("bad", Verdict.NON_CONFORMANT, failed=["AF-POD-002"], report="fleet/bad/1/report.html")
    lost = judged("lost", Verdict.INCONCLUSIVE)
    page = Page(fleet.write(fleet_of(good, lost, bad), tmp_path).read_text())
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == ["./fleet/bad/1/report.html", "./fleet/good/1/report.html"]
    text = "".join(page.texts)
    assert text.index("bad") < text.index("lost") < text.index("good")
    assert "AF-POD-002" in text
    assert "1 non-conformant, 1 inconclusive, 1 conformant" in text


def test_the_files_say_the_same(tmp_path: Path) -> None:
    found = fleet_of(judged("a", Verdict.PARTIAL, failed=["AF-POD-002"]), judged("b", Verdict.CONFORMANT))
    fleet.write(found, tmp_path)
    data = json.loads((tmp_path / "fleet.json").read_text())
    assert (data["schema"], data["verdict"]) == ("airflow-conformance-fleet/1", "partial")
    assert Fleet.model_validate(data) == found
    lines = (tmp_path / "fleet.md").read_text().splitlines()
    assert lines[0] == "## Airflow conformance of 2 targets: partial"
    assert lines[4].startswith("| **partial** | a | prod airflow/airflow")


def test_no_text_breaks_the_pages(tmp_path: Path) -> None:
    hostile = judged("a", Verdict.INCONCLUSIVE, reason=HOSTILE.replace("\ud800", ""), context="<b>|")
    page = Page(fleet.write(fleet_of(hostile), tmp_path).read_text())
    assert "script" not in [tag for tag, _ in page.tags]
    assert len([line for line in (tmp_path / "fleet.md").read_text().splitlines() if line.startswith("|")]) == 3


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([0, 10], 10), ([0, 13, 10], 13), ([10, 11], 11), ([11, 12, 2], 2), ([0, 11, 1], 1), ([0], 0)],
)
def test_the_worst_exit_code_decides(codes: list[int], expected: int) -> None:
    assert fleet.worst(codes) == expected


def test_bad_options_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("JOBS", "0")
    monkeypatch.setenv("MAKEFLAGS", "")
    assert fleet.main() == 2
    assert "JOBS=0" in capsys.readouterr().err


def test_a_list_that_is_not_there_ends_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TARGETS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("MAKEFLAGS", "")
    assert fleet.main() == 2
    assert "there is no" in capsys.readouterr().err
