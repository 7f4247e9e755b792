"""An existing deployment is asked for everything the run will do before it does anything."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fixtures import existing, rbac
from fixtures.errors import CannotSee, HarnessError, Refused, UsageError
from fixtures.helm import Helm
from fixtures.kube import Forbidden, Kube, NotFound
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


WANTED = rbac.needed({"AF-NS-001", "AF-POD-006"}, acting=True, disturbing=False)


def test_every_missing_permission_is_named_at_once() -> None:
    kube = StubKube(forbidden=("watch pods", "watch deployments"))
    with pytest.raises(CannotSee, match=r"airflow: watch pods, watch deployments\.apps\n"):
        existing.require_permissions(kube, "airflow", WANTED)


def test_all_permissions_are_enough() -> None:
    existing.require_permissions(StubKube(), "airflow", WANTED)


def test_who_only_looks_is_asked_by_looking() -> None:
    class Half(StubKube):
        def get(self, path: str, query: Any = None) -> Any:
            if path.endswith("/secrets"):
                raise Forbidden("the user may not list secrets")
            return {"items": []}

        def may(self, *asked: Any) -> bool:
            raise AssertionError("a review of rights is a create")

    wanted = rbac.needed(set(), acting=False, disturbing=False)
    with pytest.raises(CannotSee, match=r"airflow: list secrets \(the user may not list secrets\)"):
        existing.require_permissions(Half(), "airflow", wanted, reading=True)


@pytest.mark.parametrize("name", ["prod", "airflow-prod", "gke_acme_europe_production-1", "PRD", "live.example.org"])
def test_what_looks_like_production_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="looks like production"):
        existing.refuse_production("staging", name)


@pytest.mark.parametrize("name", ["staging", "kind-dev", "product-catalogue", "delivery", "reproduce", ""])
def test_other_names_do_not(name: str) -> None:
    existing.refuse_production(name)


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


def test_values_below_another_chart_are_those_of_airflow() -> None:
    part = {"executor": "CeleryExecutor", "defaultAirflowTag": "2.9.0", "fernetKeySecretName": "my-fernet"}
    site = {"global": {}, "ingress": {"enabled": True}}
    context: Any = SimpleNamespace(settings=SimpleNamespace(NAMESPACE="n"), warnings=[])

    def told(values: dict[str, Any]) -> dict[str, Any]:
        return existing.release_values(context, cast("Helm", SimpleNamespace(values=lambda *_: values)), "airflow")

    assert told(part) == part
    assert told({**site, "airflow": part}) == part
    assert context.warnings == []
    assert told({**site, "blue": part, "green": part}) == {}
    assert "2 Airflows" in context.warnings[0]
