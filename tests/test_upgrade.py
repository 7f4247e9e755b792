"""What an upgrade is judged by, as far as it can be told without a cluster."""

from __future__ import annotations

from typing import Any

from fixtures.observations.upgrade import identity


def secret(uid: str, value: str, **annotations: str) -> dict[str, Any]:
    metadata = {"name": "mine", "uid": uid, "resourceVersion": uid, "annotations": annotations}
    return {"kind": "Secret", "metadata": metadata, "data": {"key": value}}


def test_a_hook_that_is_made_anew_with_the_same_content_is_the_same() -> None:
    hook = {"helm.sh/hook": "pre-install,pre-upgrade"}
    before = identity("secrets", secret("1", "a", **hook))
    assert identity("secrets", secret("2", "a", **hook)) == before
    assert identity("secrets", secret("2", "b", **hook)) != before


def test_an_object_that_is_made_anew_is_another_one() -> None:
    assert identity("secrets", secret("1", "a")) != identity("secrets", secret("2", "a"))


def test_of_a_workload_only_what_is_declared_counts() -> None:
    metadata = {"name": "scheduler", "uid": "1", "generation": 3}
    before, after = ({"metadata": {**metadata, "resourceVersion": version}} for version in ("7", "8"))
    assert identity("deployments", before) == identity("deployments", after)
