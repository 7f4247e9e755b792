"""Whose rights are asked for, and which."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.objects import Pod
from fixtures.observations.rights import declared_service_account, rights, service_accounts
from fixtures.settings import Executor


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
        namespace="airflow", executor=Executor.KUBERNETES,
        option=lambda section, key, default="": default, flag=lambda section, key: False,
    )  # fmt: skip
    assert declared_service_account(subject) == declared
    accounts = {"scheduler": "s", "webserver": "w", "worker": account}
    wanted = {str(right) for right in rights(subject, accounts) if right.component == "worker" and right.expected}
    assert ("create pods in namespace airflow" in wanted) is launches


def test_a_triggerer_with_an_account_of_its_own_must_not_read_secrets_either() -> None:
    own = {name: f"airflow-{name}" for name in ("scheduler", "webserver", "worker", "triggerer")}
    own["dag-processor"] = "airflow-scheduler"
    pods = {
        name: Pod({"metadata": {"name": name, "uid": name}, "spec": {"serviceAccountName": account}})
        for name, account in own.items()
    }
    subject: Any = SimpleNamespace(
        values={}, value=lambda path, default=None: default, release="airflow", namespace="airflow",
        executor=Executor.CELERY, option=lambda section, key, default="": default, flag=lambda section, key: False,
        pod=pods.__getitem__, running=lambda name: [pods[name]],
    )  # fmt: skip
    accounts = service_accounts(subject)
    assert list(accounts) == ["scheduler", "webserver", "worker", "triggerer"]
    forbidden = {str(one) for one in rights(subject, accounts) if one.component == "triggerer" and not one.expected}
    assert {"get secrets in namespace airflow", "list secrets in namespace airflow"} <= forbidden


@pytest.mark.parametrize(
    ("values", "reads"),
    [({}, True), ({"rbac.create": False}, False), ({"webserver.allowPodLogReading": False}, False)],
)
def test_the_webserver_is_to_read_logs_of_pods_where_the_chart_lets_it(values: dict[str, Any], reads: bool) -> None:
    """Where the site makes its own Roles (`rbac.create: false`), it may leave running logs to their volume."""
    subject: Any = SimpleNamespace(
        values=values, value=lambda path, default=None: values.get(path, default), release="airflow",
        namespace="airflow", executor=Executor.KUBERNETES,
        option=lambda section, key, default="": default, flag=lambda section, key: False,
    )  # fmt: skip
    accounts = {"scheduler": "s", "webserver": "w", "worker": "t"}
    wanted = {one for one in rights(subject, accounts) if one.expected}
    assert any(one.component == "webserver" for one in wanted) is reads
    assert any(one.component == "scheduler" for one in wanted)


@pytest.mark.parametrize(
    ("listed", "places"), [("", {"in all namespaces"}), ("a,b", {"in namespace a", "in namespace b"})]
)
def test_the_executor_needs_the_namespaces_that_are_listed_for_it(listed: str, places: set[str]) -> None:
    options = {"multi_namespace_mode_namespace_list": listed}
    subject: Any = SimpleNamespace(
        values={}, value=lambda path, default=None: default, release="airflow", namespace="airflow",
        executor=Executor.KUBERNETES, option=lambda section, key, default="": options.get(key, default),
        flag=lambda section, key: True,
    )  # fmt: skip
    accounts = {"scheduler": "s", "webserver": "w", "worker": "t"}
    wanted = {str(one) for one in rights(subject, accounts) if one.component == "scheduler" and one.expected}
    assert {one for one in wanted if one.startswith("watch") and "airflow" not in one} == {
        f"watch pods {place}" for place in places
    }
