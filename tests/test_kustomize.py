"""Overlays: what is refused before anything is created."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures import kustomize
from fixtures.errors import UsageError

POD = {"kind": "Pod", "metadata": {"name": "a", "namespace": "airflow"}, "spec": {"containers": [{"image": "web:1"}]}}
OVERLAY = Path("overlay")


def test_an_overlay_of_the_namespace_is_taken() -> None:
    kustomize.require_namespace([POD, {"kind": "ClusterRole", "metadata": {"name": "b"}}], OVERLAY, "airflow")


def test_another_namespace_is_named() -> None:
    with pytest.raises(UsageError, match="into namespace airflow, not into data"):
        kustomize.require_namespace([POD], OVERLAY, "data")


def test_an_empty_overlay_is_refused() -> None:
    with pytest.raises(UsageError, match="holds no objects"):
        kustomize.require_namespace([], OVERLAY, "airflow")


def test_images_that_are_not_at_hand_are_named() -> None:
    kustomize.require_images([POD], "the overlay o", frozenset({"web:1"}))
    with pytest.raises(UsageError, match="not at hand: web:1"):
        kustomize.require_images([POD], "the overlay o", frozenset({"web:2"}))


@pytest.mark.parametrize(
    ("image", "version"),
    [("apache/airflow:2.9.0", "2.9.0"), ("own:5000/airflow:2.8.4-python3.11", "2.8.4"), ("own/airflow:latest", "")],
)
def test_the_version_is_that_of_the_schedulers_tag(image: str, version: str) -> None:
    entry = workload(component="scheduler")
    entry["spec"] = {"template": {"spec": {"containers": [{"name": "scheduler", "image": image}]}}}
    assert kustomize.scheduler_version([POD, entry]) == version
    assert kustomize.scheduler_version([POD]) == ""


def workload(**labels: str) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": "airflow-scheduler", "labels": labels}}


def test_an_overlay_of_another_release_is_refused() -> None:
    kustomize.require_release([POD, workload(release="airflow", tier="airflow")], OVERLAY, "airflow")
    with pytest.raises(UsageError, match="release=airflow; releases in it: prod"):
        kustomize.require_release([workload(release="prod", tier="airflow")], OVERLAY, "airflow")
    with pytest.raises(UsageError, match="releases in it: none"):
        kustomize.require_release([POD, workload(app="airflow")], OVERLAY, "airflow")


RENDERED = """---
# Source: airflow/templates/secrets/extra-secrets.yaml
apiVersion: v1
kind: Secret
metadata:
  name: mine
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "0", mine: "yes"}
data: {key: bWluZQ==}
---
# Source: airflow/templates/service.yaml
kind: Service
metadata: {name: plain}
spec: {port: 0o17}
---
kind: Job
metadata: {name: by-hook, annotations: {helm.sh/hook: post-install}}
---
# nothing at all
"""


def test_secrets_that_are_hooks_become_ordinary_objects() -> None:
    """Helm would make them before all others; without them the pods of the overlay could not start."""
    kept = kustomize.without_hooks(RENDERED)
    secret, service = yaml.safe_load_all(kept)
    assert (secret["metadata"]["name"], secret["data"]) == ("mine", {"key": "bWluZQ=="})
    assert secret["metadata"]["annotations"] == {"mine": "yes"}
    assert service["metadata"]["name"] == "plain"
    assert "spec: {port: 0o17}" in kept, "what is no hook stays as it was printed"


SERVICE = {
    "kind": "Service",
    "metadata": {"name": "web", "finalizers": []},
    "spec": {"ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}], "selector": None},
}


def test_entries_that_kubectl_merged_into_one_are_told() -> None:
    """`kubectl apply` tells the ports of a Service apart by their number (kubernetes/kubernetes#105610)."""
    merged = {"kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80, "protocol": "UDP"}]}}
    assert kustomize.uneven(SERVICE, merged) == ["spec.ports has 1 of 2 entries"]
    assert kustomize.uneven(SERVICE, {"spec": {}}) == ["spec.ports has 0 of 2 entries"]


def test_what_the_cluster_adds_or_leaves_out_is_no_loss() -> None:
    ports = [{**port, "targetPort": 80} for port in SERVICE["spec"]["ports"]]  # type: ignore[index]
    there = {**SERVICE, "metadata": {"name": "web", "uid": "1"}, "spec": {"ports": ports, "clusterIPs": ["10.0.0.1"]}}
    assert kustomize.uneven(SERVICE, there) == []
    nested = {"spec": {"containers": [{"name": "a", "env": [{"name": "X"}, {"name": "X"}]}]}}
    dropped = {"spec": {"containers": [{"name": "a", "env": [{"name": "X"}]}]}}
    assert kustomize.uneven(nested, dropped) == ["spec.containers[0].env has 1 of 2 entries"]


def test_what_kubectl_says_is_told(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\necho 'error: no such chart' >&2\nexit 1\n")
    kubectl.chmod(0o755)
    with pytest.raises(UsageError, match=r"cannot build the overlay .*: error: no such chart"):
        kustomize.build(kubectl, tmp_path)
