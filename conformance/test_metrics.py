"""Metrics (README: Monitoring, Metrics)."""

from fixtures import statsd
from fixtures.catalogue import requirement
from fixtures.errors import Unsupported
from fixtures.metrics import EVENTS
from fixtures.observations import facts, failing, hello, metrics_baseline
from fixtures.observations.exporter import (
    annotated_targets,
    require_lasting,
    require_loaded,
    require_made,
    statsd_rules,
)
from fixtures.observations.metrics import (
    counted_by_tasks,
    dashboard_metrics,
    diagnosis_families,
    diagnosis_values,
    failed_run_counted,
    failures_beside_successes,
    not_seconds,
)
from fixtures.observations.network import closed_to_prometheus
from fixtures.subject import Subject


@requirement("AF-MET-001")
def test_metrics_are_served_on_9102(subject: Subject) -> None:
    """Prometheus metrics of Airflow MUST be served on port 9102 and be fed by Airflow."""
    before = subject.see(metrics_baseline)
    subject.metrics.wait_increase(before, EVENTS)
    families = [name for name in subject.metrics.snapshot().names() if name.startswith("airflow_")]
    assert families, "; ".join(
        ["the exporter serves no airflow_* metrics: check [metrics] statsd_prefix", *subject.metrics_reasons()]
    )


@requirement("AF-MET-002")
def test_the_scheduler_heartbeat_counts(subject: Subject) -> None:
    """`airflow_scheduler_heartbeat` MUST increase while the scheduler runs."""
    before = subject.see(metrics_baseline)
    subject.metrics.wait_increase(before, "airflow_scheduler_heartbeat")


@requirement("AF-MET-003")
def test_the_duration_of_successful_runs_is_measured(subject: Subject) -> None:
    """`airflow_dagrun_duration_success` MUST count each DAG run that succeeded, in seconds, and none that failed."""
    before = subject.see(metrics_baseline)
    require_lasting(subject, "airflow_dagrun_duration_success", "dagrun.duration.success")
    runs = [subject.see(hello), subject.see(facts)]
    subject.metrics.wait_increase(before, "airflow_dagrun_duration_success_count", by=len(runs))
    counted = subject.see(failed_run_counted)
    wrong = [f"{name} by {growth:g}" for name, growth in counted.as_success.items() if growth]
    moved = [name for name, growth in counted.as_failed.items() if growth]
    assert not wrong, (
        f"a FAILED run of {counted.dag_id} moved {', '.join(wrong)}; of the families of failed runs moved "
        f"{', '.join(moved) or 'none'}: compare statsd.overrideMappings with the chart's mapping"
    )
    times = [(run.finished.run.start, run.finished.run.end) for run in runs]
    took = sum((end - start).total_seconds() for start, end in times if start and end)
    wrong_unit = not_seconds(subject, before, "airflow_dagrun_duration_success", took, of_tasks=False)
    assert not wrong_unit, f"{wrong_unit}: durations are seconds"


@requirement("AF-MET-004")
def test_the_duration_of_tasks_is_measured(subject: Subject) -> None:
    """`airflow_task_instance_duration` MUST count each task instance that ended, by how many seconds it ran."""
    before = subject.see(metrics_baseline)
    require_loaded(subject)
    task = "hello_world_dag.hello_task"
    require_lasting(subject, "airflow_task_instance_duration", "task.duration", f"dag.{task}.duration")
    ended = [*subject.see(hello).finished.tasks, *subject.see(facts).finished.tasks]
    subject.metrics.wait_increase(before, "airflow_task_instance_duration_count", by=len(ended))
    require_made(subject, "airflow_task_instance_duration")
    others = statsd.not_durations(
        statsd_rules(subject),
        "airflow_task_instance_duration",
        subject.option("metrics", "statsd_prefix", statsd.PREFIX),
        task,
    )
    assert not others, (
        f"the mapping feeds airflow_task_instance_duration with {', '.join(others)}, which is not how long tasks ran: "
        "match airflow.task.duration (statsd.extraMappings)"
    )
    took = float(subject.see(facts).seen.get("seconds", 0))  # a DAG of an older version of the suite does not say
    wrong_unit = not_seconds(subject, before, "airflow_task_instance_duration", took, of_tasks=True)
    assert not wrong_unit, f"{wrong_unit}: durations are seconds"


@requirement("AF-MET-005")
def test_failed_tasks_are_counted(subject: Subject) -> None:
    """`airflow_task_failures` MUST increase when a task fails, and not when one succeeds."""
    before = subject.see(metrics_baseline)
    require_loaded(subject)
    require_lasting(subject, "airflow_task_failures", "ti_failures")
    subject.see(failing)
    succeeded = [*subject.see(hello).finished.tasks, *subject.see(facts).finished.tasks]
    subject.metrics.wait_increase(before, "airflow_task_failures")
    require_made(subject, "airflow_task_failures")
    counted, genuine = failures_beside_successes(before, subject.metrics.snapshot())
    assert not genuine or counted < genuine + len(succeeded), (
        f"airflow_task_failures grew by {counted:g} while {genuine:g} tasks failed and others succeeded: a mapping "
        "feeds it with something else than airflow.ti_failures (statsd.extraMappings)"
    )


@requirement("AF-MET-006")
def test_the_families_for_diagnosis_are_there(subject: Subject) -> None:
    """The labelled families that the chart's mapping declares SHOULD be there after a success and a failure."""
    subject.see(hello)
    subject.see(failing)
    families = diagnosis_families(subject)
    if not families:
        raise Unsupported("this deployment's exporter has none of the chart's mappings (statsd.overrideMappings)")
    found = diagnosis_values(subject, families)
    missing = [f"{one.name}{{{one.label}}}" for one, values in found.items() if not values]
    assert not missing, "; ".join([f"declared in the mapping, not served: {missing}", *subject.metrics_reasons()])
    wrong = [
        f"{one.name} has no {one.label}={one.value} but {', '.join(sorted(values)[:5])}"
        for one, values in found.items()
        if one.value not in values
    ]
    assert not wrong, f"{'; '.join(wrong)}: compare the labels in statsd.overrideMappings with the chart's mapping"


@requirement("AF-MET-007")
def test_prometheus_finds_the_metrics_by_annotation(subject: Subject) -> None:
    """The annotations `prometheus.io/scrape` and `prometheus.io/port` of the exporter's Service MUST lead to them."""
    subject.see(metrics_baseline)
    assert annotated_targets(subject)
    if closed := closed_to_prometheus(subject):
        subject.note("AF-MET-007", closed)


@requirement("AF-MET-008")
def test_tasks_send_metrics_themselves(subject: Subject) -> None:
    """Metrics that only a task's own process sends MUST arrive, and not only those of the scheduler."""
    assert subject.see(counted_by_tasks)


@requirement("AF-GRAF-001")
def test_a_dashboard_finds_its_metrics(subject: Subject) -> None:
    """Every metric in the expressions of a dashboard for Airflow SHOULD be served after a success and a failure."""
    subject.see(hello)
    subject.see(failing)
    subject.note("AF-GRAF-001", "the chart has no Grafana and no dashboard; judged is manifests/grafana/airflow.json")
    served = set(subject.metrics.snapshot().names())
    empty = {panel: lost for panel, names in dashboard_metrics().items() if (lost := sorted(set(names) - served))}
    assert not empty, "; ".join([f"panels without data: {empty}", *subject.metrics_reasons()])
