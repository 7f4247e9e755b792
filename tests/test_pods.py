"""What is said of pod templates and of what tasks see."""

from __future__ import annotations

from configparser import ConfigParser
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.test_executor import test_a_task_is_delivered_once as judge_delivery
from conformance.test_task_troubles import test_a_missing_image_is_shown as judge_image
from fixtures.cluster import Pod
from fixtures.errors import BudgetExceeded, TargetFailed
from fixtures.gitsync import host_of
from fixtures.kube import Json
from fixtures.observations.pods import (
    FATAL_REASONS,
    Delivery,
    Template,
    comparable,
    declared_service_account,
    deviations,
    missing_in,
    mounted_config_map,
    no_image,
    of_the_node,
    old_configuration,
    other_network,
    outdated,
    rights,
    seen_differently,
    too_tight,
)
from fixtures.settings import Executor
from fixtures.subject import Subject
from tests.waiting import waiter


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


HOST_IP: Json = {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}


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


def test_an_option_that_only_tasks_have_is_named() -> None:
    """Another way to write a boolean is none, nor is one that a DAG of an older version does not tell."""
    scheduler = world(options={"[core] a": "True", "[metrics] statsd_port": "9125"})
    assert seen_differently(world(options={"[core] a": "true"}), scheduler) == []
    assert seen_differently(world(), scheduler) == []
    task = world(options={"[core] a": "", "[metrics] statsd_port": "8125"})
    assert seen_differently(task, scheduler, but=["[metrics] statsd_port"]) == [
        "another [core] a: none, in the scheduler True"
    ]


@pytest.mark.parametrize(
    ("env", "left_out"),
    [
        ([], []),
        ([{"name": "AIRFLOW__METRICS__STATSD_HOST", "value": "agent"}], []),
        ([HOST_IP | {"name": "AIRFLOW__METRICS__STATSD_HOST"}], ["statsd_host", "[metrics] statsd_port"]),
        (
            [HOST_IP, {"name": "AIRFLOW__METRICS__STATSD_HOST", "value": "$(HOST_IP)"}],
            ["statsd_host", "[metrics] statsd_port"],
        ),
    ],
)
def test_an_agent_on_each_node_takes_the_metrics_there(env: list[Json], left_out: list[str]) -> None:
    above, task = scheduler(), Pod({"metadata": {"name": "t", "uid": "t"}, "spec": spec()})
    task.raw["spec"]["containers"][0]["env"] = env
    found = SimpleNamespace(finished=SimpleNamespace(pods={"facts": task}))
    subject: Any = SimpleNamespace(executor=Executor.KUBERNETES, pod=lambda _: above, see=lambda _: found)
    assert of_the_node(subject) == left_out


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


class OfTwoConfigMaps(Release):
    """A webserver that mounts another ConfigMap than the scheduler."""

    def __init__(self, now: dict[str, str], other: dict[str, str]) -> None:
        super().__init__(now, {"scheduler-1": now, "webserver-1": other})
        self.other = other

    def pod(self, name: str, component: str) -> Pod:
        pod = super().pod(name, component)
        if component == "webserver":
            pod.raw["spec"]["volumes"][0]["configMap"]["name"] = "old-config"
        return pod

    def config_map(self, name: str) -> dict[str, str]:
        return self.other if name == "old-config" else self.now


def test_another_config_map_of_one_component_is_named_with_what_differs() -> None:
    """Another ConfigMap with the same text is nobody's business, nor is another file of it."""
    now = {"airflow.cfg": "[core]\nparallelism = 32\n", "airflow_local_settings.py": ""}
    same = {**now, "airflow.cfg": f"{now['airflow.cfg']}\n", "airflow_local_settings.py": "A = 1"}
    assert old_configuration(cast(Subject, OfTwoConfigMaps(now, same))) == []
    other = {**now, "airflow.cfg": "[core]\nparallelism = 8\n"}
    assert old_configuration(cast(Subject, OfTwoConfigMaps(now, other))) == [
        "the webserver has airflow.cfg from ConfigMap old-config, the scheduler from airflow-config, and they differ "
        "in parallelism: mount the same in both"
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


def without_image(**options: str) -> Any:
    """A subject whose task without an image is described as it should be; options are `[kubernetes_executor]`'s."""
    pod = Pod({"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [{"name": "base", "image": "no:0"}]}})
    return SimpleNamespace(
        flag=lambda section, key, default: options.get(key, default) == "True", see=lambda _: (pod, "pull no:0")
    )


def test_a_pod_that_failed_must_stay() -> None:
    judge_image(without_image())
    judge_image(without_image(delete_worker_pods="False", delete_worker_pods_on_failure="True"))  # then none is deleted
    with pytest.raises(AssertionError, match="delete_worker_pods_on_failure is True"):
        judge_image(without_image(delete_worker_pods_on_failure="True"))


@pytest.mark.parametrize("state", ["failed", "up_for_retry"])
def test_a_task_without_an_image_is_given_up(state: str) -> None:
    subject, ended = waiting_for_an_image(state)
    assert no_image.look(subject)[1] == PULLED
    assert ended == ["p"]


def test_a_task_that_goes_on_waiting_for_its_image_is_told_with_the_option() -> None:
    subject, ended = waiting_for_an_image("queued", "CreateContainerError")
    with pytest.raises(BudgetExceeded, match=f"task no_image is queued, .*{FATAL_REASONS} is CreateContainerError"):
        no_image.look(subject)
    assert ended == ["p"]


def test_an_image_that_nobody_is_to_pull_is_waited_for() -> None:
    """With imagePullPolicy Never it may still be loaded into the node."""
    subject, ended = waiting_for_an_image("queued", told="ErrImageNeverPull")
    assert no_image.look(subject)[1] == "ErrImageNeverPull" and ended == ["p"]


PULLED = "Failed to pull image: ErrImagePull"


def waiting_for_an_image(state: str, fatal: str | None = None, told: str = PULLED) -> tuple[Any, list[str]]:
    """A subject whose task no_image has a pod that waits for an image, and the pods that are taken away."""
    pod = Pod({"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [{"name": "base", "image": "no:0"}]}})
    ended: list[str] = []
    cluster = SimpleNamespace(
        task_pods=lambda *_: [pod],
        end_pod=lambda name, grace: ended.append(name),
        tools=SimpleNamespace(kubectl_run=lambda *_, **__: SimpleNamespace(output=told)),
    )
    subject = SimpleNamespace(
        cluster=cluster,
        namespace="airflow",
        see=lambda _: SimpleNamespace(run_id="r"),
        airflow=SimpleNamespace(task=lambda *_: SimpleNamespace(state=state)),
        ledger=SimpleNamespace(record=lambda *_: None),
        waiter=waiter(0),
        option=lambda section, key, default: fatal or default,
    )
    return subject, ended


@pytest.mark.parametrize(
    ("changes", "all_of_them", "host_network"),
    [
        ({}, 0, 0),
        ({"hostNetwork": False, "dnsPolicy": "Default"}, 1, 0),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, 2, 1),
    ],
)
def test_the_network_of_task_pods_is_compared(changes: Json, all_of_them: int, host_network: int) -> None:
    subject: Any = SimpleNamespace(see=lambda _: template(spec(**changes)), pod=lambda _: scheduler())
    assert len(other_network(subject)) == all_of_them
    told = other_network(subject, "hostNetwork")
    assert told == ["task pods have hostNetwork True, the scheduler False"] * host_network
