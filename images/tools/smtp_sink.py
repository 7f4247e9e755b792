#!/usr/bin/python3
"""Takes every mail over SMTP and delivers none; shows over HTTP what arrived.

`GET /messages` lists them, oldest first; `GET /messages/<number>` gives one with its text; `DELETE /messages` forgets
them. Ports: SMTP_PORT (1025), HTTP_PORT (8025). Senders at `localhost` are refused, as real mail servers do.
"""

from __future__ import annotations

import email
import email.policy
import json
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

KEPT = 1000


class Mailbox:
    """What arrived, in order; safe to use from several threads. Numbers begin at 1 and are not used twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: dict[int, dict[str, Any]] = {}
        self._last = 0

    def add(self, sender: str, recipients: list[str], content: bytes) -> int:
        """Keep a mail and return its number; the oldest one goes when there are too many."""
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)  # the default policy makes these
        with self._lock:
            self._last += 1
            self._messages[self._last] = {
                "number": self._last,
                "received": datetime.now(UTC).isoformat(),
                "from": sender,
                "to": recipients,
                "subject": str(message.get("Subject", "")),
                "parts": [_part(part) for part in message.walk() if not part.is_multipart()],
            }
            if len(self._messages) > KEPT:
                del self._messages[min(self._messages)]
            return self._last

    def all(self) -> list[dict[str, Any]]:
        """Every mail without its parts."""
        with self._lock:
            return [
                {key: value for key, value in message.items() if key != "parts"} for message in self._messages.values()
            ]

    def get(self, number: int) -> dict[str, Any] | None:
        """One mail; None if there is none of that number."""
        with self._lock:
            return self._messages.get(number)

    def clear(self) -> None:
        """Forget every mail."""
        with self._lock:
            self._messages.clear()


def _part(part: EmailMessage) -> dict[str, Any]:
    content = part.get_content()
    return {
        "type": part.get_content_type(),
        "filename": part.get_filename(),
        "content": content if isinstance(content, str) else None,
        "bytes": len(part.get_payload(decode=True) or b""),
    }


class Sink:
    """The answers to SMTP commands (aiosmtpd's handler)."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_MAIL(  # noqa: N802 - the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, mail_options: list[str]
    ) -> str:
        """Refuse a sender that nobody could answer to."""
        if address.lower().endswith("@localhost"):
            return "550 5.1.8 sender address at localhost is refused"
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep the mail."""
        content = envelope.content
        raw = content.encode() if isinstance(content, str) else content or b""
        number = self._mailbox.add(envelope.mail_from or "", list(envelope.rcpt_tos), raw)
        print(f"message {number} from {envelope.mail_from} to {', '.join(envelope.rcpt_tos)}", flush=True)
        return f"250 OK, message {number}"


def http_server(mailbox: Mailbox, host: str, port: int) -> ThreadingHTTPServer:
    """The reading side, bound but not yet serving."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = self.path.strip("/").split("/")
            if parts == ["messages"]:
                self._answer(200, mailbox.all())
            elif len(parts) == 2 and parts[0] == "messages" and parts[1].isdecimal():
                found = mailbox.get(int(parts[1]))
                self._answer(200 if found else 404, found or {"error": f"there is no message {parts[1]}"})
            else:
                self._answer(404, {"error": "paths are /messages and /messages/<number>"})

        def do_DELETE(self) -> None:
            if self.path.strip("/") != "messages":
                self._answer(404, {"error": "only /messages can be deleted"})
                return
            mailbox.clear()
            self._answer(200, [])

        def _answer(self, status: int, body: object) -> None:
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: probes would fill the log."""

    return ThreadingHTTPServer((host, port), Handler)


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    mailbox = Mailbox()
    smtp = Controller(Sink(mailbox), hostname="0.0.0.0", port=int(os.environ.get("SMTP_PORT", "1025")))  # noqa: S104
    http = http_server(mailbox, "0.0.0.0", int(os.environ.get("HTTP_PORT", "8025")))  # noqa: S104
    stopped = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stopped.set())
    smtp.start()
    threading.Thread(target=http.serve_forever, daemon=True).start()
    print("smtp-sink: ready", flush=True)
    stopped.wait()
    http.shutdown()
    smtp.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
