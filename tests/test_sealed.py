"""The pipeline for sealed secrets, with a kubeseal and a controller of the test's own that can be broken."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.containers import Tools
from fixtures.errors import Blocked, BudgetExceeded, TargetFailed, Unsupported
from fixtures.kube import ApiError, Forbidden, NotFound
from fixtures.ledger import Ledger
from fixtures.observations import sealed
from fixtures.observe import Observer
from fixtures.progress import Progress
from fixtures.wait import Budgets, Waiter

SERVICES = "/api/v1/services"
SEALED = "/apis/bitnami.com/v1alpha1/namespaces/airflow/sealedsecrets"
SECRETS = "/api/v1/namespaces/airflow/secrets"
SERVICE = {
    "metadata": {"namespace": "kube-system", "name": "sealed-secrets-controller"},
    "spec": {"ports": [{"port": 8080}]},
}
CERTIFICATE = "/api/v1/namespaces/kube-system/services/http:sealed-secrets-controller:/proxy/v1/cert.pem"
DIGEST = 32

KUBECTL = """
import base64, sys, yaml
words = sys.argv[1:]
key, _, value = next(word for word in words if word.startswith("--from-literal=")).partition("=")[2].partition("=")
metadata = {"name": words[words.index("generic") + 1]}
if "-n" in words:
    metadata["namespace"] = words[words.index("-n") + 1]
data = {key: base64.b64encode(value.encode()).decode()}
print(yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}))
"""
KUBESEAL = """
import base64, hashlib, json, sys, yaml
secret = yaml.safe_load(sys.stdin)
metadata = {"namespace": "default", **secret["metadata"]}
label = f"{metadata['namespace']}/{metadata['name']}"
sealed = {}
for key, value in secret["data"].items():
    body = json.dumps({"for": label, "value": base64.b64decode(value).hex()}).encode()
    sealed[key] = base64.b64encode(body + hashlib.sha256(body).digest()).decode()
