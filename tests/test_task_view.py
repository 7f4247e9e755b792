"""What is said of what tasks see."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fixtures.kube import Json
from fixtures.objects import Pod
from fixtures.observations.pod_template import Template
from fixtures.observations.task_view import (
    mailed_differently,
    not_found_by_tasks,
    of_the_node,
    old_configuration,
    other_network,
    seen_differently,
)
from fixtures.settings import Executor
from fixtures.subject import Subject
from tests.pods import Release, scheduler, spec


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


def test_a_host_alias_of_the_scheduler_alone_is_told() -> None:
    task = {"resolved": {"mail": ["10.0.0.1"]}, "host_aliases": {}, "nameservers": ["n"]}
    scheduler = {"resolved": {"mail": ["203.0.113.1"]}, "host_aliases": {"mail": "203.0.113.1"}, "nameservers": ["n"]}
    (found,) = seen_differently(task, scheduler)
    assert (
        found
        == "mail is 10.0.0.1 in tasks and 203.0.113.1 in the scheduler, by /etc/hosts of the scheduler (hostAliases)"
    )


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


def test_a_module_that_only_the_parser_has_is_named_with_who_imports_it() -> None:
    """Not one that nobody has, or that no DAG file imports any more, nor one that an older DAG does not tell."""
    parser = world(modules={"airflow": True, "library": True, "gone": False, "unused": True})
    imports = dict.fromkeys(["airflow", "library", "gone"], "/dags/team/rates.py")
    task = world(modules={"airflow": True, "library": False, "gone": False, "unused": False})
    assert not_found_by_tasks(task, parser, imports, "/dags") == ["library, which team/rates.py imports"]
    assert not_found_by_tasks(parser, parser, imports, "/dags") == []
    assert not_found_by_tasks(world(), parser, imports, "/dags") == []
    assert not_found_by_tasks(task, world(), imports, "/dags") == []


HOST_IP: Json = {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}


def test_an_option_that_only_tasks_have_is_named() -> None:
    """Another way to write a boolean is none, nor is one that a DAG of an older version does not tell."""
    scheduler = world(options={"[core] a": "True", "[metrics] statsd_port": "9125"})
    assert seen_differently(world(options={"[core] a": "true"}), scheduler) == []
    assert seen_differently(world(), scheduler) == []
    task = world(options={"[core] a": "", "[metrics] statsd_port": "8125"})
    assert seen_differently(task, scheduler, but=["[metrics] statsd_port"]) == [
        "another [core] a: none, in the scheduler True"
    ]


def test_another_mail_server_of_the_dag_processor_is_named() -> None:
    """Not another option of its, nor one that a task does not tell; and there may be no processor."""
    task = world(options={"[smtp] smtp_starttls": "False", "[metrics] statsd_prefix": "airflow"})
    assert mailed_differently(task, {}) == []
    same = {"[smtp] smtp_starttls": "false", "[metrics] statsd_prefix": "parsing", "[email] email_backend": "site"}
    assert mailed_differently(task, world(options=same)) == []
    assert mailed_differently(task, world(options={"[smtp] smtp_starttls": "True"})) == [
        "another [smtp] smtp_starttls: True, in tasks False"
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


@pytest.mark.parametrize(
    ("changes", "all_of_them", "host_network"),
    [
        ({}, 0, 0),
        ({"hostNetwork": False, "dnsPolicy": "Default"}, 1, 0),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, 2, 1),
    ],
)
def test_the_network_of_task_pods_is_compared(changes: Json, all_of_them: int, host_network: int) -> None:
    subject: Any = SimpleNamespace(
        see=lambda _: Template("/t", "", {"spec": spec(**changes)}), pod=lambda _: scheduler()
    )
    assert len(other_network(subject)) == all_of_them
    told = other_network(subject, "hostNetwork")
    assert told == ["task pods have hostNetwork True, the scheduler False"] * host_network
