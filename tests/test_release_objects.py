"""What tells one state of a release's objects from another, and what is left of one before."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.deployment import Deployment
from fixtures.objects import Workload
from fixtures.observations import release_objects
from fixtures.observations.release_objects import identity, labels_of_what_workloads_use, left_over
from tests.test_migration import release


def secret(uid: str, value: str, **annotations: str) -> dict[str, Any]:
    metadata = {"name": "mine", "uid": uid, "resourceVersion": uid, "annotations": annotations}
    return {"kind": "Secret", "metadata": metadata, "data": {"key": value}}


def test_a_hook_that_is_made_anew_with_the_same_content_is_the_same() -> None:
    hook = {"helm.sh/hook": "pre-install,pre-upgrade"}
    before = identity(secret("1", "a", **hook))
    assert identity(secret("2", "a", **hook)) == before
    assert identity(secret("2", "b", **hook)) != before


def test_an_object_that_is_made_anew_is_another_one() -> None:
    assert identity(secret("1", "a")) != identity(secret("2", "a"))


def test_of_a_workload_only_what_is_declared_counts() -> None:
    metadata = {"name": "scheduler", "uid": "1", "generation": 3}
    before, after = (
        {"kind": "Deployment", "metadata": {**metadata, "resourceVersion": version}} for version in ("7", "8")
    )
    assert identity(before) == identity(after)


def test_what_kubectl_apply_leaves_of_the_release_before_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def item(kind: str, name: str, **metadata: Any) -> Any:
        return {"kind": kind, "metadata": {"name": name, **metadata}}

    there = {
        "cronjobs": [item("CronJob", "airflow-cleanup")],
        "deployments": [item("Deployment", "airflow-scheduler")],
        "secrets": [item("Secret", "made", ownerReferences=[{}])],
    }
    monkeypatch.setattr(
        release_objects, "objects", lambda subject, *kinds: [one for kind in kinds for one in there.get(kind, [])]
    )
    overlay = Deployment("own", overlay=Path("own"), objects=(item("Deployment", "airflow-scheduler"),))
    assert left_over(release(deployment=overlay)) == ["cronjob/airflow-cleanup"]


def test_what_workloads_use_is_of_their_chart() -> None:
    """Hooks, labels of no chart, and what no workload uses say nothing."""
    labels = {
        ("Service", "airflow-statsd"): "airflow-1.11.0",
        ("Service", "airflow-statsd-exposed"): "airflow-1.11.0",
        ("ConfigMap", "airflow-statsd"): "airflow-1.15.0",
        ("ConfigMap", "copy-of-users"): "airflow-1.11.0",
    }
    items = [
        {"kind": kind, "metadata": {"name": name, "labels": {"chart": chart}}} for (kind, name), chart in labels.items()
    ]
    volumes = [{"name": "m", "configMap": {"name": "airflow-statsd"}}]
    raw = {"metadata": {"labels": {"component": "statsd"}}, "spec": {"template": {"spec": {"volumes": volumes}}}}
    asked = SimpleNamespace(kubectl_run=lambda *_: SimpleNamespace(stdout=json.dumps({"items": items})))
    cluster = SimpleNamespace(workloads=lambda: [Workload(raw)], tools=asked)
    subject: Any = SimpleNamespace(cluster=cluster, fullname="airflow", namespace="airflow", release="airflow")
    found = labels_of_what_workloads_use(subject)
    assert found == {"service/airflow-statsd": "airflow-1.11.0", "configmap/airflow-statsd": "airflow-1.15.0"}
