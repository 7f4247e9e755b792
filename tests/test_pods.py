"""What is said of pod templates and of what tasks see."""

from __future__ import annotations

from configparser import ConfigParser
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.test_executor import test_a_task_is_delivered_once as judge_delivery
from conformance.test_executor import test_no_worker_stands_by as judge_idle_workers
from fixtures.cluster import Pod
from fixtures.errors import TargetFailed
from fixtures.gitsync import host_of
from fixtures.kube import Json
from fixtures.observations.pods import (
    Delivery,
    Template,
    comparable,
    declared_service_account,
    deviations,
    missing_in,
    mounted_config_map,
    old_configuration,
    outdated,
    rights,
    seen_differently,
    too_tight,
)
from fixtures.settings import Executor
from fixtures.subject import Subject


def spec(**changes: Any) -> dict[str, Any]:
    base = {
        "name": "base",
        "image": "apache/airflow:2.9.0",
        "args": [],
        "env": [{"name": "A", "value": "1"}, {"name": "EMPTY", "value": ""}],
        "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}},
        "volumeMounts": [
            {"name": "config", "mountPath": "/opt/airflow/airflow.cfg", "subPath": "airflow.cfg"},
            {"name": "dags", "mountPath": "/opt/airflow/dags"},
        ],
    }
    volumes = [{"name": "config", "configMap": {"name": "airflow-config"}}, {"name": "dags", "emptyDir": {}}]
    clone = {"name": "git-sync-init", "volumeMounts": [{"name": "dags", "mountPath": "/git"}]}
    rest = {"volumes": volumes, "restartPolicy": "Never", "affinity": {}}
    return {"initContainers": [clone], "containers": [base], **rest, **changes}


def template(body: dict[str, Any]) -> Template:
    return Template("/opt/airflow/pod_templates/pod_template_file.yaml", "", {"kind": "Pod", "spec": body})


def scheduler() -> Pod:
    body = spec()
    body["containers"][0]["name"] = "scheduler"
    template_mount = {"name": "config", "mountPath": "/t/file.yaml", "subPath": "pod_template_file.yaml"}
    body["containers"][0]["volumeMounts"].append(template_mount)
    return Pod({"metadata": {"name": "s", "uid": "u"}, "spec": {**body, "securityContext": {"fsGroup": 0}}})


def live() -> dict[str, Any]:
    """What admission and the executor make of the template."""
    body = spec(serviceAccountName="default", tolerations=[{"key": "node.kubernetes.io/not-ready"}])
    base = body["containers"][0]
    base |= {"image": "other", "args": ["airflow"], "resources": {"limits": {"cpu": "0.5", "memory": "536870912"}}}
    base["env"] = [{"name": "A", "value": "1"}, {"name": "EMPTY"}, {"name": "MORE", "value": "x"}]
    base["volumeMounts"].append({"name": "token", "mountPath": "/var/run/secrets"})
    return body


def test_what_admission_and_the_executor_add_is_no_deviation() -> None:
    assert list(deviations(comparable(spec()), live(), "spec")) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"restartPolicy": "Always"}, "spec.restartPolicy is Always, the template says Never"),
        ({"volumes": [{"name": "dags", "emptyDir": {}}]}, "spec.volumes: config is missing"),
        ({"containers": []}, "spec.containers: base is missing"),
    ],
)
def test_deviations_are_named(change: dict[str, Any], expected: str) -> None:
    assert list(deviations(comparable(spec()), {**live(), **change}, "spec")) == [expected]


def test_changed_resources_and_variables_are_named_without_the_values_of_variables() -> None:
    actual = live()
    actual["containers"][0]["resources"]["limits"]["memory"] = "64Mi"
    actual["containers"][0]["env"][0]["value"] = "secret"
    found = list(deviations(comparable(spec()), actual, "spec"))
    assert found == [
        "spec.containers[base].env: A has another value",
        "spec.containers[base].resources.limits.memory is 64Mi, the template says 512Mi",
    ]


