"""What a run says to Prometheus."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fixtures import prometheus, settings
from fixtures.outcome import Outcome, Verdict
from fixtures.report import Report
from tests.test_report import ALL_OUTCOMES, HOSTILE, check, report


def samples(finished: Report, **options: str) -> dict[tuple[str, ...], float]:
    """Every series: name and values of the labels that are not about the target → value."""
    text = prometheus.text(finished, settings.load(options))
    about_target = prometheus.grouping(settings.load(options))
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert about_target.items() <= sample.labels.items()
            rest = tuple(value for name, value in sample.labels.items() if name not in about_target)
            assert found.setdefault((sample.name, *rest), sample.value) == sample.value
    return found


@pytest.mark.parametrize("verdict", list(Verdict))
def test_exactly_one_verdict_is_set(verdict: Verdict) -> None:
    found = samples(report(check(), verdict=verdict))
    states = {key[1]: value for key, value in found.items() if key[0] == "airflow_conformance_verdict"}
    assert states == {possible: float(possible is verdict) for possible in Verdict}


def test_times_are_in_seconds() -> None:
    found = samples(report(check(), started="2025-11-22T16:15:02Z", seconds=168.5, exit_code=10))
    assert found["airflow_conformance_exit_code",] == 10
    assert found["airflow_conformance_duration_seconds",] == 168.5
    assert found["airflow_conformance_start_timestamp_seconds",] == 1763828102
    assert found["airflow_conformance_end_timestamp_seconds",] == 1763828270.5


def test_rows_are_counted_and_zero_is_told() -> None:
    found = samples(report(*ALL_OUTCOMES, check(executor="celery", level="SHOULD")))
    rows = {key[1:]: value for key, value in found.items() if key[0] == "airflow_conformance_rows"}
    assert rows["kubernetes", "MUST", "fail"] == 1
    assert rows["celery", "SHOULD", "pass"] == 1
    assert rows["celery", "MUST", "fail"] == 0
    assert len(rows) == 2 * len(prometheus.LEVELS) * len(Outcome)
    assert sum(rows.values()) == len(ALL_OUTCOMES) + 1


def test_failing_rows_are_named() -> None:
    found = samples(report(*ALL_OUTCOMES))
    [failing] = [set(key[1:]) for key in found if key[0] == "airflow_conformance_failing"]
    assert failing == {"kubernetes", "MUST", next(c.id for c in ALL_OUTCOMES if c.outcome is Outcome.FAIL)}


def test_the_target_is_named() -> None:
    named = settings.load({"PROVIDER": "existing", "CONTEXT": "staging", "NAMESPACE": "data", "RELEASE": "flow"})
    assert prometheus.grouping(named) == {"target": "staging", "namespace": "data", "release": "flow"}
    assert prometheus.grouping(settings.load({"TARGET": "eu-1"}))["target"] == "eu-1"
    assert prometheus.grouping(settings.load({}))["target"] == "kind"


def test_no_text_breaks_the_format() -> None:
    hostile = re.sub("[\x00\ud800]", "", HOSTILE)
    finished = report(check(Outcome.FAIL, id=hostile), run=hostile)
    assert any(hostile in key for key in samples(finished))


def test_a_run_without_any_subject_still_has_a_verdict() -> None:
    found = samples(report(subjects=[], verdict=Verdict.INCONCLUSIVE))
    assert found["airflow_conformance_verdict", "inconclusive"] == 1
