"""Common Use Cases and References of the README."""

from urllib.parse import urlsplit

import yaml

from fixtures.catalogue import requirement
from fixtures.observations.examples import LOADED, RECORDS, daily_report, etl, etl_refused
from fixtures.paths import MANIFESTS
from fixtures.subject import Subject


@requirement("AF-ETL-001")
def test_a_pipeline_runs_in_order(subject: Subject) -> None:
    """etl_pipeline MUST run extract, transform and load in order, and what fails MUST stop what follows."""
    seen, tasks = subject.see(etl), subject.see(etl).finished.tasks
    edges = {task.task_id: set(task.downstream) for task in subject.airflow.tasks_of("etl_pipeline")}
    assert edges == {"extract": {"transform"}, "transform": {"load"}, "load": set()}, (
        f"the edges of etl_pipeline are {edges}, promised is extract >> transform >> load: is its file the README's?"
    )
    for before, after in (("extract", "transform"), ("transform", "load")):
        end, start = tasks[before].end, tasks[after].start
        assert end and start and start >= end, f"{after} began at {start}, {before} ended at {end}"
    assert seen.loaded == LOADED, f"of the records {RECORDS} it loaded {seen.loaded}, right is {LOADED}"
    refused = subject.see(etl_refused)
    states = {id: task.state for id, task in refused.tasks.items()}
    assert states == {"extract": "success", "transform": "failed", "load": "upstream_failed"}, (
        f"the transformation failed, and the tasks are {states}"
    )
    assert refused.run.state == "failed", f"a task failed, and the run is {refused.run.state}"
    subject.note("AF-ETL-001", "the README's snippet lacks `from airflow import DAG` and the DAG's arguments")


@requirement("AF-RPT-001")
def test_the_report_is_mailed(subject: Subject) -> None:
    """daily_report MUST be due at 08:00, and send one mail to team@example.com when the report is made."""
    seen, dag = subject.see(daily_report), subject.airflow.dag("daily_report")
    assert dag is not None and dag.schedule == "0 8 * * *", f"its schedule is {dag and dag.schedule!r}"
    assert len(seen.mails) == 1, (
        f"{len(seen.mails)} mails of run {seen.finished.run.run_id} arrived, although send_report succeeded: "
        f"[email] email_backend is {subject.option('email', 'email_backend', 'the default')}\n{seen.log[-1500:]}"
    )
    (mail,) = seen.mails
    assert mail.recipients == ("team@example.com",), f"it went to {mail.recipients}"
    assert mail.subject == "Daily Report", f"its subject is {mail.subject!r}"
    assert "Report attached" in mail.html, f"its text is {mail.html!r}"
    made = seen.finished.tasks["generate_report"].end
    sent = seen.finished.tasks["send_report"].start
    assert made and sent and sent >= made, f"it was sent at {sent}, the report was ready at {made}"
    if not mail.attachments:
        subject.note("AF-RPT-001", "the README's mail says `Report attached`, and nothing attaches it: give `files=`")
    subject.note("AF-RPT-001", "the README's snippet is no Python: `...` stands after a keyword argument")


@requirement("AF-REF-001")
def test_references_are_addresses(subject: Subject) -> None:
    """The README's references SHOULD be addresses of Airflow's documentation."""
    for link in yaml.safe_load((MANIFESTS / "readme-links.yaml").read_text()):
        parts = urlsplit(link["url"])
        assert parts.scheme == "https" and parts.hostname == "airflow.apache.org" and " " not in link["url"], (
            f"{link['title']}: {link['url']} is no address of Airflow's documentation"
        )
        assert parts.path.startswith("/docs/"), f"{link['title']}: {link['url']} leads elsewhere"
        if moved := link.get("moved"):
            subject.note("AF-REF-001", f"{link['title']}: {link['url']} is stale, the page is {moved}")
