"""A small Kubernetes API server for tests, with faults on demand.

It knows lists, single objects, watches with bookmarks, logs that are followed, and whatever a test puts under a path.
Faults are queued for requests whose path contains a text; each is used up by one request, unless it stays.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import kubernetes.client

from fixtures.kube import Kube

FaultKind = Literal["status", "close", "gone event", "silent", "cut", "hang", "drop"]


@dataclass
class Fault:
    """What goes wrong with a request.

    - `status`: answer with `status` and `headers`;
    - `close`: end a watch at once, cleanly;
    - `gone event`: send an ERROR event with code 410 into a watch;
    - `silent`: open a watch and never say anything more;
    - `cut`: break a watch off in the middle of an object;
    - `hang`: accept the request and say nothing until the server stops;
    - `drop`: close the connection without an answer.
    """

    kind: FaultKind
    path: str = ""
    watch: bool | None = None
    method: str = ""
    status: int = 500
    message: str = "injected"
    headers: dict[str, str] = field(default_factory=dict)
    stays: bool = False


@dataclass
class Request:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class StubApi:
    """The server and what it knows. Objects are stored under the path of their list."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.version = 100
        self.oldest = 0
        self.store: dict[str, dict[str, dict[str, Any]]] = {}
        self.changes: list[tuple[int, str, str, dict[str, Any]]] = []
        self.answers: dict[str, Callable[[Request], tuple[int, str]]] = {}
        self.logs: dict[str, list[str]] = {}
        self.open_logs: set[str] = set()
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.stopping = False
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    # What a test does.

    def start(self) -> None:
        """Listen; after a stop, on the same port as before."""
        self.stopping = False
        stub = self

        class Handler(_Handler):
            api = stub

        self._server = _Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections and cut those that are open."""
        with self.condition:
            self.stopping = True
            self.condition.notify_all()
        if self._server:
            self._server.shutdown()
            self._server.cut_all()
            self._server.server_close()
            self._server = None

    def put(self, path: str, item: dict[str, Any]) -> dict[str, Any]:
        """Create or change an object in the list at a path."""
        with self.condition:
            self.version += 1
            known = self.store.setdefault(path, {})
            metadata = {**item["metadata"], "resourceVersion": str(self.version)}
            metadata.setdefault("uid", f"uid-{path.rsplit('/', 1)[-1]}-{metadata['name']}")
            metadata.setdefault("namespace", "airflow")
            kept = {**item, "metadata": metadata}
            change = "MODIFIED" if metadata["name"] in known else "ADDED"
            known[metadata["name"]] = kept
            self.changes.append((self.version, path, change, kept))
            self.condition.notify_all()
            return kept

    def remove(self, path: str, name: str) -> None:
        """Delete an object."""
        with self.condition:
            self.version += 1
            item = self.store[path].pop(name)
            gone = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}
            self.changes.append((self.version, path, "DELETED", gone))
            self.condition.notify_all()

    def forget_history(self) -> None:
        """Compact: watches from an older version are answered with 410."""
        with self.condition:
            self.changes.clear()
            self.oldest = self.version

    def bookmark(self, path: str) -> None:
        """Send a bookmark into open watches."""
        with self.condition:
            self.version += 1
            version = {"metadata": {"resourceVersion": str(self.version)}}
            self.changes.append((self.version, path, "BOOKMARK", version))
            self.condition.notify_all()

    def log(self, key: str, *lines: str) -> None:
        """Append to the log `pod/container`; lines carry their own time stamps."""
        with self.condition:
            self.logs.setdefault(key, []).extend(lines)
            self.condition.notify_all()

    def end_log(self, key: str) -> None:
        """The container of the log has ended."""
        with self.condition:
            self.open_logs.discard(key)
            self.condition.notify_all()

    def inject(self, *faults: Fault) -> None:
        """Queue faults."""
        with self.condition:
            self.faults.extend(faults)

    def clear_faults(self) -> None:
        """From now on nothing goes wrong."""
        with self.condition:
            self.faults.clear()
            self.condition.notify_all()

    def asked(self, text: str, **query: str) -> list[Request]:
        """Requests whose path contains a text and whose query has the given values."""
        with self.condition:
            return [r for r in self.requests if text in r.path and query.items() <= r.query.items()]

    def kube(self, *, read_timeout: float = 5, user_agent: str = "airflow-conformance") -> Kube:
        """A client of this server."""
        configuration = kubernetes.client.Configuration(host=f"http://127.0.0.1:{self._port}")
        client = kubernetes.client.ApiClient(configuration)
        return Kube(client, connect_timeout=2, read_timeout=read_timeout, user_agent=user_agent)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    # What the handler asks.

    def take_fault(self, request: Request) -> Fault | None:
        with self.condition:
            self.requests.append(request)
            for fault in self.faults:
                fits = fault.path in request.path and fault.method in ("", request.method)
                if fits and fault.watch in (None, "watch" in request.query):
                    if not fault.stays:
                        self.faults.remove(fault)
                    return fault
        return None

    def changes_after(self, path: str, version: int) -> list[tuple[int, str, str, dict[str, Any]]]:
        return [change for change in self.changes if change[0] > version and change[1] == path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *args: Any) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.add(connection)
        return connection, address

    def cut_all(self) -> None:
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: StubApi

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        request = Request(self.command, parts.path, query, dict(self.headers.items()), body)
        fault = self.api.take_fault(request)
        if fault and fault.kind == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault and fault.kind == "hang":
            self._stay_silent()
        elif fault and fault.kind == "status":
            self._status(fault.status, fault.message, fault.headers)
        elif "watch" in query:
            self._watch(request, fault)
        elif request.path.endswith("/log"):
            self._log(request, fault)
        else:
            self._object(request)

    def _object(self, request: Request) -> None:
        api = self.api
        if request.path in api.answers:
            status, text = api.answers[request.path](request)
            self._answer(status, text.encode())
            return
        with api.condition:
            if request.path in api.store and request.method == "GET":
                items = [
                    {key: value for key, value in item.items() if key != "kind"}  # as the real one lists
                    for item in api.store[request.path].values()
                    if self._selected(item, request.query.get("labelSelector", ""))
                ]
                answer = {"kind": "List", "metadata": {"resourceVersion": str(api.version)}, "items": items}
                self._json(200, answer)
                return
            path, _, name = request.path.rpartition("/")
            if request.method == "POST":
                name = request.body["metadata"]["name"]
                if name in api.store.get(request.path, {}):
                    self._status(409, f'"{name}" already exists')
                else:
                    self._json(201, api.put(request.path, request.body))
                return
            item = api.store.get(path, {}).get(name)
            if item is None:
                self._status(404, f'"{name}" not found')
            elif request.method == "DELETE":
                api.remove(path, name)
                self._json(200, {"kind": "Status", "status": "Success"})
            elif request.method in ("PATCH", "PUT"):
                version = (request.body.get("metadata") or {}).get("resourceVersion")
                if version not in (None, item["metadata"]["resourceVersion"]):
                    self._status(409, "the object has been modified")
                else:
                    self._json(200, api.put(path, merged(item, request.body)))
            else:
                self._json(200, item)

    def _selected(self, item: dict[str, Any], selector: str) -> bool:
        wanted = dict(pair.split("=", 1) for pair in selector.split(",") if pair)
        return wanted.items() <= (item["metadata"].get("labels") or {}).items()

    def _watch(self, request: Request, fault: Fault | None) -> None:
        api, version = self.api, int(request.query.get("resourceVersion", 0))
        if version < api.oldest:
            self._status(410, "too old resource version")
            return
        self._begin_stream()
        if fault and fault.kind == "silent":
            self._stay_silent()
            return
        if fault and fault.kind == "gone event":
            self._event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})
        if fault and fault.kind == "cut":
            self._chunk(b'{"type": "MODIFIED", "object": {"metadata": {"na')
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault:
            self._chunk(b"")
            return
        while True:
            with api.condition:
                while not (changes := api.changes_after(request.path, version)) and not api.stopping:
                    api.condition.wait(1)
                if api.stopping:
                    return
            for version, _, change, item in changes:  # noqa: B007
                self._event(change, item)

    def _log(self, request: Request, fault: Fault | None) -> None:
        api = self.api
        pod, container = request.path.split("/")[-2], request.query.get("container", "")
        key, since = f"{pod}/{container}", request.query.get("sinceTime", "")
        stamps = request.query.get("timestamps") == "true"
        if key not in api.logs:
            self._status(404, f'pods "{pod}" not found')
            return
        self._begin_stream()
        sent = 0
        while True:
            with api.condition:
                while len(api.logs[key]) == sent and key in api.open_logs and not api.stopping:
                    if request.query.get("follow") != "true":
                        break
                    api.condition.wait(1)
                lines = api.logs[key][sent:]
            if not lines or api.stopping:
                break
            sent += len(lines)
            for line in lines:
                if line[:19] >= since[:19]:  # as coarse as the real one: whole seconds
                    self._chunk((line if stamps else line.split(" ", 1)[1]).encode() + b"\n")
            if fault and fault.kind == "cut":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
        self._chunk(b"")

    def _stay_silent(self) -> None:
        with self.api.condition:
            while not self.api.stopping:
                self.api.condition.wait(1)
        self.close_connection = True

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def _event(self, change: str, item: dict[str, Any]) -> None:
        self._chunk(json.dumps({"type": change, "object": item}).encode() + b"\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _status(self, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._json(code, {"kind": "Status", "code": code, "message": message}, headers)

    def _json(self, code: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._answer(code, json.dumps(value).encode(), headers)

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        if "Date" in (headers or {}):
            self.send_response_only(code)  # without the date of its own
        else:
            self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running() -> Iterator[StubApi]:
    """A server for the length of a test."""
    api = StubApi()
    api.start()
    try:
        yield api
    finally:
        api.stop()


def merged(item: Any, patch: Any) -> Any:
    """What a JSON merge patch makes of an object (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(item) if isinstance(item, dict) else {}
    for key, value in patch.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = merged(kept.get(key), value)
    return kept


def eventually(look: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until something is true; for changes that another thread makes."""
    end, pause = threading.Event(), 0.01
    for _ in range(int(seconds / pause)):
        if found := look():
            return found
        end.wait(pause)
    raise AssertionError("it never became true")


# Objects as a cluster shows them.

NOW = "2026-01-01T12:00:00Z"
PODS = "/api/v1/namespaces/airflow/pods"
EVENTS = "/api/v1/namespaces/airflow/events"
JOBS = "/apis/batch/v1/namespaces/airflow/jobs"
DEPLOYMENTS = "/apis/apps/v1/namespaces/airflow/deployments"
STATEFULSETS = "/apis/apps/v1/namespaces/airflow/statefulsets"
REPLICASETS = "/apis/apps/v1/namespaces/airflow/replicasets"
RUNNING = {"running": {"startedAt": NOW}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """State of a container that waits."""
    return {"waiting": {"reason": reason, "message": message}}


def terminated(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    """State of a container that has ended."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def container(
    name: str, state: dict[str, Any] | None = None, *, restarts: int = 0, ready: bool | None = None, **more: Any
) -> dict[str, Any]:
    """Status of a container."""
    state = state or RUNNING
    ready = "running" in state if ready is None else ready
    image = more.pop("image", "apache/airflow:2.9.0")
    return {"name": name, "image": image, "state": state, "restartCount": restarts, "ready": ready, **more}


def pod(
    name: str,
    component: str = "",
    *containers: dict[str, Any],
    init: tuple[dict[str, Any], ...] = (),
    phase: str = "Running",
    owner: tuple[str, str, str] | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    conditions: tuple[dict[str, Any], ...] = (),
    **metadata: Any,
) -> dict[str, Any]:
    """A pod; `owner` is kind, name and uid."""
    chart = {"component": component, "release": "airflow", "tier": "airflow"} if component else {}
    ready = bool(containers) and all(c["ready"] for c in containers) and phase == "Running"
    owners = [{"kind": owner[0], "name": owner[1], "uid": owner[2]}] if owner else []
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": NOW,
            "labels": {**chart, **(labels or {})},
            "annotations": annotations or {},
            "ownerReferences": owners,
            **metadata,
        },
        "spec": {
            "containers": [{"name": c["name"], "image": c["image"]} for c in containers],
            "initContainers": [{"name": c["name"], "image": c["image"]} for c in init],
        },
        "status": {
            "phase": phase,
            "containerStatuses": list(containers),
            "initContainerStatuses": list(init),
            "conditions": [{"type": "Ready", "status": str(ready)}, *conditions],
        },
    }


