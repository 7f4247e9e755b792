"""Secrets and ConfigMaps that pods need, and that are gone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fixtures.kube import Json, NotFound
from fixtures.observations.references import absent_objects
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
                {"name": "E", "value": "e"},
            ],
        }
    ],
    "volumes": [
        {"name": "a", "secret": {"secretName": "mounted"}},
        {"name": "b", "projected": {"sources": [{"configMap": {"name": "projected"}}, {"serviceAccountToken": {}}]}},
        {"name": "c", "configMap": {"name": "optional", "optional": True}},
        {"name": "d", "emptyDir": {}},
    ],
    "imagePullSecrets": [{"name": "registry"}],
}


def test_what_the_next_pod_would_wait_for_is_told() -> None:
    """Not what is optional; a Secret for images is noted only."""

    def read(name: str) -> dict[str, str]:
        if name != "there":
            raise NotFound(name)
        return {}

    notes: list[str] = []
    subject: Any = SimpleNamespace(
        executor=Executor.CELERY,
        running=lambda component: [SimpleNamespace(name="s-1", raw={"spec": SPEC})],
        note=lambda _, text: notes.append(text),
        cluster=SimpleNamespace(
            workloads=lambda: [SimpleNamespace(component="scheduler")], secret=read, config_map=read
        ),
    )
    assert [told.split(" does not exist")[0] for told in absent_objects(subject)] == [
        "ConfigMap of-env",
        "ConfigMap projected",
        "Secret mounted",
        "Secret of-init",
    ]
    assert notes == ["Secret for pulling images registry of s-1 does not exist"]
