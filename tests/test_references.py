"""What pods need to start again, and what is gone of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.kube import ApiError, Forbidden, Json, NotFound
from fixtures.objects import Pod, Workload
from fixtures.observations.references import absent_objects, doomed_claims, not_taken_again
from fixtures.settings import Executor

SPEC: Json = {
    "initContainers": [{"name": "init", "envFrom": [{"secretRef": {"name": "of-init"}}]}],
    "containers": [
        {
            "name": "scheduler",
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "there", "key": "a"}}},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "of-env", "key": "b"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "optional", "key": "c", "optional": True}}},
                {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
                {"name": "F", "valueFrom": {"secretKeyRef": {"name": "there", "key": "f"}}},
                {"name": "G", "valueFrom": {"secretKeyRef": {"name": "there", "key": "g", "optional": True}}},
                {"name": "E", "value": "e"},
            ],
        }
    ],
    "volumes": [
        {"name": "a", "secret": {"secretName": "mounted"}},
        {"name": "b", "projected": {"sources": [{"configMap": {"name": "projected"}}, {"serviceAccountToken": {}}]}},
        {"name": "c", "configMap": {"name": "optional", "optional": True}},
        {"name": "d", "emptyDir": {}},
        {
            "name": "e",
            "secret": {"secretName": "there", "items": [{"key": "a", "path": "x"}, {"key": "h", "path": "y"}]},
        },
    ],
    "imagePullSecrets": [{"name": "registry"}],
}


def running(read: Any, notes: list[str]) -> Any:
    """A release whose scheduler runs, and what it refers to."""
    return SimpleNamespace(
        executor=Executor.CELERY,
        running=lambda component: [SimpleNamespace(name="s-1", raw={"spec": SPEC})],
        note=lambda _, text: notes.append(text),
        cluster=SimpleNamespace(
            workloads=lambda: [SimpleNamespace(component="scheduler")], secret=read, config_map_keys=read
        ),
    )


def test_what_the_next_pod_would_wait_for_is_told() -> None:
    """Not what is optional; a Secret for images is noted only."""

    def read(name: str) -> dict[str, str]:
        if name != "there":
            raise NotFound(name)
        return dict.fromkeys("afh", "")

    notes: list[str] = []
    assert [told.split(" does not exist")[0] for told in absent_objects(running(read, notes))] == [
        "ConfigMap of-env",
        "ConfigMap projected",
        "Secret mounted",
        "Secret of-init",
    ]
    assert notes == ["Secret for pulling images registry of s-1 does not exist"]


def test_a_key_that_the_next_pod_would_wait_for_is_told() -> None:
    """Of a variable and of a volume; not one that is optional, nor any where all of an object is taken."""
    held = {"there": "ag", "of-env": "b"}
    assert absent_objects(running(lambda name: dict.fromkeys(held.get(name, ""), "x"), [])) == [
        f"Secret there has no key {key} but a, g, and without it the next pod like s-1 waits: was it made anew with "
        "other keys?"
        for key in "fh"
    ]


DATA: Json = {"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}}


def claiming(name: str, phase: str = "Running", **labels: str) -> Pod:
    metadata = {"name": name, "uid": name, "labels": labels}
    return Pod({"metadata": metadata, "spec": {"volumes": [DATA]}, "status": {"phase": phase}})


@pytest.mark.parametrize(
    ("claim", "told", "noted"),
    [
        ({"metadata": {}}, 0, 0),
        ({"metadata": {"deletionTimestamp": "2024-01-01T00:00:00Z"}}, 1, 0),
        (NotFound("data-0"), 0, 0),
        (Forbidden("it may not"), 0, 1),
    ],
)
def test_a_claim_that_somebody_deleted_is_told(claim: Json | Exception, told: int, noted: int) -> None:
    """With the pods that keep it, those of the bundled PostgreSQL too; not those of others, nor what has ended."""
    notes: list[str] = []

    def read(name: str) -> Json:
        if isinstance(claim, Exception):
            raise claim
        return claim

    pods = [
        claiming("s-1", release="airflow"),
        claiming("pg-0", **{"app.kubernetes.io/instance": "airflow"}),
        claiming("task", "Succeeded", release="airflow"),
        claiming("other", release="other"),
    ]
    subject: Any = SimpleNamespace(
        release="airflow",
        note=lambda _, text: notes.append(text),
        cluster=SimpleNamespace(pods=lambda: pods, claim=read),
    )
    found = doomed_claims(subject)
    says = "PersistentVolumeClaim data-0 was deleted at 2024-01-01T00:00:00Z and goes when s-1, pg-0 end"
    assert [one.split(", as a rule")[0] for one in found] == [says][:told]
    assert len(notes) == noted


POD_SECURITY = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": seccompProfile'
ACCOUNT = 'pods "x" is forbidden: error looking up service account airflow/gone: serviceaccount "gone" not found'


@pytest.mark.parametrize(
    ("answer", "found", "noted"),
    [
        (None, 0, 0),
        (ApiError(f"POST pods: 403 {POD_SECURITY}", status=403), 1, 0),
        (ApiError(f"POST pods: 403 {ACCOUNT}", status=403), 1, 0),
        (ApiError('POST pods: 403 pods "x" is forbidden: no PriorityClass with name high was found', status=403), 1, 0),
        (ApiError('POST pods: 403 pods "x" is forbidden: exceeded quota: site, requested: pods=1', status=403), 0, 0),
        (ApiError('POST pods: 400 admission webhook "policy" denied the request: a bare pod', status=400), 0, 0),
        (Forbidden("the user of this context may not create pods"), 0, 1),
    ],
)
def test_a_pod_that_could_not_be_made_again_is_told(answer: Exception | None, found: int, noted: int) -> None:
    """Only what admission says of every such pod counts; nothing where this user may not ask, or where none runs."""
    asked: list[tuple[str, Json]] = []

    def try_to_create(path: str, pod: Json) -> None:
        asked.append((path, pod))
        if answer:
            raise answer

    notes: list[str] = []
    raw = {
        "kind": "StatefulSet",
        "metadata": {"name": "airflow-worker"},
        "spec": {
            "template": {
                "metadata": {"labels": {"component": "worker"}},
                "spec": {"serviceAccountName": "worker", "volumes": [{"name": "config"}]},
            },
            "volumeClaimTemplates": [{"metadata": {"name": "logs"}}],
        },
    }
    of_worker = Workload({**raw, "metadata": {"name": "airflow-worker", "labels": {"component": "worker"}}})
    at_rest = Workload({**raw, "metadata": {"name": "airflow-statsd", "labels": {"component": "statsd"}}})
    subject: Any = SimpleNamespace(
        namespace="airflow",
        run_id="r",
        running=lambda component: ["a pod"] if component == "worker" else [],
        note=lambda _, text: notes.append(text),
        cluster=SimpleNamespace(
            workloads=lambda: [of_worker, at_rest], kube=SimpleNamespace(try_to_create=try_to_create)
        ),
    )
    told = not_taken_again(subject)
    assert [one.split(" that run")[0] for one in told] == ["the pods of statefulset/airflow-worker"][:found]
    assert len(notes) == noted
    ((path, pod),) = asked
    assert path == "/api/v1/namespaces/airflow/pods"
    assert (pod["kind"], pod["metadata"]["labels"]) == ("Pod", {"component": "worker"})
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["config", "logs"]
