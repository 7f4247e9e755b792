"""Reading mails, and why there are none."""

import pytest

from fixtures.mail import Mail, why_not_sent


def test_a_mail_of_the_sink() -> None:
    html = {"type": "text/html", "filename": None, "content": "<p>Report attached</p>", "bytes": 22}
    raw = {"number": 3, "received": "2024-01-01T00:00:00+00:00", "from": "a@example.com", "to": ["b@example.com"],
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
