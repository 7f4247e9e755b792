"""Reading mails, and why there are none."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fixtures.errors import Blocked, TargetFailed, Unsupported
from fixtures.mail import Mail, Mailbox, mailbox, why_not_sent
from fixtures.observations import examples
from fixtures.settings import Executor
from fixtures.subject import Subject


def test_a_mail_of_the_sink() -> None:
    html = {"type": "text/html", "filename": None, "content": "<p>Report attached</p>", "bytes": 22}
    raw = {"number": 3, "received": "2024-01-01T00:00:00+00:00", "to": ["b@example.com"],
           "subject": "Daily Report", "parts": [html]}  # fmt: skip
    mail = Mail.of(raw)
    assert (mail.html, mail.attachments, mail.recipients) == ("<p>Report attached</p>", (), ("b@example.com",))


@pytest.mark.parametrize(
    "line",
    [
        "smtplib.SMTPNotSupportedError: STARTTLS extension not supported by server.",
        "smtplib.SMTPSenderRefused: (550, b'5.1.8 sender address at localhost is refused', 'airflow@localhost')",
        "ConnectionRefusedError: [Errno 111] Connection refused",
        "socket.gaierror: [Errno -2] Name or service not known",
    ],
)
def test_the_error_of_a_mail_server(line: str) -> None:
    log = f"Traceback (most recent call last):\nValueError: on purpose\n  File x\n{line}\n[2024] {{x}} INFO - done"
    assert why_not_sent(log) == line


def test_a_log_without_an_error_of_mail() -> None:
    assert why_not_sent("ValueError: conformance") == ""


class Sink:
    """A sink with two mails about one run."""

    def proxy_get(self, service: str, port: int, path: str) -> str:
        html = {"type": "text/html", "filename": None, "content": "run scheduled__1", "bytes": 16}
        mail = {"received": "2024-01-01T00:00:00+00:00", "from": "a@b", "to": ["c@d"], "subject": "x", "parts": [html]}
        number = path.rpartition("/")[2]
        return json.dumps([{"number": 1}, {"number": 2}] if number == "messages" else {**mail, "number": number})


def test_only_mails_after_a_given_one_count_where_that_is_asked() -> None:
    box = Mailbox(SimpleNamespace(cluster=Sink()))  # type: ignore[arg-type]
    assert box.newest() == 2
    assert [mail.number for mail in box.about("scheduled__1")] == [1, 2]
    assert [mail.number for mail in box.about("scheduled__1", after=1)] == [2]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ({"conformance__1": ["of the run"], "conformance_alert": ["of the run"]}, ["of the run"]),
        ({"conformance_alert": ["in the site's own words"]}, ["in the site's own words"]),
        ({}, []),
    ],
)
def test_a_mail_about_a_failed_task_names_its_run_or_at_least_its_dag(
    monkeypatch: pytest.MonkeyPatch, texts: dict[str, list[str]], found: list[str]
) -> None:
    def about(name: str, after: int = 0) -> list[str]:
        assert name != "conformance_alert" or after == 7, "mails of before would count"
        return texts.get(name, [])

    run = SimpleNamespace(run=SimpleNamespace(run_id="conformance__1"))
    monkeypatch.setattr(examples.mail, "mailbox", lambda _: SimpleNamespace(newest=lambda: 7, about=about))
    for name, result in (("listed", None), ("run_dag", run), ("log_of", "the log")):
        monkeypatch.setattr(examples, name, lambda *_, result=result: result)
    assert examples.alert.look(cast(Subject, None)).mails == found


def deployment(reason: str, **options: str) -> Any:
    """A deployment that sends its mails elsewhere; `reason` is what keeps it from connecting there."""
    return SimpleNamespace(
        namespace="ns",
        executor=Executor.CELERY,
        running=lambda component: [component],
        option=lambda section, key, default: options.get(key, default),
        ask=lambda component, probe, deadline, address: {address: reason},
    )


@pytest.mark.parametrize(
    ("subject", "error", "told"),
    [
        (
            deployment("no connection (refused)"),
            TargetFailed,
            "smtp_host is localhost, smtp_port 25, and from the worker",
        ),
        (deployment("", smtp_host="relay"), Blocked, "go to relay"),
        (deployment("", email_backend="site.sendgrid"), Unsupported, "email_backend is site.sendgrid"),
    ],
)
def test_mails_that_go_elsewhere(subject: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        mailbox(subject)
