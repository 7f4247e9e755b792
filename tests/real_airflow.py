"""A real Airflow for tests: webserver and scheduler of version 2.9.0 on SQLite, without any container.

Its Python environment and a migrated database with two users are made once and cached, keyed by the content of the
lock file. Everything that a test session writes is below pytest's temporary directory.

The lock file comes from:
    echo 'apache-airflow[cncf-kubernetes,postgres,redis,statsd]==2.9.0' | uv pip compile - --universal \
        --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --exclude-newer 2024-04-12 \
        -o tests/airflow-2.9.0.txt
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures import following, locks, process
from fixtures.airflow import Airflow, DagRun
from fixtures.dagfiles import DAGS
from fixtures.errors import HarnessError
from fixtures.session import Credentials
from fixtures.wait import Pending
from tests.waiting import waiter

VERSION = "2.9.0"
LATEST_UPLOAD = "2024-04-12"
LOCK = Path(__file__).parent / f"airflow-{VERSION}.txt"
ADMIN = Credentials("admin", "the-admins-password")
VIEWER = Credentials("viewer", "the-viewers-password")
ROLES = {ADMIN: "Admin", VIEWER: "Viewer"}
COLD_SECONDS = 900
PATIENCE = 180
"""Seconds that one wait may take."""
START_SECONDS = 120
SUITE_RUN = "own-tests"
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


class Sink:
    """Receives statsd lines on a UDP port of its own."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.lines: list[str] = []
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def wait_for(self, metric: str, seconds: float = 30) -> bool:
        """Whether a metric of that name came, or comes in time."""
        with self._condition:
            return self._condition.wait_for(
                lambda: any(line.startswith(f"{metric}:") for line in self.lines), timeout=seconds
            )

    def close(self) -> None:
        """Stop receiving."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(timeout=5)
        self._socket.close()

    def _receive(self) -> None:
        while data := self._socket.recv(65536):
            with self._condition:
                self.lines += data.decode().splitlines()
                self._condition.notify_all()


@dataclass(frozen=True)
class RealAirflow:
    """A running Airflow."""

    url: str
    home: Path
    sink: Sink

    def client(self, credentials: Credentials = ADMIN) -> Airflow:
        """A client of it."""
        return Airflow(lambda: self.url, credentials, run_id=SUITE_RUN)


def wait_listed(airflow: Airflow, ids: Collection[str]) -> None:
    """Wait until DAG files were parsed."""

    def listed() -> bool | Pending:
        missing = set(ids) - {dag.dag_id for dag in airflow.dags()}
        return not missing or Pending(f"{', '.join(sorted(missing))} not parsed yet")

    waiter(PATIENCE).until("DAGs", listed, budget="dag_visible")


def finish(airflow: Airflow, run: DagRun, expect: Sequence[str] = ("success",)) -> DagRun:
    """Follow a run to its end."""
    return following.finish(airflow, waiter(PATIENCE), run, expect=expect)


def environment() -> Path:
    """Directory with an Airflow environment (`bin/`) and a migrated database (`home/airflow.db`), made if missing."""
    users = [(user.username, user.password, role) for user, role in ROLES.items()]
    key = hashlib.sha256(LOCK.read_bytes() + repr((users, sys.version)).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airflow-conformance" / "tests"
    place = cache / f"airflow-{VERSION}-{key}"
    with locks.locked(cache / f"airflow-{VERSION}-{key}.lock"):
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)  # what an interrupted run left
            _install(place)
            (place / "complete").touch()
    return place


def _install(place: Path) -> None:
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    uv = shutil.which("uv", path=search) or "uv"
    python = sys.executable if (3, 8) <= sys.version_info[:2] <= (3, 12) else ">=3.11,<3.13"
    process.run([uv, "venv", "--quiet", "--python", python, place], deadline=COLD_SECONDS)
    process.run(
        [
            *(uv, "pip", "install", "--quiet", "--python", place / "bin" / "python"),
            *("--require-hashes", "--exclude-newer", LATEST_UPLOAD, "--requirement", LOCK),
        ],
        deadline=COLD_SECONDS,
        remedy="the tests of the Airflow client need Airflow from the package index",
    )
    home = place / "home"
    home.mkdir()
    env = _settings(place, home)
    for words in (["db", "migrate"], ["sync-perm"]):  # a fresh database has no role Viewer before the second
        process.run([place / "bin" / "airflow", *words], env=env, deadline=COLD_SECONDS)
    for user, role in ROLES.items():
        process.run(
            [
                *(place / "bin" / "airflow", "users", "create", "--username", user.username, "--role", role),
                *("--password", user.password, "--email", f"{user.username}@example.com"),
                *("--firstname", user.username, "--lastname", "user"),
            ],
            env=env,
            deadline=COLD_SECONDS,
        )


def _settings(place: Path, home: Path, statsd_port: int = 0) -> dict[str, str]:
    options = {
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_FOLDER": str(home / "dags"),
        "CORE__EXECUTOR": "SequentialExecutor",
        "CORE__FERNET_KEY": FERNET_KEY,
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "METRICS__STATSD_ON": str(bool(statsd_port)),
        "METRICS__STATSD_HOST": "127.0.0.1",
        "METRICS__STATSD_PORT": str(statsd_port or 9125),
        "SCHEDULER__PARSING_PROCESSES": "2",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "WEBSERVER__SECRET_KEY": "own-tests",
        # The tests log in more than five times in 40 s.
        "FAB__AUTH_RATE_LIMITED": "False",
        "WEBSERVER__AUTH_RATE_LIMITED": "False",
    }
    return {
        "AIRFLOW_HOME": str(home),
        "PATH": os.pathsep.join([str(place / "bin"), os.environ.get("PATH", "")]),
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",
        **{f"AIRFLOW__{name}": value for name, value in options.items()},
    }


def _start(
    stack: ExitStack, name: str, argv: list[str], home: Path, env: dict[str, str], ready: str
) -> threading.Event:
    """Start a component, keep what it says in `<home>/<name>.log`, and end it with the stack.

    Returns:
        An event that is set when it has printed `ready`, or has ended.
    """
    child = process.start(argv, env=env, cwd=home)
    stack.callback(process.stop, child, grace=20)
    said = threading.Event()

    def keep(stream: object) -> None:
        with (home / f"{name}.log").open("a") as log:
            for line in stream:  # type: ignore[attr-defined]
                log.write(line)
                log.flush()
                if ready in line:
                    said.set()
        said.set()

    for stream in (child.stdout, child.stderr):
        threading.Thread(target=keep, args=(stream,), daemon=True).start()
    return said


@pytest.fixture(scope="session")
def real_airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAirflow]:
    """A running Airflow with the DAGs of manifests/dags."""
    place = environment()
    home = tmp_path_factory.mktemp("airflow")
    shutil.copy(place / "home" / "airflow.db", home / "airflow.db")
    shutil.copytree(DAGS, home / "dags")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with ExitStack() as stack:
        sink = Sink()
        stack.callback(sink.close)
        stack.callback(_end_leftovers, home)
        env = _settings(place, home, sink.port)
        airflow = str(place / "bin" / "airflow")
        listening = _start(
            stack,
            "webserver",
            [airflow, "webserver", "--hostname", "127.0.0.1", "--port", port, "--workers", "1"],
            home,
            env,
            "Listening at",
        )
        _start(stack, "scheduler", [airflow, "scheduler"], home, env, "Starting the scheduler")
        if not listening.wait(START_SECONDS):
            raise HarnessError(f"Airflow does not start:\n{(home / 'webserver.log').read_text()}")
        # The socket is open before the application is loaded: the first request waits for it.
        yield RealAirflow(f"http://127.0.0.1:{port}", home, sink)


def _end_leftovers(home: Path) -> None:
    """End what the scheduler moved into a session of its own, and did not live to end: task runners."""
    mark = f"AIRFLOW_HOME={home}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = mark in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # ended meanwhile, or somebody else's
        if ours:
            with suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)
