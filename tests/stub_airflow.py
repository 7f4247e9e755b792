"""A stub of Airflow's webserver, for the faults that a real one does not have."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fixtures import session as session_module
from fixtures.airflow import Airflow, DagRun
from tests.real_airflow import ADMIN

TOKEN = "the-token"
PROBLEM = "application/problem+json"
Reply = tuple[int, dict[str, str], str]
DAG = {
    "dag_id": "d",
    "is_paused": False,
    "is_active": True,
    "fileloc": "/d.py",
    "description": None,
    "schedule_interval": None,
    "timetable_description": None,
    "tags": [],
    "owners": ["airflow"],
    "has_import_errors": False,
    "max_active_runs": 1,
}
RUN = DagRun("d", "r", "queued")


def page(body: str, status: int = 200) -> Reply:
    return status, {"Content-Type": "text/html; charset=utf-8"}, body


def data(body: Any, status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json" if status < 400 else PROBLEM}, json.dumps(body)


def redirect(to: str, **headers: str) -> Reply:
    return 302, {"Location": to, **headers}, ""


@dataclass
class Stub:
    """Answers as Airflow does; a test replaces the answers of single paths.

    Attributes:
        replace: answers by `METHOD path`, in order; the last one stays.
        seen: how often `METHOD path` was asked.
        sessions: user by session cookie.
    """

    prefix: str = ""
    replace: dict[str, list[Reply | Callable[[], Reply]]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    sessions: dict[str, str] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def client(self) -> Airflow:
        return Airflow(lambda: self.url, ADMIN, run_id="x")

    def answer(self, method: str, path: str, cookie: str, form: dict[str, list[str]]) -> Reply:
        asked = f"{method} {path}"
        self.seen[asked] += 1
        if replies := self.replace.get(asked):
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
            return reply() if callable(reply) else reply
        user = next((self.sessions[name] for name in self.sessions if f"session={name}" in cookie), "")
        match asked:
            case "GET /login/":
                return page(
                    '<form><input name="username"><input name="password">'
                    f'<input type="hidden" name="csrf_token" value="{TOKEN}"></form>'
                )
            case "POST /login/":
                if form.get("csrf_token") != [TOKEN]:
                    return page("The CSRF token is missing.", 400)
                if (form["username"], form["password"]) != ([ADMIN.username], [ADMIN.password]):
                    return redirect(f"{self.prefix}/login/?next=%2Fhome")
                name = f"cookie{len(self.sessions)}"
                self.sessions[name] = ADMIN.username
                return redirect(f"{self.prefix}/home", **{"Set-Cookie": f"session={name}; Path=/"})
            case "GET /home":
                return page("DAGs") if user else redirect(f"{self.prefix}/login/?next=%2Fhome")
            case "GET /api/v1/version":
                return data({"version": "2.9.0"})
        if not user:
            return data({"title": "Unauthorized"}, 401)
        if asked == "GET /api/v1/dags":
            return data({"dags": [], "total_entries": 0})
        return data({"title": "Not Found", "detail": path}, 404)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setattr(session_module, "LOGIN_PAUSE_SECONDS", 0.0)
    stub = Stub()
    server = serve(stub)
    yield stub
    server.shutdown()
    server.server_close()


def serve(stub: Stub) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            path = urlsplit(self.path).path
            stub.headers.append(dict(self.headers))
            if not path.startswith(stub.prefix):
                reply = page("nginx: 404 Not Found", 404)
            else:
                cookie = self.headers.get("Cookie", "")
                reply = stub.answer(self.command, path.removeprefix(stub.prefix), cookie, parse_qs(body))
            status, headers, text = reply
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = reply  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", stub.port), Handler)
    stub.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


def run_reply(state: str) -> Reply:
    body = {"dag_id": "d", "dag_run_id": "r", "state": state, "run_type": "manual"}
    return data({**body, "start_date": None, "end_date": None})
