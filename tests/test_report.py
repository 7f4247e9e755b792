"""The model of a report: what reads it back, and the words for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from fixtures.errors import HarnessError
from fixtures.outcome import Outcome, Verdict
from fixtures.report import Check, Image, Phase, Report, Subject, duration, read

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><b>& ]]> \x00\x1b[31m\ud800 {{ 7*7 }} | `x` @all"


def check(
    outcome: Outcome = Outcome.PASS, id: str = "AF-TST-001", executor: str = "kubernetes", **more: object
) -> Check:
    passed = outcome is Outcome.PASS
    fields = {
        "id": id, "requirement": f"{id} MUST hold.", "level": "MUST", "executor": executor, "outcome": outcome,
        "reason": "" if passed else f"because of {outcome}", "remedy": "" if passed else "mend it", "seconds": 1.5,
        "area": "Tests",
    }  # fmt: skip
    return Check.model_validate(fields | more)


def report(*checks: Check, **more: object) -> Report:
    fields = {
        "run": "run-1", "verdict": Verdict.PARTIAL, "exit_code": 10, "reason": "Something was not judged.",
        "started": "2025-11-22T16:15:02Z", "seconds": 168.4,
        "phases": [Phase(name="cluster", seconds=23.5, begin=1), Phase(name="install", seconds=61, begin=24.5)],
        "subjects": [
            Subject(
                executor=executor, namespace="airflow", release="airflow", chart="airflow 1.15.0", airflow="2.9.0",
                kubernetes="v1.30.4", images=[Image(name="postgres:16", digest="sha256:09ab", origin="built")],
            )
            for executor in ("kubernetes", "celery")
        ],
        "checks": list(checks), "environment": {"cores": "2"}, "options": {"PROVIDER": "kind"},
        "warnings": ["The machine was busy."],
    }  # fmt: skip
    return Report.model_validate(fields | more)


ALL_OUTCOMES = [check(outcome, f"AF-TST-{number:03}") for number, outcome in enumerate(Outcome)]


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"schema": "something-else/9"}')
    with pytest.raises(HarnessError, match="is not a report"):
        read(tmp_path / "report.json")
    with pytest.raises(HarnessError, match="is not a report"):
        read(tmp_path / "missing.json")


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_durations_are_durations(seconds: float) -> None:
    with pytest.raises(ValidationError):
        Phase(name="cluster", seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (13.46, "13.5 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (161, "2 min 41 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_report_of_before_the_guide_can_be_read(tmp_path: Path) -> None:
    data = json.loads(report(check(Outcome.FAIL)).model_dump_json())
    for row in data["checks"]:
        del row["guide"]
    (tmp_path / "report.json").write_text(json.dumps(data))
    [row] = read(tmp_path / "report.json").checks
    assert row.guide == ""


def test_a_report_with_fields_that_are_gone_can_be_read(tmp_path: Path) -> None:
    data = json.loads(report(check(Outcome.PASS)).model_dump_json())
    for subject in data["subjects"]:
        subject["capabilities"] = {"logs": "kept"}
    (tmp_path / "report.json").write_text(json.dumps(data))
    assert [subject.executor for subject in read(tmp_path / "report.json").subjects] == ["kubernetes", "celery"]