print(json.dumps({"kind": "SealedSecret", "metadata": metadata, "spec": {"encryptedData": sealed}}))
"""


class Cluster:
    """An API server with a controller that unseals at once what it is given.

    Attributes:
        weak: unseals also what was tampered with.
        loose: unseals also what was sealed for another namespace.
        mute: says nothing about it.
        denied: why it may not write Secrets; empty if it may.
        deaf: how often it does not hand out its certificate.
        forbidden: paths that the user may not see.
    """

    def __init__(self) -> None:
        self.weak = self.loose = self.mute = False
        self.denied = ""
        self.deaf = 0
        self.forbidden: set[str] = set()
        self.known: dict[str, Any] = {sealed.API: {}, SERVICES: {"items": [SERVICE]}}
        self.items: dict[str, Any] = {}
        self.secrets: dict[str, Any] = {}

    def get(self, path: str, query: dict[str, str] | None = None) -> Any:
        if path in self.forbidden:
            raise Forbidden(f"may not get {path}")
        if path == SEALED:
            return {"items": list(self.items.values())}
        for prefix, objects in ((SEALED, self.items), (SECRETS, self.secrets), ("", self.known)):
            name = path.removeprefix(f"{prefix}/") if prefix else path
            if name in objects:
                return objects[name]
        raise NotFound(path)

    def proxy(self, path: str) -> str:
        assert path == CERTIFICATE
        if self.deaf:
            self.deaf -= 1
            raise ApiError("503 no endpoints available", status=503)
        return "-----BEGIN CERTIFICATE-----"

    def post(self, path: str, body: Any) -> None:
        if path in self.forbidden:
            raise Forbidden(f"may not create {path}")
        assert body["metadata"]["namespace"] == "airflow", "the API server refuses another one at this path"
        self._take({**body, "metadata": {**body["metadata"], "generation": 1}})

    def patch(self, path: str, body: Any) -> None:
        item = self.items[path.removeprefix(f"{SEALED}/")]
        item["metadata"]["generation"] += 1
        self._take({**item, "spec": body["spec"]})

    def delete(self, path: str) -> None:
        name = path.removeprefix(f"{SEALED}/")
        if name not in self.items:
            raise NotFound(path)
        del self.items[name]
        self.secrets.pop(name, None)

    def _take(self, item: Any) -> None:
        name = item["metadata"]["name"]
        self.items[name] = item
        why = self._unseal(name, base64.b64decode(item["spec"]["encryptedData"][sealed.KEY]))
        if not self.mute:
            condition = {"type": "Synced", "status": "False" if why else "True", "message": why}
            item["status"] = {"observedGeneration": item["metadata"]["generation"], "conditions": [condition]}

    def _unseal(self, name: str, blob: bytes) -> str:
        body, digest = blob[:-DIGEST], blob[-DIGEST:]
        content = json.loads(body)
        is_whole, is_here = hashlib.sha256(body).digest() == digest, content["for"] == f"airflow/{name}"
        if not (is_whole or self.weak) or not (is_here or self.loose):
            return "no key could decrypt secret"
        if self.denied:
            return self.denied
        data = {sealed.KEY: base64.b64encode(bytes.fromhex(content["value"])).decode()}
        self.secrets[name] = {"metadata": {"ownerReferences": [{"kind": "SealedSecret"}]}, "data": data}
        return ""


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, source: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\n{source}")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def subject(cluster: Cluster, program: Callable[[str, str], Path]) -> Any:
    tools = Tools(program("kubectl", KUBECTL), None, "here", program("kubeseal", KUBESEAL))
    made = SimpleNamespace(
        cluster=SimpleNamespace(kube=cluster, tools=tools),
        namespace="airflow",
        waiter=Waiter(Progress(io.StringIO()), Budgets({"sealing": 2, "unsealed": 0.3})),
        learn=lambda secret: None,
        stamp={"labels": {"run": "1"}},
        notes=[],
    )
    made.ledger = Ledger(made)
    made.note = lambda requirement, finding: made.notes.append(finding)
    return made


def look(subject: Any) -> sealed.Unsealed:
    return sealed.unsealed.look(subject)


def test_what_an_honest_controller_does_is_no_finding(cluster: Cluster, subject: Any) -> None:
    assert look(subject) == sealed.Unsealed(False, ["SealedSecret"], True, [], [])
    (note,) = subject.notes
    assert "binds the Secret to namespace default" in note
    assert len(cluster.items) == 2
    assert subject.ledger.settle() == []
    assert not cluster.items and not cluster.secrets, "nothing stays behind"


def test_a_controller_that_unseals_too_much_is_noticed(cluster: Cluster, subject: Any) -> None:
    cluster.weak = True
    assert look(subject).accepted == ["sealed data of which a bit was changed"]
    cluster.weak, cluster.loose = False, True
    assert look(subject).accepted == ["a Secret that was sealed for another namespace"]


def test_a_secret_that_changes_although_its_change_is_refused_is_noticed(cluster: Cluster, subject: Any) -> None:
    def patch(path: str, body: Any) -> None:
        Cluster.patch(cluster, path, body)
        next(iter(cluster.secrets.values()))["data"] = {sealed.KEY: base64.b64encode(b"other").decode()}

    cluster.patch = patch  # type: ignore[method-assign]
    assert look(subject).accepted == ["sealed data of which a bit was changed"]


def test_why_there_is_no_secret_is_told(cluster: Cluster, subject: Any) -> None:
    cluster.denied = "secrets is forbidden: exceeded quota"
    with pytest.raises(BudgetExceeded, match=r"there is no Secret conformance-.*says secrets is forbidden: exceeded"):
        look(subject)
    assert subject.ledger.settle() == []


def test_a_controller_that_says_nothing_is_told(cluster: Cluster, subject: Any) -> None:
    cluster.mute = True
    with pytest.raises(BudgetExceeded, match=r"there is a Secret conformance-.*says nothing"):
        look(subject)


def test_a_kubeseal_that_hides_nothing_is_noticed(subject: Any, program: Callable[[str, str], Path]) -> None:
    program("kubeseal", KUBESEAL.replace('"metadata": metadata,', '"metadata": {**metadata, "annotations": secret},'))
    assert look(subject).is_legible


def test_a_controller_that_is_just_starting_is_waited_for(cluster: Cluster, subject: Any) -> None:
    cluster.deaf = 1
    assert look(subject).is_equal
    cluster.deaf = 1000
    with pytest.raises(BudgetExceeded, match=r"certificate of the controller .*no endpoints available"):
        look(subject)


def test_what_kubeseal_says_is_told(subject: Any, program: Callable[[str, str], Path]) -> None:
    program("kubeseal", "import sys\nsys.exit('error: expired certificate')")
    with pytest.raises(TargetFailed, match="kubeseal cannot seal: error: expired certificate"):
        look(subject)


def test_secrets_of_others_that_stay_sealed_are_found(cluster: Cluster, subject: Any) -> None:
    def item(name: str, synced: str, *, observed: int = 1) -> Any:
        condition = {"type": "Synced", "status": synced, "message": "no key could decrypt secret (password)"}
        status = {"observedGeneration": observed, "conditions": [condition]}
        return {"metadata": {"name": name, "generation": 1}, "status": status}

    cluster.items = {
        "warehouse": item("warehouse", "False"),
        "fine": item("fine", "True"),
        "changed": item("changed", "False", observed=0),
        "conformance-left": item("conformance-left", "False"),
        "new": {"metadata": {"name": "new", "generation": 1}},
    }
    assert look(subject).stuck == ["warehouse: no key could decrypt secret (password)"]


def test_a_cluster_without_the_means_is_unsupported(cluster: Cluster, subject: Any) -> None:
    subject.cluster.tools = Tools(Path("kubectl"), None, "here")
    with pytest.raises(Unsupported, match="no program kubeseal in PATH"):
        look(subject)
    del cluster.known[sealed.API]
    with pytest.raises(Unsupported, match="knows no sealedsecrets"):
        look(subject)


def test_a_missing_service_is_told(cluster: Cluster, subject: Any) -> None:
    cluster.known[SERVICES] = {"items": []}
    with pytest.raises(TargetFailed, match="there is no Service of the controller"):
        look(subject)


def test_who_may_not_list_services_asks_where_kubeseal_would(cluster: Cluster, subject: Any) -> None:
    cluster.forbidden = {SERVICES}
    with pytest.raises(TargetFailed, match="there is no Service of the controller"):
        look(subject)
    cluster.known["/api/v1/namespaces/kube-system/services/sealed-secrets-controller"] = SERVICE
    assert look(subject).is_equal


def test_a_missing_permission_blocks_and_accuses_nobody(cluster: Cluster, subject: Any) -> None:
    cluster.forbidden = {SEALED}
    observer: Observer[Any] = Observer(subject, "test")
    with pytest.raises(Blocked, match="nothing can be sealed or unsealed by this user"):
        observer.see(sealed.unsealed)
    assert observer.stop(5)


def test_the_port_of_the_service_is_asked_by_its_name() -> None:
    named = {"metadata": {"namespace": "infra", "name": "sealer"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    path = "/api/v1/namespaces/infra/services/http:sealer:http/proxy/v1/cert.pem"
    assert sealed.Controller.of(named).certificate == path
