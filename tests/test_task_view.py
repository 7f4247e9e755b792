"""What is said of what tasks see."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fixtures.observations.task_view import old_configuration, seen_differently
from fixtures.subject import Subject
from tests.pods import Release


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
