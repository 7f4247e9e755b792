"""What the checks of metrics conclude from what the exporter serves."""

from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import BudgetExceeded
from fixtures.metrics import parse
from fixtures.observations.metrics import (
    count_failed_run,
    dashboard_metrics,
    failures_beside_successes,
    metric_names,
    not_seconds,
)
from fixtures.statsd import MappingFile
from tests.waiting import waiter

NOW = datetime(2026, 1, 1, 11, tzinfo=UTC)
NONE = parse("airflow_scheduler_heartbeat 1\n")


def test_a_failed_run_that_counts_as_a_success_is_seen() -> None:
    after = parse(
        'airflow_dagrun_duration_count{dag_id="failing"} 1\nairflow_dagrun_duration_failed_count 1\n'
        "airflow_dagrun_duration_success_count 0\n"
    )
    seen = count_failed_run(NONE, after, "failing")
    assert sum(seen.as_success.values()) == 1
    assert seen.as_failed["airflow_dagrun_failed"] == 0


def test_a_total_of_successes_that_takes_failures_too_is_seen() -> None:
    after = parse(
        'airflow_dagrun_duration_count{dag_id="hello"} 2\nairflow_dagrun_failed_count{dag_id="failing"} 1\n'
        "airflow_dagrun_duration_success_count 3\n"
    )
    assert count_failed_run(NONE, after, "failing").as_success["airflow_dagrun_duration_success"] == 1


def test_the_charts_mapping_counts_both_apart() -> None:
    after = parse(
        'airflow_dagrun_duration_count{dag_id="hello"} 2\nairflow_dagrun_failed_count{dag_id="failing"} 1\n'
        "airflow_dagrun_duration_success_count 2\nairflow_dagrun_duration_failed_count 1\n"
    )
    seen = count_failed_run(NONE, after, "failing")
    assert not any(seen.as_success.values()) and all(seen.as_failed.values())


def test_failures_are_compared_with_what_failed_otherwise() -> None:
    after = parse('airflow_task_failures 5\nairflow_operator_failures 2\nairflow_operator_failures{operator="X"} 2\n')
    assert failures_beside_successes(NONE, after) == (5, 2)


def timed(total: float, mapping: str = "", *, since: float = 100, earlier: float = 0, count: int = 2) -> Any:
    """A subject whose summary `m` grew since a time some seconds ago, and that time."""
    before = replace(NONE, taken=monotonic() - since)
    subject = SimpleNamespace(
        statsd_mapping=MappingFile(f"mappings: [{{match: airflow.x, name: m{mapping}}}]"),
        metrics=SimpleNamespace(snapshot=lambda: parse(f"m_sum {total}\nm_count {count}\n")),
        waiter=waiter(0),
        cluster=SimpleNamespace(kube=SimpleNamespace(now=lambda: NOW)),
        airflow=SimpleNamespace(seconds_begun_before=lambda at, of_tasks: earlier),
    )
    return subject, before


@pytest.mark.parametrize(
    "seen",
    [
        timed(12),
        timed(7, ", scale: 1"),
        timed(190),
        timed(8000, earlier=7900),  # one that had begun long before
    ],
)
def test_durations_in_seconds_are_believed(seen: Any) -> None:
    subject, before = seen
    assert not_seconds(subject, before, "m", 12, of_tasks=False) == ""


def test_durations_that_are_too_small_are_told_with_the_scale() -> None:
    subject, before = timed(0.012, ", scale: 0.001")
    with pytest.raises(
        BudgetExceeded, match=r"m_sum grew by 0.012, what it counts took 12 s .*airflow.x has scale: 0.001"
    ):
        not_seconds(subject, before, "m", 12, of_tasks=True)


def test_durations_that_are_too_large_are_told_with_the_scale() -> None:
    subject, before = timed(12000, ", scale: 1000")
    told = not_seconds(subject, before, "m", 12, of_tasks=True)
    assert told.startswith("m_sum grew by 12000 for 2 that ended in the 100 s") and told.endswith("has scale: 1000")


def test_metrics_of_an_expression() -> None:
    assert metric_names('rate(airflow_a_sum{x="airflow_b"}[5m]) / airflow_c') == ["airflow_a_sum", "airflow_c"]
    assert dashboard_metrics()
