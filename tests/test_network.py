"""Whom NetworkPolicies let in, and what that means for a look at the webserver from inside the cluster."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.test_components import test_the_webserver_answers_through_its_service as judge
from fixtures.errors import Unsupported
from fixtures.objects import Pod
from fixtures.observations import network, others_behind
from fixtures.observations.network import admits, closed_to_prometheus, connections, dead_ends
from fixtures.settings import Executor
from fixtures.subject import PROBES, Subject

LABELS = {"component": "scheduler", "release": "airflow"}
SCHEDULER = Pod({"metadata": {"name": "s", "uid": "u", "labels": LABELS}, "spec": {}, "status": {"podIP": "10.0.0.7"}})
POLICY = {"metadata": {"name": "airflow-scheduler-policy", "labels": {"release": "airflow"}}}
INGRESS_CONTROLLER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}


@pytest.mark.parametrize(
    ("sources", "admitted"),
    [
        ([], True),
        ([INGRESS_CONTROLLER], False),
        ([INGRESS_CONTROLLER, {"podSelector": {"matchLabels": {"release": "airflow"}}}], True),
        ([{"podSelector": {}}], True),
        ([{"namespaceSelector": {}}], True),
        ([{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "proxy"}}}], False),
        ([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "data"}}}], True),
        (
            [{"podSelector": {"matchExpressions": [{"key": "component", "operator": "In", "values": ["flower"]}]}}],
            False,
        ),
        ([{"podSelector": {"matchExpressions": [{"key": "component", "operator": "Exists"}]}}], True),
        ([{"ipBlock": {"cidr": "10.0.0.0/8"}}], True),
        ([{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/24"]}}], False),
    ],
)
def test_whom_a_policy_lets_in(sources: list[dict[str, Any]], admitted: bool) -> None:
    assert admits({"ingress": [{"from": sources, "ports": [{"port": 8080}]}]}, SCHEDULER, "data") is admitted


OWN = {"podSelector": {"matchLabels": {"tier": "airflow", "release": "airflow"}}}
METRICS, EVENTS = {"protocol": "TCP", "port": 9102}, {"protocol": "UDP", "port": 9125}
CHARTS = {"from": [OWN], "ports": [EVENTS, METRICS]}


@pytest.mark.parametrize(
    ("policies", "closed"),
    [
        ([], False),
        ([[CHARTS]], True),
        ([[]], True),
        ([[CHARTS, {"from": [{"namespaceSelector": {}}], "ports": [EVENTS]}]], True),
        ([[{**CHARTS, "from": [OWN, {"namespaceSelector": {}}]}]], False),
        ([[CHARTS], [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]], False),  # one more of the site's
        ([[CHARTS, {"from": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}], "ports": [METRICS]}]], False),
        ([[CHARTS, {"from": [{"podSelector": {}}], "ports": [{"port": "statsd-scrape"}]}]], False),
        ([[{"ports": [METRICS]}]], False),
    ],
)
def test_metrics_that_only_the_release_s_own_pods_may_read_are_told(policies: list[Any], closed: bool) -> None:
    found = {f"policy-{number}": {"ingress": rules} for number, rules in enumerate(policies)}
    exporter = SimpleNamespace(labels={"release": "airflow"})
    subject: Any = SimpleNamespace(pod=lambda _: exporter, cluster=SimpleNamespace(policies_on=lambda _: found))
    assert bool(closed_to_prometheus(subject)) == closed


def test_a_policy_without_a_rule_lets_nobody_in() -> None:
    assert not admits({"podSelector": {}}, SCHEDULER, "data")


def release(error: str, *policies: dict[str, Any], read_only: bool = False) -> Subject:
    """A release whose webserver does not answer inside the cluster."""
    found = {f"policy-{number}": spec for number, spec in enumerate(policies)}
    cluster = SimpleNamespace(
        service=lambda name: {"spec": {"ports": [{"port": 8080}]}},
        endpoints=lambda name: ["10.0.0.8"],
        strangers_behind=lambda name, component: [],
        policies_on=lambda pod: found,
    )
    return cast(
        "Subject",
        SimpleNamespace(
            cluster=cluster,
            namespace="data",
            path_prefix="",
            webserver_scheme="http",
            webserver_port=8080,
            settings=SimpleNamespace(READONLY=read_only),
            see=lambda observation: None,
            webserver_service=lambda: ("airflow-webserver", 8080),
            pod=lambda component: SCHEDULER,
            get_from_inside=lambda url: {"status": 0, "body": "", "error": error},
            out_of_reach=Unsupported,
        ),
    )


ONLY_INGRESS = {"ingress": [{"from": [INGRESS_CONTROLLER]}]}


def test_a_webserver_that_is_open_to_others_only_cannot_be_looked_at_from_inside() -> None:
    for one in (release("timed out", ONLY_INGRESS), release("503: i/o timeout", ONLY_INGRESS, read_only=True)):
        with pytest.raises(Unsupported, match="NetworkPolicy policy-0 opens the webserver to others only"):
            judge(one)


def test_a_firewall_may_keep_the_api_server_from_the_webserver() -> None:
    with pytest.raises(Unsupported, match="i/o timeout"):
        judge(release("503: i/o timeout", read_only=True))


@pytest.mark.parametrize(
    "subject",
    [
        release("timed out"),
        release("503: connection refused", read_only=True),
        release("503: i/o timeout", {"podSelector": {}}, read_only=True),
        release("[Errno 111] Connection refused", ONLY_INGRESS),
        release("timed out", ONLY_INGRESS, {"ingress": [{"from": [{"podSelector": {}}]}]}),
        release("timed out", {"podSelector": {}}),
    ],
)
def test_a_webserver_that_should_answer_and_does_not_is_accused(subject: Subject) -> None:
    with pytest.raises(AssertionError, match="from inside the cluster"):
        judge(subject)


def test_a_second_server_behind_an_external_service_is_named() -> None:
    """Not one that has ended, nor another address of the server itself."""
    phases = {"own": "Running", "old": "Running", "ended": "Succeeded", "elsewhere": "Running"}
    pods = [SimpleNamespace(name=name, address=f"ip-of-{name}", phase=phase) for name, phase in phases.items()]
    behind = ["ip-of-own", "ip-v6-of-own", "ip-of-old", "ip-of-ended"]
    cluster = SimpleNamespace(endpoints=lambda _: behind, pods=lambda: pods)
    subject: Any = SimpleNamespace(cluster=cluster, own_pod=lambda *_: pods[0])
    assert others_behind(subject, "redis-external") == ["old"]


@pytest.mark.parametrize(
    ("behind", "found"),
    [
        ([["a:1", "dead:1"]], ["dead:1: no connection"]),
        ([["dead:1"]], []),  # met by whoever connects
        ([[]], []),
        ([["a:1", "b:1"]], []),
        ([["a:1", "dead:1"], ["a:1", "b:1"], ["a:1", "b:1"]], []),  # a pod that was replaced meanwhile
        ([["a:1", "b:1", "dead:1"], ["a:1", "b:1", "dead:1"], ["a:1", "b:1"]], []),
    ],
)
def test_a_dead_server_among_several_is_named(behind: list[list[str]], found: list[str]) -> None:
    looks = iter(behind)

    def servers(service: str, port: int) -> list[str]:
        return next(looks, behind[-1])

    def ask(component: str, probe: str, seconds: str, *asked: str) -> dict[str, str]:
        return {one: "no connection" if one.startswith("dead") else "" for one in asked}

    subject: Any = SimpleNamespace(cluster=SimpleNamespace(servers=servers), ask=ask)
    assert dead_ends(subject, "postgres-external", 15432) == found


def test_something_listens_while_it_is_asked_for() -> None:
    code = (PROBES / "listen.py").read_text()
    asked = subprocess.run([sys.executable, "-c", code, "5"], capture_output=True, text=True, timeout=4, check=True)
    for _ in range(2):
        socket.create_connection(("127.0.0.1", json.loads(asked.stdout)), 2).close()


@pytest.mark.parametrize("why", ["", "no connection (timed out)", "no connection (Connection refused)"])
def test_policies_are_enforced_where_the_scheduler_listens_and_nobody_gets_there(why: str) -> None:
    answers = {"airflow-statsd:9102": "", "10.0.0.7:4711": why}
    subject: Any = SimpleNamespace(
        fullname="airflow",
        release="airflow",
        executor=Executor.KUBERNETES,
        see=lambda _: None,
        pod=lambda _: SCHEDULER,
        statsd_service=lambda: "airflow-statsd",
        ask=lambda component, probe, *_: 4711 if (component, probe) == ("scheduler", "listen") else answers,
        cluster=SimpleNamespace(network_policies=lambda: [POLICY]),
    )
    found = connections.look(subject)
    assert found.enforced is bool(why) and not any(found.needed.values())


@pytest.mark.parametrize("declared", ["", "9793"])
def test_logs_of_workers_are_asked_for_at_the_declared_port(declared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "worker_stands", lambda _: True)
    worker = SimpleNamespace(name="airflow-worker-0", address="10.0.0.9")

    def ask(component: str, probe: str, *goals: str) -> Any:
        return (
            4711 if probe == "listen" else {goal: "" if goal.endswith(("9102", "9793")) else "shut" for goal in goals}
        )

    subject: Any = SimpleNamespace(
        fullname="airflow",
        release="airflow",
        see=lambda _: None,
        option=lambda section, key, default, component: declared or default,
        pod=lambda _: SCHEDULER,
        running=lambda _: [worker],
        statsd_service=lambda: "airflow-statsd",
        ask=ask,
        cluster=SimpleNamespace(network_policies=lambda: [POLICY]),
    )
    assert bool(connections.look(subject).needed["logs of airflow-worker-0"]) is not bool(declared)