def test_a_limit_without_unit_is_too_tight() -> None:
    assert too_tight(template(spec())) == []
    body = spec()
    body["containers"][0]["resources"]["limits"]["memory"] = "512"
    assert too_tight(template(body)) == ['limit memory="512" is 512 bytes, no task starts below 134217728']


def test_the_first_container_must_be_base() -> None:
    with pytest.raises(TargetFailed, match="is sidecar"):
        too_tight(template(spec(containers=[{"name": "sidecar"}])))


def test_what_the_scheduler_has_and_tasks_would_not() -> None:
    assert missing_in(template(spec(securityContext={"fsGroup": 0})), scheduler(), "/opt/airflow/dags/x", "/logs") == []
    bare = template({"containers": [{"name": "base"}]})
    assert missing_in(bare, scheduler(), "/opt/airflow/dags/x", "/logs") == [
        "no volume at /opt/airflow/airflow.cfg (in the scheduler: config)",
        "no volume at /opt/airflow/dags (in the scheduler: dags)",
        "no securityContext.fsGroup",
    ]


def test_somebody_must_fill_an_empty_volume_for_dags() -> None:
    body = spec(securityContext={"fsGroup": 0}, initContainers=[])
    assert missing_in(template(body), scheduler(), "/opt/airflow/dags/x", "/logs") == [
        "the volume at /opt/airflow/dags is empty, because no init container (git-sync-init) fills it with DAGs"
    ]


def test_where_the_template_is_mounted_from() -> None:
    assert mounted_config_map(scheduler(), "scheduler", "/t/file.yaml") == ("airflow-config", "pod_template_file.yaml")
    assert mounted_config_map(scheduler(), "scheduler", "/elsewhere.yaml") is None


def world(**changes: Any) -> dict[str, Any]:
    seen = {"airflow_cfg_sha256": "a", "statsd_on": True, "nameservers": ["10.0.0.10"], "host_aliases": {}}
    return {**seen, "resolved": {"statsd": ["10.0.0.1"]}, **changes}


def test_the_same_world_and_a_name_with_changing_addresses_are_no_difference() -> None:
    assert seen_differently(world(), world()) == []
    assert seen_differently(world(resolved={"statsd": ["10.0.0.2"]}), world()) == []  # a DNS name that takes turns


def test_another_world_is_named() -> None:
    (alias,) = seen_differently(
        world(resolved={"statsd": ["203.0.113.1"]}, host_aliases={"statsd": "203.0.113.1"}), world()
    )
    assert "hostAliases" in alias and "203.0.113.1" in alias
    (unresolved,) = seen_differently(world(resolved={"statsd": []}), world())
    assert "resolves to nothing" in unresolved
    (config,) = seen_differently(world(airflow_cfg_sha256=None), world())
    assert "airflow.cfg" in config


@pytest.mark.parametrize(
    ("repository", "host"),
    [
        ("git://git-server/dags.git", "git-server"),
        ("https://user@example.com:8443/dags.git", "example.com"),
        ("git@example.com:dags.git", "example.com"),
        ("/srv/dags.git", ""),
    ],
)
def test_host_of_a_repository(repository: str, host: str) -> None:
    assert host_of(repository) == host


def test_limits_under_which_tasks_are_evicted() -> None:
    body = spec()
    body["containers"][0]["resources"]["limits"]["ephemeral-storage"] = "16Mi"
    assert too_tight(template(body)) == ["limit ephemeral-storage=16Mi: tasks are evicted for what they write"]


def test_what_kubernetes_adds_to_a_variable_is_no_deviation() -> None:
    declared = {"env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}]}
    added = {"env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP", "apiVersion": "v1"}}}]}
    other = {"env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP", "apiVersion": "v1"}}}]}
    assert list(deviations(declared, added, "spec")) == []
    assert list(deviations(declared, other, "spec")) == ["spec.env: IP has another value"]


def test_a_host_alias_of_the_scheduler_alone_is_told() -> None:
    task = {"resolved": {"mail": ["10.0.0.1"]}, "host_aliases": {}, "nameservers": ["n"]}
    scheduler = {"resolved": {"mail": ["203.0.113.1"]}, "host_aliases": {"mail": "203.0.113.1"}, "nameservers": ["n"]}
    (found,) = seen_differently(task, scheduler)
    assert (
        found
        == "mail is 10.0.0.1 in tasks and 203.0.113.1 in the scheduler, by /etc/hosts of the scheduler (hostAliases)"
    )


