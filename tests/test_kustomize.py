"""Overlays: what is refused before anything is created."""

from pathlib import Path

import pytest

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
    kustomize.require_images([POD], OVERLAY, frozenset({"web:1"}))
    with pytest.raises(UsageError, match="not at hand: web:1"):
        kustomize.require_images([POD], OVERLAY, frozenset({"web:2"}))


def test_what_kubectl_says_is_told(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\necho 'error: no such chart' >&2\nexit 1\n")
    kubectl.chmod(0o755)
    with pytest.raises(UsageError, match=r"cannot build the overlay .*: error: no such chart"):
        kustomize.build(kubectl, tmp_path)
