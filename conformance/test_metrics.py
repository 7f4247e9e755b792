"""Metrics (README: Monitoring, Metrics)."""

from fixtures.catalogue import requirement
from fixtures.observations import facts, failing, hello, metrics_baseline
from fixtures.subject import Subject


@requirement("AF-MET-001")
def test_metrics_are_served_on_9102(subject: Subject) -> None:
    """Prometheus metrics of Airflow MUST be served on port 9102 and be fed by Airflow."""
    before = subject.see(metrics_baseline)
    fed = subject.metrics.wait_increase(before, "statsd_exporter_events_total")
    assert fed > 0, "the exporter receives no events from Airflow"
    families = [name for name in subject.metrics.snapshot().names() if name.startswith("airflow_")]
    assert families, "the exporter serves no airflow_* metrics: check [metrics] statsd_prefix and statsd_on"


@requirement("AF-MET-002")
def test_the_scheduler_heartbeat_counts(subject: Subject) -> None:
    """`airflow_scheduler_heartbeat` MUST increase while the scheduler runs."""
    before = subject.see(metrics_baseline)
    assert subject.metrics.wait_increase(before, "airflow_scheduler_heartbeat") > 0


@requirement("AF-MET-003")
def test_the_duration_of_successful_runs_is_measured(subject: Subject) -> None:
    """`airflow_dagrun_duration_success` MUST count each DAG run that succeeded."""
    before = subject.see(metrics_baseline)
    runs = [subject.see(hello), subject.see(facts)]
    subject.metrics.wait_increase(before, "airflow_dagrun_duration_success_count", by=len(runs))


@requirement("AF-MET-004")
def test_the_duration_of_tasks_is_measured(subject: Subject) -> None:
    """`airflow_task_instance_duration` MUST count each task instance that ended."""
    before = subject.see(metrics_baseline)
    ended = [*subject.see(hello).finished.tasks, *subject.see(facts).finished.tasks]
    subject.metrics.wait_increase(before, "airflow_task_instance_duration_count", by=len(ended))


@requirement("AF-MET-005")
def test_failed_tasks_are_counted(subject: Subject) -> None:
    """`airflow_task_failures` MUST increase when a task fails."""
    before = subject.see(metrics_baseline)
    subject.see(failing)
    subject.metrics.wait_increase(before, "airflow_task_failures")
