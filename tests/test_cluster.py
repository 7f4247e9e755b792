"""Quantities, pods, workloads and the verbs of a cluster."""

import base64
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.cluster import Cluster
from fixtures.containers import Tools
from fixtures.errors import BudgetExceeded, CannotSee, HarnessError, TargetFailed
from fixtures.kube import ApiError, Forbidden, NotFound
from fixtures.objects import Container, Pod, Resources, Workload, quantity, rollout
from fixtures.wait import Budgets, Cancelled, Waiter
from fixtures.watch import Recorder
from tests.stub_api import (
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NOW,
    PODS,
    REPLICASETS,
    RUNNING,
    STATEFULSETS,
    Fault,
    StubApi,
    container,
    deployment,
    event,
    eventually,
    job,
    job_pod,
    member,
    pod,
    replica,
    replicaset,
    running,
    statefulset,
    terminated,
    waiting,
)

# Quantities.


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100m", "0.1"),
        ("0.1", "0.1"),
        (".5", "0.5"),
        ("2", "2"),
        (2, "2"),
        ("256Mi", "268435456"),
        ("512M", "512000000"),
        ("1.5Gi", "1610612736"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("12e-3", "0.012"),
        ("1E", "1000000000000000000"),
        ("1Ei", "1152921504606846976"),
        ("100n", "0.0000001"),
        ("5u", "0.000005"),
        ("3k", "3000"),
        ("-1", "-1"),
        ("+1", "1"),
    ],
)
def test_quantities(text: str, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "m", "1K", "1mi", "1 Gi", "one", "0x10", "1.2.3", "1e", "Ki", "1Kii", "٣", "1\n"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(HarnessError, match="no quantity"):
        quantity(text)


@given(st.integers(0, 10**6), st.sampled_from(["Ki", "Mi", "Gi", "Ti", "k", "M", "G", "T", ""]))
def test_a_suffix_is_a_factor(number: int, suffix: str) -> None:
    assert quantity(f"{number}{suffix}") == number * quantity(f"1{suffix}")


@given(st.integers(0, 10**9))
def test_millicores_survive_every_spelling(millicores: int) -> None:
    for text in (f"{millicores}m", str(Decimal(millicores) / 1000), f"{millicores}e-3", f"{millicores * 1000}u"):
        assert Resources.of(requests={"cpu": text}).cpu_request == millicores


@given(st.text(max_size=8))
def test_any_text_is_a_quantity_or_said_not_to_be(text: str) -> None:
    try:
        assert isinstance(quantity(text), Decimal)
    except HarnessError as error:
        assert error.remedy


def test_resources_of_one_amount_are_equal_however_they_are_written() -> None:
    one = Resources.of(requests={"cpu": "100m", "memory": "256Mi"}, limits={"cpu": "500m", "memory": "512Mi"})
    other = Resources.of(requests={"cpu": "0.1", "memory": "262144Ki"}, limits={"cpu": "0.5", "memory": "536870912"})
    assert one == other == Resources(100, 268435456, 500, 536870912)
    assert str(one) == "requests cpu 100m, memory 256Mi; limits cpu 500m, memory 512Mi"
    assert Resources.of() != one
    assert str(Resources.of()) == "requests cpu none, memory none; limits cpu none, memory none"


def test_fractions_are_rounded_up_as_the_api_server_does() -> None:
    assert Resources.of(requests={"cpu": "100u", "memory": "1500m"}) == Resources(1, 2, None, None)


# Pods and containers.


def test_a_pod_as_it_is() -> None:
    seen = Pod(
        pod(
            "task-x",
            "worker",
            container("base", terminated(137, "OOMKilled"), imageID="sha256:1"),
            init=(container("git-sync-init", terminated(0, "Completed"), restarts=1),),
            phase="Failed",
            annotations={"run_id": "manual__1"},
        )
    )
    assert (seen.name, seen.uid, seen.phase, seen.node, seen.restarts) == ("task-x", "uid-task-x", "Failed", "", 1)
    assert seen.labels["component"] == "worker"
    assert list(seen.containers) == ["base"]
    assert list(seen.init_containers) == ["git-sync-init"]
    base = seen.container("base")
    assert (base.state, base.exit_code, base.running) == ("terminated: OOMKilled (exit code 137)", 137, False)
    assert base.image_id == "sha256:1"
    assert seen.container("git-sync-init").exit_code == 0
    assert not seen.ready
    with pytest.raises(TargetFailed, match="no container git-sync, but git-sync-init, base"):
        seen.container("git-sync")


def test_a_pod_without_any_status_yet() -> None:
    seen = Pod({"metadata": {"name": "a", "uid": "1"}, "spec": {"containers": [{"name": "base", "image": "x"}]}})
    assert seen.phase == "Pending"
    assert seen.container("base").state == "waiting: not started"
    assert seen.restarts == 0
    assert seen.labels == {}


def test_of_two_variables_with_one_name_the_last_one_counts() -> None:
    made = Container.of(
        {
            "name": "scheduler",
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "airflow-metadata", "key": "connection"}}},
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
                {"name": "B", "value": "plain"},
                {"name": "C"},
                {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
        },
        {},
    )
    assert made.env == {"B": "plain", "C": ""}
    assert made.references == {"A": "configmap/c#k", "D": "field metadata.name"}


