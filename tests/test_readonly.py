"""READONLY=1: every client refuses what could change something, before it leaves the machine."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fixtures import catalogue
from fixtures.airflow import Airflow
from fixtures.chart import Chart
from fixtures.containers import LOOKING, Tools
from fixtures.errors import Refused
from fixtures.helm import Helm
from fixtures.session import Credentials


@pytest.mark.parametrize("verb", ["exec", "delete", "apply", "create", "patch", "scale", "cp", "annotate", "rollout"])
def test_kubectl_only_looks(verb: str) -> None:
    tools = Tools(Path("kubectl"), None, "staging", read_only=True)
    with pytest.raises(Refused, match=f"kubectl {verb}: this run only looks"):
        tools.argv(verb, "pod/a")
    assert tools.pace.requests == 0


@pytest.mark.parametrize("verb", LOOKING)
def test_kubectl_may_look(verb: str) -> None:
    tools = Tools(Path("kubectl"), None, "staging", read_only=True)
    assert tools.argv(verb) == ["kubectl", "--context", "staging", verb]
    assert tools.pace.requests == 1


def test_helm_only_looks(tmp_path: Path) -> None:
    helm, chart = Helm(Path("helm"), read_only=True), Chart(tmp_path, "airflow", "1.15.0", "", "")
    for change in (
        lambda: helm.install("a", "n", chart, [], timeout=1),
        lambda: helm.upgrade("a", "n", chart, [], timeout=1),
        lambda: helm.rollback("a", "n", 1, timeout=1),
        lambda: helm.uninstall("a", "n", timeout=1),
    ):
        with pytest.raises(Refused, match="this run only looks"):
            change()


class Webserver(BaseHTTPRequestHandler):
    """As much of Airflow as a login needs; remembers what it was asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path.partition('?')[0]}")
        form = '<form><input name="username"><input name="password"><input name="csrf_token" value="x"></form>'
        kind, body = ("application/json", json.dumps({"dags": [], "total_entries": 0})) if "/api/" in self.path else (
            "text/html", form
        )  # fmt: skip
        self.answer(200, {"Content-Type": kind}, body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(f"POST {self.path}")
        self.answer(302, {"Location": "/home"}, "")

    def answer(self, status: int, headers: dict[str, str], body: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def served() -> Iterator[str]:
    Webserver.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Webserver)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_airflow_gets_the_login_form_and_nothing_else_that_changes(served: str) -> None:
    airflow = Airflow(lambda: served, Credentials("admin", "secret"), run_id="r", read_only=True)
    assert airflow.dags() == []
    for change in (
        lambda: airflow.pause("a"),
        lambda: airflow.create_variable("a", "b"),
        lambda: airflow.delete_connection("a"),
        lambda: airflow.create_connection_in_ui("a", "http", {}),
        lambda: airflow.test_connection("http", "localhost"),
    ):
        with pytest.raises(Refused, match="this run only looks"):
            change()
    assert [one for one in Webserver.asked if not one.startswith("GET ")] == ["POST /login/"]


def test_rows_that_disturb_are_not_judged_by_looking() -> None:
    assert not [one.id for one in catalogue.load().values() if one.reads and (one.disruptive or one.runs != ("plain",))]