def event(
    reason: str, about: dict[str, Any], message: str, *, first: str = NOW, last: str = NOW, count: int = 1
) -> dict[str, Any]:
    """An Event about an object."""
    metadata = about["metadata"]
    return {
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{reason}", "uid": f"uid-{metadata['name']}-{reason}"},
        "involvedObject": {"kind": about["kind"], "name": metadata["name"], "uid": metadata["uid"]},
        "reason": reason,
        "message": message,
        "firstTimestamp": first,
        "lastTimestamp": last,
        "count": count,
    }


def deployment(
    component: str,
    *,
    replicas: int = 1,
    generation: int = 1,
    observed: int | None = None,
    revision: int = 1,
    updated: int = 1,
    available: int = 1,
    total: int | None = None,
    conditions: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    """A Deployment of the chart, with its counts."""
    labels = {"component": component, "release": "airflow", "tier": "airflow"}
    return {
        "kind": "Deployment",
        "metadata": {
            "name": f"airflow-{component}",
            "uid": f"uid-deployment-{component}",
            "generation": generation,
            "labels": {**labels, "chart": "airflow-1.15.0"},
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
        },
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}},
        "status": {
            "observedGeneration": generation if observed is None else observed,
            "replicas": updated if total is None else total,
            "updatedReplicas": updated,
            "availableReplicas": available,
            "readyReplicas": available,
            "conditions": list(conditions),
        },
    }


