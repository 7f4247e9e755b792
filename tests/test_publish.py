"""Finished runs get to those who should have them, and nobody takes a lost one for a good one."""

from __future__ import annotations

import io
import re
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fixtures import publish, settings
from fixtures.errors import HarnessError, UsageError
from fixtures.outcome import EXIT_UNDELIVERED, Verdict
from fixtures.printed import write
from fixtures.redaction import Redactor
from fixtures.report import Report, read
from tests.test_report import check, report

STORE = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-of-the-store"}


@dataclass
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """Takes whatever is sent; answers with the statuses in turn, and then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    location: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.received.append(Received(self.command, self.path, dict(self.headers), body))
            self.send_response(found.statuses.pop(0) if found.statuses else 200)
            if found.location:
                self.send_header("Location", found.location)
            self.send_header("Content-Length", "13")
            self.end_headers()
            self.wfile.write(b"said so myself"[:13])

        do_POST = do_PUT  # noqa: N815 - the name that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{listening.server_port}"
    yield found
    listening.shutdown()
    listening.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "wait_exponential", lambda **_: lambda state: 0.01)


@dataclass
class Finished:
    report: Report
    directory: Path
    redactor: Redactor = field(default_factory=Redactor)
    said: list[str] = field(default_factory=list)

    def to(self, environ: dict[str, str] | None = None, **options: str) -> Report:
        places = publish.destinations(settings.load(options), self.redactor, environ or {})
        return publish.deliver(self.report, self.directory, places, self.redactor, self.said.append)


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    directory = tmp_path / "results" / "run-1"
    (directory / "logs").mkdir(parents=True)
    (directory / "logs" / "task.log").write_text("a line\n")
    return Finished(write(report(check()), directory, Redactor()), directory)


def names_in(archive: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return set(opened.getnames())


def test_an_archive_is_put_below_an_address(server: Server, finished: Finished) -> None:
    finished.to(PUSH_URL=f"{server.url}/nightly/")
    [taken] = server.received
    assert (taken.method, taken.path) == ("PUT", "/nightly/run-1.tar.gz")
    assert {"run-1/report.json", "run-1/report.html", "run-1/logs/task.log"} <= names_in(taken.body)
    assert "Authorization" not in taken.headers


def test_an_archive_is_posted_to_an_address(server: Server, finished: Finished) -> None:
    finished.to(PUSH_URL=f"{server.url}/upload")
    [taken] = server.received
    assert (taken.method, taken.path) == ("POST", "/upload")
    assert "run-1/junit.xml" in names_in(taken.body)


@pytest.mark.parametrize(
    ("environ", "sent"),
    [
        ({"PUSH_TOKEN": "a-token"}, "Bearer a-token"),
        ({"PUSH_USERNAME": "ci", "PUSH_PASSWORD": "a-password"}, "Basic Y2k6YS1wYXNzd29yZA=="),
    ],
)
def test_credentials_are_sent(server: Server, finished: Finished, environ: dict[str, str], sent: str) -> None:
    finished.to(environ, PUSH_URL=f"{server.url}/")
    assert server.received[0].headers["Authorization"] == sent


def test_credentials_may_be_files(server: Server, finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    finished.to({"PUSH_TOKEN_FILE": str(tmp_path / "token")}, PUSH_URL=f"{server.url}/")
    assert server.received[0].headers["Authorization"] == "Bearer from-a-file"


def test_a_bucket_gets_a_signed_object(server: Server, finished: Finished) -> None:
    finished.to(STORE | {"AWS_ENDPOINT_URL": server.url}, PUSH_URL="s3://bucket/some/prefix")
    [taken] = server.received
    assert (taken.method, taken.path) == ("PUT", "/bucket/some/prefix/run-1.tar.gz")
    assert taken.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/us-east-1/s3/aws4_request" in taken.headers["Authorization"]
    assert "run-1/report.json" in names_in(taken.body)


def test_temporary_credentials_and_another_region(server: Server, finished: Finished) -> None:
    more = {"AWS_ENDPOINT_URL_S3": server.url, "AWS_SESSION_TOKEN": "for-an-hour", "AWS_REGION": "eu-west-3"}
    finished.to(STORE | more, PUSH_URL="s3://bucket")
    [taken] = server.received
    assert taken.path == "/bucket/run-1.tar.gz"
    assert "/eu-west-3/s3/" in taken.headers["Authorization"]
    assert {name.lower(): value for name, value in taken.headers.items()}["x-amz-security-token"] == "for-an-hour"


def test_the_store_is_amazons_unless_it_is_named() -> None:
    given = settings.load({"PUSH_URL": "s3://bucket"})
    [store] = publish.destinations(given, Redactor(), STORE | {"AWS_DEFAULT_REGION": "eu-west-3"})
    assert store.name == "s3://bucket (https://s3.eu-west-3.amazonaws.com)"


def test_a_pushgateway_gets_the_verdict(server: Server, finished: Finished) -> None:
    finished.to(PUSHGATEWAY=f"{server.url}/", TARGET="staging")
    [taken] = server.received
    assert taken.method == "PUT"  # replaces what the last run said
    job, *labels = taken.path.removeprefix("/metrics/job/").split("/")
    assert job == "airflow-conformance"
    assert dict(zip(labels[::2], labels[1::2], strict=True)) == {
        "target": "staging", "namespace": "airflow", "release": "airflow",
    }  # fmt: skip
    assert b"airflow_conformance_verdict{" in taken.body


def test_a_textfile_is_replaced_whole(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "airflow.prom").write_text("old")
    finished.to(METRICS_FILE=str(tmp_path / "airflow.prom"))
    assert "airflow_conformance_verdict{" in (tmp_path / "airflow.prom").read_text()
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["airflow.prom"]


def test_what_passes_is_tried_again(server: Server, finished: Finished) -> None:
    server.statuses = [503, 429]
    told = finished.to(PUSH_URL=f"{server.url}/")
    assert len(server.received) == 3
    assert server.received[0].body == server.received[2].body
    assert told.exit_code == finished.report.exit_code
    assert not [line for line in finished.said if "did not get" in line]


@pytest.mark.parametrize(
    ("status", "told", "tries"),
    [
        (403, "HTTP 403 Forbidden: said so mysel", 1),
        (404, "HTTP 404", 1),
        (413, "HTTP 413", 1),
        (500, "HTTP 500", publish.TRIES),
    ],
)
def test_a_refusal_is_told(server: Server, finished: Finished, status: int, told: str, tries: int) -> None:
    server.statuses = [status] * publish.TRIES
    lost = finished.to(PUSH_URL=f"{server.url}/")
    assert len(server.received) == tries
    assert told in lost.warnings[-1]


def test_a_redirect_is_not_followed(server: Server, finished: Finished) -> None:
    server.statuses, server.location = [302], "https://login.example/"
    lost = finished.to({"PUSH_TOKEN": "a-token"}, PUSH_URL=f"{server.url}/")
    assert len(server.received) == 1
    assert "https://login.example/" in lost.warnings[-1]


def test_nobody_at_the_address(finished: Finished) -> None:
    lost = finished.to(PUSH_URL="http://127.0.0.1:9/")
    assert lost.warnings[-1].startswith("the run did not get to http://127.0.0.1:9/: no answer: ")
    assert "Connection refused" in lost.warnings[-1]
    assert "Max retries" not in lost.warnings[-1]


@pytest.mark.parametrize(
    ("verdict", "code", "expected"),
    [
        (Verdict.CONFORMANT, 0, EXIT_UNDELIVERED),
        (Verdict.PARTIAL, 10, EXIT_UNDELIVERED),
        (Verdict.NON_CONFORMANT, 1, 1),
        (Verdict.INCONCLUSIVE, 11, 11),
        (Verdict.INCONCLUSIVE, 2, 2),
    ],
)
def test_a_lost_run_is_no_success(
    server: Server, finished: Finished, verdict: Verdict, code: int, expected: int
) -> None:
    finished.report = finished.report.model_copy(update={"verdict": verdict, "exit_code": code})
    server.statuses = [404]
    lost = finished.to(PUSH_URL=f"{server.url}/", PUSHGATEWAY=server.url)
    assert (lost.verdict, lost.exit_code) == (verdict, expected)
    assert read(finished.directory / "report.json").exit_code == expected
    [told] = re.findall(r"^airflow_conformance_exit_code{.*} (\S+)$", server.received[-1].body.decode(), re.MULTILINE)
    assert float(told) == expected


def test_one_that_is_lost_does_not_keep_the_others(server: Server, finished: Finished, tmp_path: Path) -> None:
    finished.to(PUSH_URL="http://127.0.0.1:9/", PUSHGATEWAY=server.url, METRICS_FILE=str(tmp_path / "a.prom"))
    assert len(server.received) == 1
    assert (tmp_path / "a.prom").exists()


def test_no_credential_is_written_anywhere(server: Server, finished: Finished) -> None:
    server.statuses = [403]
    said: list[str] = []
    redactor = Redactor()
    places = publish.destinations(
        settings.load({"PUSH_URL": "s3://bucket"}), redactor, STORE | {"AWS_ENDPOINT_URL": server.url}
    )
    publish.deliver(finished.report, finished.directory, places, redactor, said.append)
    everything = "".join(said) + (finished.directory / "report.json").read_text()
    assert STORE["AWS_SECRET_ACCESS_KEY"] not in everything
    assert redactor.text(STORE["AWS_SECRET_ACCESS_KEY"]) == "[redacted]"


@pytest.mark.parametrize(
    ("options", "environ", "told"),
    [
        ({"PUSH_URL": "s3://bucket"}, {}, "needs credentials"),
        ({"PUSH_URL": "s3://bucket"}, {"AWS_ACCESS_KEY_ID": "a"}, "needs credentials"),
        ({"PUSH_URL": "http://h/"}, {"PUSH_USERNAME": "a"}, "go together"),
        ({"PUSH_URL": "http://h/"}, {"PUSH_TOKEN": "a", "PUSH_USERNAME": "b", "PUSH_PASSWORD": "c"}, "both say who"),
        ({"PUSH_URL": "http://h/"}, {"PUSH_TOKEN": "a", "PUSH_TOKEN_FILE": "b"}, "both set"),
        ({"PUSH_URL": "http://h/"}, {"PUSH_TOKEN_FILE": "/no/such/file"}, "cannot be read"),
    ],
)
def test_bad_credentials_are_told_beforehand(options: dict[str, str], environ: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        publish.destinations(settings.load(options), Redactor(), environ)


def test_credentials_of_nobody_are_not_looked_at() -> None:
    assert publish.destinations(settings.load({}), Redactor(), {"PUSH_TOKEN_FILE": "/no/such/file"}) == []


def test_a_file_that_cannot_be_packed_is_told(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="cannot be packed"):
        publish.archive(tmp_path / "gone")