@pytest.mark.parametrize(
    ("name", "hostname", "expected"),
    [
        ("airflow-worker-0", "airflow-worker-0.airflow-worker.airflow.svc.cluster.local", True),
        ("airflow-worker-0", "airflow-worker-0", True),
        ("airflow-worker-0", "10.0.0.7", True),
        ("airflow-worker-0", "fd00::7", True),
        ("airflow-worker-0", "airflow-worker-01", False),
        ("airflow-worker-0", "", False),
        ("a" * 70, "a" * 63, True),
        ("a" * 62 + "-bcdef", "a" * 62, True),
    ],
)
def test_who_a_host_name_belongs_to(name: str, hostname: str, expected: bool) -> None:
    raw = pod(name)
    raw["status"] |= {"podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}, {"ip": "fd00::7"}]}
    assert Pod(raw).is_host(hostname) is expected


# Rollouts.


def missing(workload: dict[str, Any], *pods: dict[str, Any], sets: tuple[dict[str, Any], ...] = ()) -> str:
    return rollout(Workload(workload), pods, sets)


class TestDeployment:
    SETS = (replicaset("webserver", 1), replicaset("webserver", 2))

    def test_is_rolled_out(self) -> None:
        assert missing(deployment("webserver", revision=2), replica("webserver", 2), sets=self.SETS) == ""

    def test_a_change_that_nobody_took_up_yet(self) -> None:
        behind = deployment("webserver", generation=3, observed=2, revision=1)
        assert "not taken up" in missing(behind, replica("webserver", 1), sets=self.SETS)

    def test_an_older_pod_still_serves_while_the_counts_look_fine(self) -> None:
        done = deployment("webserver", revision=2)
        old, new = replica("webserver", 1), replica("webserver", 2)
        assert "airflow-webserver-r1-x of an older revision" in missing(done, old, new, sets=self.SETS)
        leaving = replica("webserver", 1, deletionTimestamp="2026-01-01T12:00:00Z")
        assert "older revision" in missing(done, leaving, new, sets=self.SETS), "it still works while it terminates"
        evicted = replica("webserver", 1, phase="Failed")
        assert missing(done, evicted, new, sets=self.SETS) == ""

    def test_an_older_pod_whose_replicaset_is_gone(self) -> None:
        assert "older" in missing(
            deployment("webserver", revision=2), replica("webserver", 1), replica("webserver", 2), sets=self.SETS[1:]
        )

    @pytest.mark.parametrize(
        ("counts", "said"),
        [
            ({"updated": 0}, "0 of 1 updated"),
            ({"available": 0}, "0 of 1 available"),
            ({"total": 2}, "2 pods, 1 wanted"),
            ({"replicas": 2, "updated": 2, "available": 1}, "1 of 2 available"),
        ],
    )
    def test_says_what_is_missing(self, counts: dict[str, int], said: str) -> None:
        assert said in missing(deployment("webserver", revision=2, **counts), replica("webserver", 2), sets=self.SETS)

    def test_names_the_container_that_is_waited_for(self) -> None:
        init = container("wait-for-airflow-migrations", RUNNING, ready=False)
        starting = replica(
            "webserver", 2, container("webserver", waiting("PodInitializing")), init=(init,), phase="Pending"
        )
        text = missing(deployment("webserver", revision=2, available=0), starting, sets=self.SETS)
        assert "wait-for-airflow-migrations running" in text

    def test_counts_that_are_ahead_of_the_pods_are_not_believed(self) -> None:
        assert "0 of 1 pods" in missing(deployment("webserver", revision=2), sets=self.SETS)
        unready = replica("webserver", 2, container("webserver", ready=False))
        assert "0 of 1 pods" in missing(deployment("webserver", revision=2), unready, sets=self.SETS)

    def test_pods_of_another_deployment_do_not_count_though_the_selector_matches_them(self) -> None:
        other = replicaset("webserver", 1)
        other["metadata"] |= {"uid": "other", "ownerReferences": [{"kind": "Deployment", "name": "set", "uid": "set"}]}
        pods = pod("set-x", "webserver", owner=("ReplicaSet", "set", "other")), replica("webserver", 2)
        assert missing(deployment("webserver", revision=2), *pods, sets=(other, *self.SETS)) == ""
        assert "older" in missing(deployment("webserver", revision=2), *pods, sets=self.SETS), (
            "whose it is, nobody says"
        )

    def test_pods_of_others_do_not_count(self) -> None:
        others = (replica("scheduler", 7), member("webserver", "r0"))
        assert missing(deployment("webserver", revision=2), *others, replica("webserver", 2), sets=self.SETS) == ""


class TestStatefulSet:
    def test_is_rolled_out(self) -> None:
        assert missing(statefulset("worker", revision="r2"), member("worker", "r2")) == ""

    def test_a_pod_of_the_older_revision_is_left(self) -> None:
        two = statefulset("worker", revision="r2", replicas=2, updated=2, available=2)
        pods = member("worker", "r2"), member("worker", "r1", name="airflow-worker-1")
        assert "airflow-worker-1 of an older revision" in missing(two, *pods)

    def test_the_update_has_not_begun(self) -> None:
        assert "0 of 1 updated" in missing(statefulset("worker", revision="r2", updated=0), member("worker", "r1"))

    def test_task_pods_of_the_same_component_do_not_count(self) -> None:
        task = pod("task", "worker", container("base"), labels={"kubernetes_executor": "True"})
        assert missing(statefulset("worker", revision="r2"), member("worker", "r2"), task) == ""


# The verbs, against a stub API server.


class Quiet:
    def step(self, text: str) -> None: ...
    def waiting(self, text: str) -> None: ...


@pytest.fixture
def api() -> Iterator[StubApi]:
    with running() as stub:
        for path in (PODS, EVENTS, JOBS, DEPLOYMENTS, STATEFULSETS, REPLICASETS):
            stub.store[path] = {}
        yield stub


@pytest.fixture
def waiter() -> Waiter:
    return Waiter(Quiet(), Budgets({"rollout": 30, "short": 0.3, "task_pod": 30, "port_forward": 30}))  # type: ignore[arg-type]


@pytest.fixture
def cluster(api: StubApi, waiter: Waiter, tmp_path: Path) -> Iterator[Cluster]:
    kube = api.kube()
    recorder = Recorder(kube, "airflow", logs_dir=tmp_path / "logs")
    recorder.start()
    yield Cluster(kube, "airflow", "airflow", recorder, waiter, Tools(tmp_path / "kubectl", None, "here"))
    recorder.stop()


def ready(api: StubApi, component: str = "webserver", revision: int = 1) -> None:
    api.put(REPLICASETS, replicaset(component, revision))
    api.put(DEPLOYMENTS, deployment(component, revision=revision, generation=revision))
    api.put(PODS, replica(component, revision))


def test_finds_pods_by_component_and_label(api: StubApi, cluster: Cluster) -> None:
    ready(api)
    api.put(PODS, pod("other", labels={"component": "webserver", "release": "another"}))
    api.put(PODS, pod("task", "worker", labels={"kubernetes_executor": "True"}))
    eventually(lambda: len(cluster.pods()) == 3)
    assert [p.name for p in cluster.pods("webserver")] == ["airflow-webserver-r1-x"]
    assert [p.name for p in cluster.pods(kubernetes_executor="True")] == ["task"]
    eventually(lambda: cluster.workload("webserver"))
    assert cluster.workload("worker") is None
    assert [w.title for w in cluster.workloads()] == ["deployment/airflow-webserver"]


def test_finds_task_pods_that_are_gone(api: StubApi, cluster: Cluster) -> None:
    for task in ("a", "b"):
        api.put(PODS, pod(f"x-{task}", "worker", annotations={"run_id": "manual__1", "task_id": task}))
    api.put(PODS, pod("y", "worker", annotations={"run_id": "manual__2", "task_id": "a"}))
    eventually(lambda: len(cluster.pods()) == 3)
    api.remove(PODS, "x-a")
    eventually(lambda: len(cluster.pods()) == 2)
    assert [(p.name, p.deleted) for p in cluster.task_pods("manual__1")] == [("x-a", True), ("x-b", False)]
    assert [p.name for p in cluster.task_pods("manual__1", "b")] == ["x-b"]


def test_waits_for_a_rollout_that_is_done(api: StubApi, cluster: Cluster) -> None:
    ready(api)
    assert cluster.wait_ready("webserver").name == "airflow-webserver"


def test_waits_until_the_last_old_pod_is_gone(api: StubApi, cluster: Cluster, waiter: Waiter) -> None:
    ready(api, revision=1)
    ready(api, revision=2)
    with pytest.raises(BudgetExceeded, match="airflow-webserver-r1-x of an older revision") as error:
        cluster.wait_ready("webserver", budget="short")
    assert error.value.component == "webserver"
    threading.Timer(0.1, api.remove, (PODS, "airflow-webserver-r1-x")).start()
    assert cluster.wait_ready("webserver").replicas == 1


def test_a_component_that_does_not_exist(cluster: Cluster) -> None:
    with pytest.raises(BudgetExceeded, match="no Deployment or StatefulSet of worker"):
        cluster.wait_ready("worker", budget="short")


def test_a_component_that_is_scaled_to_zero(api: StubApi, cluster: Cluster) -> None:
    api.put(DEPLOYMENTS, deployment("scheduler", replicas=0, updated=0, available=0))
    with pytest.raises(TargetFailed, match="scaled to 0"):
        cluster.wait_ready("scheduler")


def pending(api: StubApi, component: str, state: dict[str, Any], revision: int = 1) -> None:
    api.put(REPLICASETS, replicaset(component, revision))
    counts = {"revision": revision, "generation": revision, "available": 0}
    api.put(DEPLOYMENTS, deployment(component, **counts))  # type: ignore[arg-type]
    api.put(PODS, replica(component, revision, container(component, state), phase="Pending"))


def test_an_image_that_cannot_be_pulled_ends_the_wait(api: StubApi, cluster: Cluster) -> None:
    pending(api, "scheduler", waiting("ContainerCreating"))
    broken = replica("scheduler", 1, container("scheduler", waiting("ErrImagePull", "not found")), phase="Pending")
    threading.Timer(0.1, api.put, (PODS, broken)).start()
    with pytest.raises(TargetFailed, match="cannot be pulled") as error:
        cluster.wait_ready("scheduler")
    assert error.value.component == "scheduler"


def test_a_failing_migration_is_named_instead_of_those_who_wait_for_it(api: StubApi, cluster: Cluster) -> None:
    init = container("wait-for-airflow-migrations", waiting("CrashLoopBackOff"), restarts=4)
    pending(api, "webserver", waiting("PodInitializing"))
    starting = replica(
        "webserver", 1, container("webserver", waiting("PodInitializing")), init=(init,), phase="Pending"
    )
    api.put(PODS, starting)
    failing = job_pod(container("run-airflow-migrations", terminated(1), restarts=1))
    api.put(JOBS, job(active=1))
    api.put(PODS, failing)
    api.log(f"{failing['metadata']['name']}/run-airflow-migrations", "0 FATAL: password authentication failed")
    with pytest.raises(TargetFailed, match="password authentication failed") as error:
        cluster.wait_ready("webserver")
    assert error.value.component == "run-airflow-migrations"


def test_another_component_is_not_to_blame(api: StubApi, cluster: Cluster) -> None:
    pending(api, "triggerer", waiting("ErrImagePull", "not found"))
    ready(api, "webserver")
    assert cluster.wait_ready("webserver").name == "airflow-webserver"
    pending(api, "scheduler", waiting("ContainerCreating"))
    with pytest.raises(BudgetExceeded, match="scheduler"):
        cluster.wait_ready("scheduler", budget="short")


def test_a_broken_pod_that_is_about_to_be_replaced_is_not_to_blame(api: StubApi, cluster: Cluster) -> None:
    pending(api, "scheduler", waiting("ErrImagePull", "not found"))
    api.put(DEPLOYMENTS, deployment("scheduler", generation=2, observed=1, available=0))
    eventually(lambda: cluster.workload("scheduler"))
    with pytest.raises(BudgetExceeded, match="not taken up"):
        cluster.wait_ready("scheduler", budget="short")
    api.put(REPLICASETS, replicaset("scheduler", 2))
    api.put(DEPLOYMENTS, deployment("scheduler", generation=2, revision=2, available=0))
    eventually(lambda: (seen := cluster.workload("scheduler")) and seen.raw["status"]["observedGeneration"] == 2)
    with pytest.raises(BudgetExceeded, match="older revision"):
        cluster.wait_ready("scheduler", budget="short")
    cluster.raise_if_doomed()


def test_a_missing_permission_is_an_error_and_no_failure(api: StubApi, cluster: Cluster) -> None:
    recorder = Recorder(cluster.kube, "airflow")
    api.inject(Fault("status", path="/pods", status=403, message="no", stays=True))
    recorder.start()
    blind = Cluster(cluster.kube, "airflow", "airflow", recorder, cluster._waiter, cluster.tools)
    with pytest.raises(Forbidden, match="list pods"):
        blind.wait_ready("webserver")
    recorder.stop()


def test_the_whole_namespace_is_looked_at_for_doom(api: StubApi, cluster: Cluster) -> None:
    ready(api)
    cluster.raise_if_doomed()
    api.put(
        PODS, pod("task", "worker", container("base", waiting("ErrImagePull")), labels={"kubernetes_executor": "True"})
    )
    eventually(lambda: cluster.pods(kubernetes_executor="True"))
    cluster.raise_if_doomed()
    with pytest.raises(TargetFailed, match="pod/task"):
        cluster.raise_if_doomed(cluster.pods(kubernetes_executor="True"))
    refused = event("FailedCreate", statefulset("triggerer"), "exceeded quota")
    api.put(STATEFULSETS, statefulset("triggerer", updated=0, available=0))
    api.put(EVENTS, refused)
    eventually(lambda: cluster.recorder.objects("events"))
    eventually(lambda: cluster.workload("triggerer"))
    with pytest.raises(TargetFailed, match="exceeded quota"):
        cluster.raise_if_doomed()
    cluster.raise_if_doomed(cluster.pods("webserver"))  # which has nothing to do with that quota
    api.put(PODS, member("triggerer", creationTimestamp=NOW))
    eventually(lambda: cluster.pods("triggerer"))
    api.remove(PODS, "airflow-triggerer-0")
    eventually(lambda: not cluster.pods("triggerer"))
    cluster.raise_if_doomed()  # the quota let a pod through since then


def test_says_what_is_not_ready(api: StubApi, cluster: Cluster) -> None:
    ready(api)
    eventually(lambda: cluster.what_is_not_ready() == "")
    pending(api, "scheduler", waiting("ContainerCreating"))
    api.put(JOBS, job(active=1))
    eventually(
        lambda: (
            "job/airflow-run-airflow-migrations: running; deployment/airflow-scheduler" in cluster.what_is_not_ready()
        )
    )


def test_waits_until_pods_have_ended(api: StubApi, cluster: Cluster) -> None:
    for name in ("a", "b"):
        api.put(PODS, pod(name, "worker", container("base")))
    eventually(lambda: len(cluster.pods()) == 2)
    pods = cluster.pods()
    assert cluster.at_work(pods) == pods
    api.put(PODS, pod("a", "worker", container("base", terminated(0)), phase="Succeeded"))
    with pytest.raises(BudgetExceeded, match="b is Running"):
        cluster.wait_ended(pods, budget="short")
    threading.Timer(0.1, api.remove, (PODS, "b")).start()
    assert [p.phase for p in cluster.wait_ended(pods)] == ["Succeeded", "Running"]
    assert cluster.at_work(cluster.ever_pods()) == []


def test_services_and_what_is_behind_them(api: StubApi, cluster: Cluster) -> None:
    labels = {"release": "airflow", "component": "webserver"}
    api.put(
        "/api/v1/namespaces/airflow/services", {"metadata": {"name": "airflow-webserver", "labels": labels}, "spec": {}}
    )
    pieces = "/apis/discovery.k8s.io/v1/namespaces/airflow/endpointslices"
    endpoints = [
        {"addresses": ["10.0.0.1"], "conditions": {"ready": True}},
        {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
        {"addresses": ["10.0.0.3"]},
    ]
    labels = {"kubernetes.io/service-name": "airflow-webserver"}
    api.put(pieces, {"metadata": {"name": "x", "labels": labels}, "endpoints": endpoints})
    assert cluster.services("webserver") == ["airflow-webserver"]
    assert cluster.services("statsd") == []
    assert cluster.service("airflow-webserver")["spec"] == {}
    assert cluster.endpoints("airflow-webserver") == ["10.0.0.1", "10.0.0.3"]


def test_servers_behind_a_port_of_a_service(api: StubApi, cluster: Cluster) -> None:
    """Only those that are ready, of the Service's own family, and of the port's name."""
    services, pieces = (
        "/api/v1/namespaces/airflow/services",
        "/apis/discovery.k8s.io/v1/namespaces/airflow/endpointslices",
    )
    spec = {"clusterIP": "10.96.0.1", "ipFamilies": ["IPv4", "IPv6"], "ports": [{"port": 15432}]}
    api.put(services, {"metadata": {"name": "db"}, "spec": spec})
    api.put(services, {"metadata": {"name": "headless"}, "spec": {**spec, "clusterIP": "None"}})
    api.put(services, {"metadata": {"name": "elsewhere"}, "spec": {"type": "ExternalName", "externalName": "db.site"}})
    for name, family, address, port, ready in (
        ("a", "IPv4", "10.0.0.1", {"name": "", "port": 5432}, True),
        ("b", "IPv4", "10.0.0.2", {"port": 5433}, None),
        ("c", "IPv4", "10.0.0.3", {"name": "", "port": 5432}, False),
        ("d", "IPv4", "10.0.0.4", {"name": "metrics", "port": 9187}, True),
        ("e", "IPv6", "fd00::1", {"name": "", "port": 5432}, True),
    ):
        for service in ("db", "headless"):
            labels = {"kubernetes.io/service-name": service}
            endpoints = [{"addresses": [address], "conditions": {} if ready is None else {"ready": ready}}]
            metadata = {"name": f"{service}-{name}", "labels": labels}
            api.put(pieces, {"metadata": metadata, "addressType": family, "ports": [port], "endpoints": endpoints})
    assert cluster.servers("db", 15432) == ["10.0.0.1:5432", "10.0.0.2:5433"]
    assert [cluster.servers(name, 15432) for name in ("headless", "elsewhere")] == [[], []]


def test_what_an_autoscaler_scales(api: StubApi, cluster: Cluster) -> None:
    worker, path = Workload(deployment("worker")), "/apis/autoscaling/v2/namespaces/airflow/horizontalpodautoscalers"
    assert not cluster.is_scaled(worker)
    for kind, scaled in (("StatefulSet", False), (worker.kind, True)):
        target = {"apiVersion": "apps/v1", "kind": kind, "name": worker.name}
        api.put(path, {"metadata": {"name": "keda-hpa-worker"}, "spec": {"scaleTargetRef": target}})
        assert cluster.is_scaled(worker) == scaled
    api.inject(Fault("status", path="horizontalpodautoscalers", status=403))
    assert not cluster.is_scaled(worker), "who may not look accuses nobody"


@pytest.mark.parametrize(("labels", "named"), [({}, ["old-exporter"]), ({"release": "other"}, [])])
def test_strangers_behind_a_service(api: StubApi, cluster: Cluster, labels: dict[str, str], named: list[str]) -> None:
    """A pod that no workload made, or that of another release; only addresses that the Service leads to count."""
    ready(api, "statsd")
    stranger = pod("old-exporter", "statsd", container("statsd"), labels=labels)
    api.put(PODS, stranger | {"status": {**stranger["status"], "podIP": "10.0.0.9"}})
    own = replica("statsd")
    api.put(PODS, own | {"status": {**own["status"], "podIP": "10.0.0.1"}})
    addresses = ["10.0.0.1", *(["10.0.0.9"] if named else [])]
    pieces = "/apis/discovery.k8s.io/v1/namespaces/airflow/endpointslices"
    name = {"name": "x", "labels": {"kubernetes.io/service-name": "airflow-statsd"}}
    api.put(pieces, {"metadata": name, "endpoints": [{"addresses": [address]} for address in addresses]})
    eventually(lambda: {one.address for one in cluster.ever_pods()} == {"10.0.0.1", "10.0.0.9"})
    eventually(lambda: cluster.workload("statsd"))
    assert cluster.strangers_behind("airflow-statsd", "statsd") == named


@pytest.mark.parametrize(("fields", "hour"), [([], 8), ([{"time": "2026-01-01T09:00:00Z"}, {"manager": "x"}], 9)])
def test_a_config_map_tells_when_it_was_changed_last(
    api: StubApi, cluster: Cluster, fields: list[dict[str, str]], hour: int
) -> None:
    metadata = {"name": "c", "creationTimestamp": "2026-01-01T08:00:00Z", "managedFields": fields}
    api.put("/api/v1/namespaces/airflow/configmaps", {"metadata": metadata})
    assert cluster.config_map_changed("c") == datetime(2026, 1, 1, hour, tzinfo=UTC)


def test_secrets_and_config_maps_are_decoded(api: StubApi, cluster: Cluster) -> None:
    base = "/api/v1/namespaces/airflow"
    data = {"admin-password": base64.b64encode(b"p\xc3\xa4ss\n").decode()}
    api.put(f"{base}/secrets", {"metadata": {"name": "airflow-webserver-secret"}, "data": data})
    api.put(f"{base}/configmaps", {"metadata": {"name": "airflow-config"}, "data": {"airflow.cfg": "[core]", "x": "y"}})
    assert cluster.secret("airflow-webserver-secret") == {"admin-password": "päss\n"}
    assert cluster.config_map("airflow-config")["airflow.cfg"] == "[core]"
    assert cluster.config_map_data() == {"airflow-config": {"airflow.cfg": "[core]", "x": "y"}}
    with pytest.raises(NotFound):
        cluster.secret("airflow-webserver")


def test_strays(api: StubApi, cluster: Cluster) -> None:
    def put(kind: str, namespace: str, component: str, **annotations: str) -> None:
        metadata = {
            "name": f"airflow-{component}",
            "uid": f"{namespace}-{component}",
            "namespace": namespace,
            "labels": {"release": "airflow", "tier": "airflow", "component": component},
            "annotations": annotations,
        }
        path = f"/apis/apps/v1/{kind}"
        api.store.setdefault(path, {})[f"{namespace}-{component}"] = {"metadata": metadata}

    api.store.update({"/apis/apps/v1/deployments": {}, "/apis/apps/v1/statefulsets": {}, "/api/v1/services": {}})
    ready(api, "scheduler")
    eventually(lambda: cluster.workload("scheduler"))
    put("deployments", "airflow", "scheduler", **{"meta.helm.sh/release-namespace": "airflow"})
    put("deployments", "airflow-celery", "scheduler", **{"meta.helm.sh/release-namespace": "airflow-celery"})
    put("deployments", "elsewhere", "scheduler")
    put("deployments", "elsewhere", "triggerer")  # a whole deployment, made without Helm, with one more component
    assert cluster.strays() == []
    put("deployments", "default", "webserver")
    put("statefulsets", "default", "worker", **{"meta.helm.sh/release-namespace": "airflow"})
    assert cluster.strays() == ["Deployment default/airflow-webserver", "StatefulSet default/airflow-worker"]


def test_the_log_of_a_pod_that_is_gone_is_the_recorded_one(api: StubApi, cluster: Cluster) -> None:
    task = pod("task", "worker", container("base"), labels={"kubernetes_executor": "True"})
    api.log("task/base", "2026-01-01T12:00:00.000000001Z one", "2026-01-01T12:00:00.000000002Z two")
    api.put(PODS, task)
    assert cluster.logs(Pod(task), "base", timestamps=True).startswith("2026-01-01T12")
    assert cluster.logs(Pod(task), "base") == "one\ntwo\n"
    eventually(lambda: (file := cluster.recorder.log_file("task", "base")) and "two" in file.read_text())
    del api.logs["task/base"]
    assert cluster.logs(Pod(task), "base") == "one\ntwo\n"
    assert cluster.logs(Pod(task), "base", tail=1) == "two\n"
    with pytest.raises(NotFound):
        cluster.logs(Pod(task), "another")


def test_proxy(api: StubApi, cluster: Cluster) -> None:
    path = "/api/v1/namespaces/airflow/services/airflow-statsd:9102/proxy/metrics"
    api.answers[path] = lambda request: (200, "up 1\n")
    assert cluster.proxy_get("airflow-statsd", 9102, "/metrics") == "up 1\n"
    api.answers[path] = lambda request: (503, "no endpoints available")
    with pytest.raises(ApiError, match="no endpoints"):
        cluster.proxy_get("airflow-statsd", 9102, "metrics")
    pod = Pod({"metadata": {"name": "statsd-1", "uid": "u"}})
    for scheme, tls in (("", False), ("https:", True)):
        page = f"/api/v1/namespaces/airflow/pods/{scheme}statsd-1:9102/proxy/metrics"
        api.answers[page] = lambda request, said=f"{scheme} up 1": (200, said)
        assert cluster.proxy_get_pod(pod, 9102, "/metrics", tls=tls) == f"{scheme} up 1"
        api.answers[page.replace("pods", "services")] = api.answers[page]
        assert cluster.proxy_get("statsd-1", 9102, "/metrics", tls=tls) == f"{scheme} up 1"


# Programs: a script stands in for kubectl.

Script = Callable[[str], Path]


@pytest.fixture
def kubectl(cluster: Cluster) -> Script:
    def write(body: str) -> Path:
        path = cluster.tools.kubectl
        path.write_text(f'#!/bin/sh\necho "$@" >> {path}.calls\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


class TestPortForward:
    def test_yields_the_port_that_kubectl_chose_and_ends_kubectl(self, cluster: Cluster, kubectl: Script) -> None:
        path = kubectl(
            f"echo $$ > {cluster.tools.kubectl}.pid\necho 'Forwarding from 127.0.0.1:40123 -> 8080'\nsleep 60"
        )
        with cluster.port_forward("svc/airflow-webserver", 8080) as port:
            assert port == 40123
        pid = int(Path(f"{path}.pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        called = Path(f"{path}.calls").read_text()
        assert called == "--context here port-forward -n airflow --address 127.0.0.1 svc/airflow-webserver :8080\n"

    @pytest.mark.parametrize(
        "said",
        [
            'Error from server (NotFound): services "x" not found',
            "error: unable to forward port because pod is not running. Current status=Pending",
            "error: Service x does not have a service port 8080",
        ],
    )
    def test_nothing_to_forward_to_accuses_the_target(self, cluster: Cluster, kubectl: Script, said: str) -> None:
        kubectl(f"echo '{said}' >&2; exit 1")
        with pytest.raises(TargetFailed) as error, cluster.port_forward("svc/x", 8080):
            pass
        assert said in error.value.cause

    def test_another_end_of_kubectl_accuses_nobody(self, cluster: Cluster, kubectl: Script) -> None:
        kubectl("echo 'Unable to connect to the server: EOF' >&2; exit 1")
        with pytest.raises(HarnessError, match="EOF"), cluster.port_forward("svc/x", 8080):
            pass

    def test_cancelling_ends_it(self, cluster: Cluster, kubectl: Script, waiter: Waiter) -> None:
        kubectl("sleep 60")
        threading.Timer(0.2, waiter.cancel.set).start()
        with pytest.raises(Cancelled), cluster.port_forward("svc/x", 8080):
            pass

    def test_an_open_port(self, api: StubApi, cluster: Cluster) -> None:
        assert cluster.port_is_open(api.url)
        api.stop()
        assert not cluster.port_is_open(api.url)


class TestInside:
    POD = Pod(pod("airflow-scheduler-x"))

    def test_runs_a_shell_in_the_container(self, cluster: Cluster, kubectl: Script) -> None:
        path = kubectl('while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
        host = cluster.inside(self.POD, "scheduler")
        assert host.check_output("echo %s", "a b'c") == "a b'c"
        assert host.file("/bin/sh").exists
        first = Path(f"{path}.calls").read_text().splitlines()[0]
        assert first.startswith("--context here exec -n airflow airflow-scheduler-x -c scheduler -- /bin/sh -c ")

    def test_a_command_that_says_no_is_an_answer(self, cluster: Cluster, kubectl: Script) -> None:
        kubectl("echo 'command terminated with exit code 1' >&2; exit 1")
        assert cluster.inside(self.POD, "scheduler").run("test -e /nothing").rc == 1

    def test_output_that_got_lost_is_asked_for_again(self, cluster: Cluster, kubectl: Script, tmp_path: Path) -> None:
        mark = tmp_path / "asked"
        kubectl(f'[ -e {mark} ] || {{ touch {mark}; exit 0; }}; while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
        assert cluster.inside(self.POD, "scheduler").check_output("echo here") == "here"

    def test_output_that_is_always_lost_is_no_answer(self, cluster: Cluster, kubectl: Script) -> None:
        kubectl("exit 0")
        with pytest.raises(CannotSee, match="was lost"):
            cluster.inside(self.POD, "scheduler").run("echo here")

    def test_a_command_may_print_nothing_or_exit(self, cluster: Cluster, kubectl: Script) -> None:
        said = "command terminated with exit code 3"  # what kubectl adds
        kubectl(f'while [ "$1" != -- ]; do shift; done; shift; "$@" || {{ echo {said} >&2; exit 3; }}')
        host = cluster.inside(self.POD, "scheduler")
        assert host.run("true").stdout == ""
        assert host.run("exit 3").rc == 3

    def test_a_container_that_cannot_be_reached_is_no_answer(self, cluster: Cluster, kubectl: Script) -> None:
        kubectl("echo 'Error from server (NotFound): pods not found' >&2; exit 1")
        with pytest.raises(CannotSee, match="cannot be entered"):
            cluster.inside(self.POD, "scheduler").file("/x").exists  # noqa: B018

    def test_a_command_that_hangs_is_ended(self, cluster: Cluster, kubectl: Script) -> None:
        kubectl("sleep 60")
        with pytest.raises(CannotSee, match="did not end within"):
            cluster.inside(self.POD, "scheduler", deadline=0.2).run("sleep 60")


def test_kubectl_is_given_the_cluster(cluster: Cluster, kubectl: Script, tmp_path: Path) -> None:
    kubectl("cat")
    tools = Tools(cluster.tools.kubectl, tmp_path / "config", "kind-x")
    result = tools.kubectl_run("create", "-f", "-", stdin=json.dumps({"a": 1}))
    assert json.loads(result.stdout) == {"a": 1}
    assert tools.argv("version")[1:] == ["--kubeconfig", str(tmp_path / "config"), "--context", "kind-x", "version"]


def test_when_a_pod_was_told_to_end() -> None:
    raw = pod("w", "webserver")
    assert Pod(raw).told_to_end is None
    raw["metadata"] |= {"deletionTimestamp": "2026-01-01T12:00:30Z", "deletionGracePeriodSeconds": 30}
    assert Pod(raw).told_to_end == datetime.fromisoformat(NOW)


def test_the_last_words_of_pods(api: StubApi, cluster: Cluster) -> None:
    waits = pod("w", "worker", container("base", waiting("ErrImagePull")), phase="Pending")
    assert "pod w, image" in cluster.last_words([Pod(waits)])
    assert "waiting: ErrImagePull" in cluster.last_words([Pod(waits)])
    assert cluster.last_words([Pod(pod("v", "worker", container("base")))]) == ""