def replicaset(component: str, revision: int = 1) -> dict[str, Any]:
    """The ReplicaSet of one revision of such a Deployment."""
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"airflow-{component}-r{revision}",
            "uid": f"uid-replicaset-{component}-{revision}",
            "labels": {"component": component, "release": "airflow", "tier": "airflow"},
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [
                {"kind": "Deployment", "name": f"airflow-{component}", "uid": f"uid-deployment-{component}"}
            ],
        },
    }


def replica(component: str, revision: int = 1, *containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pod of such a ReplicaSet."""
    owner = ("ReplicaSet", f"airflow-{component}-r{revision}", f"uid-replicaset-{component}-{revision}")
    name = more.pop("name", f"airflow-{component}-r{revision}-x")
    return pod(name, component, *(containers or (container(component),)), owner=owner, **more)


def statefulset(
    component: str,
    *,
    replicas: int = 1,
    updated: int = 1,
    available: int = 1,
    revision: str = "r1",
    generation: int = 1,
) -> dict[str, Any]:
    """A StatefulSet of the chart, with its counts."""
    made = deployment(component, replicas=replicas, updated=updated, available=available, generation=generation)
    made["kind"], made["metadata"]["uid"] = "StatefulSet", f"uid-statefulset-{component}"
    made["status"]["updateRevision"] = revision
    return made


def member(component: str, revision: str = "r1", *containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pod of such a StatefulSet."""
    owner = ("StatefulSet", f"airflow-{component}", f"uid-statefulset-{component}")
    labels = {"controller-revision-hash": revision}
    name = more.pop("name", f"airflow-{component}-0")
    return pod(name, component, *(containers or (container(component),)), owner=owner, labels=labels, **more)


def job(component: str = "run-airflow-migrations", **status: Any) -> dict[str, Any]:
    """A Job of the chart."""
    name = f"airflow-{component}"
    labels = {"component": component, "release": "airflow", "tier": "airflow"}
    return {
        "kind": "Job",
        "metadata": {"name": name, "uid": f"uid-job-{component}", "labels": labels},
        "status": status,
    }


def job_pod(*containers: dict[str, Any], component: str = "run-airflow-migrations", **more: Any) -> dict[str, Any]:
    """A pod of such a Job."""
    owner = ("Job", f"airflow-{component}", f"uid-job-{component}")
    return pod(more.pop("name", f"airflow-{component}-x"), component, *containers, owner=owner, **more)