def delivered(timeout: float | None = 21600, longer: int = 0, **time_limits: float) -> Any:
    """A subject whose workers get their tasks that way."""
    return SimpleNamespace(see=lambda _: Delivery("redis", timeout, longer, time_limits))


@pytest.mark.parametrize("subject", [delivered(), delivered(None), delivered(task_time_limit=7200)])
def test_a_task_that_is_delivered_once_and_not_ended_passes(subject: Any) -> None:
    judge_delivery(subject)


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        (delivered(10), "visibility_timeout is 10 s"),
        (delivered(4000, 2), "2 tasks took longer"),
        (delivered(None, task_time_limit=300), "task_time_limit is 300 s"),
        (delivered(task_time_limit=7200, task_soft_time_limit=240), "^task_soft_time_limit is 240 s in the worker's"),
    ],
)
def test_a_task_that_is_delivered_again_or_ended_is_told(subject: Any, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        judge_delivery(subject)


def test_a_key_that_is_mounted_under_another_name_is_found() -> None:
    pod = scheduler()
    pod.raw["spec"]["volumes"][0]["configMap"]["items"] = [{"key": "site.cfg", "path": "airflow.cfg"}]
    assert mounted_config_map(pod, "scheduler", "/opt/airflow/airflow.cfg") == ("airflow-config", "site.cfg")


class Release:
    """A scheduler and a webserver whose containers hold files, and ConfigMaps; as much of a subject as that needs."""

    HOME = "/opt/airflow/"

    def __init__(self, now: dict[str, str], files: dict[str, dict[str, str]]) -> None:
        self.now, self.files, self.cluster = now, files, self

    def workloads(self) -> list[Any]:
        return [SimpleNamespace(component=name) for name in ("scheduler", "webserver", "statsd")]

    def running(self, component: str) -> list[Pod]:
        return [self.pod(name, component) for name in self.files if name.startswith(component)]

    def pod(self, name: str, component: str) -> Pod:
        mounts = [{"name": "config", "mountPath": f"{self.HOME}{key}", "subPath": key} for key in self.now]
        container = {"name": component, "image": "airflow", "volumeMounts": mounts}
        volumes = [{"name": "config", "configMap": {"name": "airflow-config"}}]
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        spec: Json = {"containers": [container], "volumes": volumes}
        return Pod({"metadata": {"name": name, "uid": name}, "spec": spec, "status": status})

    def inside(self, pod: Pod, container: str) -> Any:
        def run(command: str, path: str) -> Any:
            return SimpleNamespace(stdout=self.files[pod.name].get(path.removeprefix(self.HOME), ""))

        return SimpleNamespace(run=run)

    def config_map(self, name: str) -> dict[str, str]:
        return self.now


NOW = {
    "airflow.cfg": "[core]\n",
    "airflow_local_settings.py": "",
    "webserver_config.py": "A = 1\r\n",
    "my_dag.py": "new",
}


@pytest.mark.parametrize("older", ["airflow.cfg", "airflow_local_settings.py", "webserver_config.py"])
def test_a_file_of_the_configuration_that_was_changed_is_named(older: str) -> None:
    """How lines end is nobody's business, nor is what a user mounts, nor what only the webserver reads elsewhere."""
    same = {**NOW, "webserver_config.py": "A = 1\n", "my_dag.py": "old"}
    release = Release(
        NOW,
        {
            "scheduler-1": {**same, "webserver_config.py": "old"},
            "webserver-1": same,
            "webserver-2": {**same, older: "old"},
        },
    )
    assert old_configuration(cast(Subject, release)) == [
        f"ConfigMap airflow-config was changed, webserver-2 still runs with the older {older}: restart it"
    ]


def test_each_scheduler_must_have_the_template_as_it_is_declared() -> None:
    path, now = "/opt/airflow/pod.yaml", {"pod.yaml": "kind: Pod\nmemory: 2"}
    declared, old = Template(path, now["pod.yaml"], {}), {"pod.yaml": "kind: Pod\nmemory: 1"}
    assert outdated(cast(Subject, Release(now, {"scheduler-1": now})), declared) == ""
    assert outdated(cast(Subject, Release(now, {"scheduler-1": now, "scheduler-2": old})), declared) == (
        "pod.yaml in ConfigMap airflow-config was changed, scheduler-2 still makes task pods from the older one: "
        "+ memory: 2; - memory: 1"
    )


@pytest.mark.parametrize(
    ("mine", "lost"),
    [
        (["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], []),
        (["AIRFLOW__CORE__SQL_ALCHEMY_CONN"], []),
        ([], ["no variable AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]),
    ],
)
def test_one_of_the_two_names_of_the_database_is_enough(mine: list[str], lost: list[str]) -> None:
    names = ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    above = scheduler()
    above.raw["spec"]["containers"][0]["env"] = [{"name": name, "value": "x"} for name in names]
    body = spec(securityContext={"fsGroup": 0})
    body["containers"][0]["env"] = [{"name": name, "value": "x"} for name in mine]
    assert missing_in(template(body), above, "/opt/airflow/dags/x", "/logs") == lost


def test_a_size_may_be_written_in_several_ways() -> None:
    declared = {"volumes": [{"name": "dags", "emptyDir": {"sizeLimit": "1024Mi"}}]}
    for stored, found in (
        ("1Gi", []),
        ("2Gi", ["spec.volumes[dags].emptyDir.sizeLimit is 2Gi, the template says 1024Mi"]),
    ):
        actual = {"volumes": [{"name": "dags", "emptyDir": {"sizeLimit": stored}}]}
        assert list(deviations(declared, actual, "spec")) == found


@pytest.mark.parametrize(
    ("values", "account", "declared", "launches"),
    [
        ({"executor": "x"}, "airflow-worker", "airflow-worker", True),
        ({"executor": "x"}, "tasks", "airflow-worker", True),  # it is the wrong one, and must be told
        ({"podTemplate": "kind: Pod"}, "airflow-worker", "", True),
        ({"podTemplate": "kind: Pod"}, "tasks", "", False),
        ({"podTemplate": "kind: Pod", "allowPodLaunching": False}, "airflow-worker", "", False),
    ],
)
def test_a_written_out_template_names_the_account_of_tasks(
    values: dict[str, Any], account: str, declared: str, launches: bool
) -> None:
    subject: Any = SimpleNamespace(
        values=values, value=lambda path, default=None: values.get(path, default), release="airflow",
        namespace="airflow", executor=Executor.KUBERNETES, config=ConfigParser(),
    )  # fmt: skip
    assert declared_service_account(subject) == declared
    accounts = {"scheduler": "s", "webserver": "w", "worker": account}
    wanted = {str(right) for right in rights(subject, accounts) if right.component == "worker" and right.expected}
    assert ("create pods in namespace airflow" in wanted) is launches


def like_a_worker(name: str, phase: str = "Running", **labels: str) -> Pod:
    """A pod that was made from the chart's template, or looks like it."""
    metadata = {"name": name, "uid": name, "labels": {"component": "worker", **labels}}
    return Pod({"metadata": metadata, "spec": {"containers": [{"name": "base"}]}, "status": {"phase": phase}})


TASKS = [
    like_a_worker("load-x", kubernetes_executor="True"),
    like_a_worker("train-x", kubernetes_pod_operator="True"),
    like_a_worker("by-hand", "Succeeded"),
]


def with_pods(*pods: Pod) -> Subject:
    cluster = SimpleNamespace(workload=lambda component: None, pods=lambda component: [*TASKS, *pods])
    return cast("Subject", SimpleNamespace(cluster=cluster))


def test_pods_that_tasks_make_and_those_that_ended_do_not_stand_by() -> None:
    judge_idle_workers(with_pods())


def test_a_pod_that_stands_by_is_named() -> None:
    with pytest.raises(AssertionError, match=r"run no task: \['idle-0'\]"):
        judge_idle_workers(with_pods(like_a_worker("idle-0")))
