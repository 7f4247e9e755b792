"""Alerts for failed tasks (README: Best Practices)."""

import re
from urllib.parse import urlsplit

from fixtures import mail
from fixtures.catalogue import requirement
from fixtures.observations.examples import alert
from fixtures.subject import Subject

NO_SUCH_NAME = re.compile("does not resolve (?!.*Temporary failure)")
"""What the probe says of a name that does not exist, and does not of one for which no DNS server answers."""
OF_AIRFLOW = re.compile(r"[?&;]dag_id=|/dags/")
"""What a link to a page of Airflow's about a task has; a template of the site's own may lead to other pages too."""


@requirement("AF-OPS-004")
def test_a_failed_task_alerts(subject: Subject) -> None:
    """A task that fails and has email_on_failure MUST send one mail that names the DAG and the task."""
    seen = subject.see(alert)
    why = mail.why_not_sent(seen.log) or f"its log tells no reason; {seen.log[-1500:]}"
    assert seen.mails, f"no mail about the failed task arrived: {why}; {mail.server(subject)}"
    assert len(seen.mails) == 1, f"{len(seen.mails)} mails about one failed task arrived"
    text = f"{seen.mails[0].subject} {seen.mails[0].html}"
    assert "conformance_alert" in text and "breaks" in text, (
        f"the mail {seen.mails[0].subject!r} does not name DAG and task"
    )
    assert "team@example.com" in seen.mails[0].recipients, f"it went to {seen.mails[0].recipients}"


@requirement("AF-OPS-008")
def test_links_in_mails_lead_to_the_ui(subject: Subject) -> None:
    """Links in a mail about a failed task SHOULD lead to the UI, at an address that is not localhost."""
    mails = subject.see(alert).mails
    if not mails:  # the finding of AF-OPS-004
        subject.note("AF-OPS-008", "no mail arrived, so none of its links was looked at")
        return
    declared = urlsplit(subject.option("webserver", "base_url", "http://localhost:8080", "scheduler"))
    links = [one for one in re.findall(r"""href=["']?(https?://[^"'\s>]+)""", mails[0].html) if OF_AIRFLOW.search(one)]
    if not links:
        subject.note(
            "AF-OPS-008", "the mail about a failed task has no link to Airflow ([email] html_content_template)"
        )
        return
    for link in links:
        assert urlsplit(link).netloc == declared.netloc, (
            f"a mail links to {link}, [webserver] base_url is {declared.geturl()}"
        )
    host = declared.hostname or ""
    assert not mail.is_own_machine(host), (
        f"mails link to {links[0]}, the reader's own machine: [webserver] base_url is {declared.geturl()}; "
        "set config.webserver.base_url to the address at which users open the UI"
    )
    if host.endswith((".svc", ".svc.cluster.local")):
        reason = subject.ask("scheduler", "reachable", "5", f"{host}:80")[f"{host}:80"]
        assert not NO_SUCH_NAME.search(reason), (
            f"mails link to {links[0]}, and there is no Service of that name: [webserver] base_url is "
            f"{declared.geturl()}; set config.webserver.base_url to the address at which users open the UI"
        )
