"""An existing deployment is asked for everything the run will do before it does anything."""

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import existing
from fixtures.errors import CannotSee, HarnessError, UsageError
from fixtures.kube import Kube, NotFound
from fixtures.settings import Executor


class StubKube(Kube):
    """Answers what a test says."""

    def __init__(self, objects: dict[str, Any] | None = None, forbidden: tuple[str, ...] = ()) -> None:
        self.objects = objects or {}
        self.forbidden = forbidden

    def get(self, path: str, query: Any = None) -> Any:
        if path not in self.objects:
            raise NotFound(path)
        return self.objects[path]

    def may(self, verb: str, group: str, resource: str, namespace: str, subresource: str = "") -> bool:
        return f"{verb} {resource}" not in self.forbidden


def test_a_missing_namespace_is_named() -> None:
    with pytest.raises(UsageError, match="no namespace airflow"):
        existing.require_namespace(StubKube(), "airflow")


def test_every_missing_permission_is_named_at_once() -> None:
    with pytest.raises(CannotSee, match=r"watch pods, watch deployments\.apps"):
        existing.require_permissions(StubKube(forbidden=("watch pods", "watch deployments")), "airflow")


def test_all_permissions_are_enough() -> None:
    existing.require_permissions(StubKube(), "airflow")


def workloads(label: str) -> dict[str, Any]:
    """A namespace whose scheduler declares an executor."""
    scheduler = {"metadata": {"name": "airflow-scheduler", "labels": {"executor": label}}}
    base = "/apis/apps/v1/namespaces/airflow"
    return {f"{base}/deployments": {"items": [scheduler]}, f"{base}/statefulsets": {"items": []}}


def test_the_executor_is_detected() -> None:
    kube = StubKube(workloads("CeleryExecutor"))
    assert existing.detect_executor(kube, "airflow", "airflow") is Executor.CELERY


def test_an_executor_that_the_readme_does_not_promise_must_be_named() -> None:
    with pytest.raises(UsageError, match="cannot be told"):
        existing.detect_executor(StubKube(workloads("LocalExecutor")), "airflow", "airflow")


def test_dns_is_asked_for_in_a_pod_that_can_answer() -> None:
    def subject(*ready: str, answer: int = 2) -> Any:
        def inside(pod: Any, container: str) -> Any:
            assert container in ready
            return SimpleNamespace(run=lambda command: SimpleNamespace(rc=answer))

        def pods(component: str) -> list[Any]:
            return [SimpleNamespace(name=f"{component}-1", ready=component in ready)]

        return SimpleNamespace(cluster=SimpleNamespace(pods=pods, inside=inside))

    existing.require_dns(subject())  # nothing is ready, which is for the checks to tell
    existing.require_dns(subject("scheduler", answer=0))
    with pytest.raises(HarnessError, match="pod webserver-1 cannot resolve"):
        existing.require_dns(subject("webserver"))
