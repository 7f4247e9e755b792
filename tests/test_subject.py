"""What checks see of a deployment that is made otherwise than the reference values have it."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import TargetFailed
from fixtures.objects import Pod
from fixtures.progress import Progress
from fixtures.settings import Executor, Settings
from fixtures.subject import Subject
from fixtures.wait import Budgets, Waiter


def subject(*, values: dict[str, Any] | None = None, **cluster: Any) -> Subject:
    """A release called airflow whose cluster answers what is given."""
    return Subject(
        Settings.model_validate({}),
        "r",
        Executor.CELERY,
        "airflow",
        "airflow",
        SimpleNamespace(**cluster),  # type: ignore[arg-type]
        Waiter(Progress(io.StringIO()), Budgets({})),
        values={"executor": "CeleryExecutor"} if values is None else values,
    )


def running(name: str, **env: str) -> Pod:
    """A running pod of a component, as `Subject.pod` finds it."""
    spec = {"containers": [{"name": name, "env": [{"name": key, "value": value} for key, value in env.items()]}]}
    return Pod({"metadata": {"name": name, "uid": name}, "spec": spec, "status": {"phase": "Running"}})


def services(*names: str) -> Subject:
    """A release some component of which has these Services."""
    return subject(services=lambda component: sorted(names))


def test_of_several_services_the_documented_one_is_looked_at() -> None:
    """`kubectl expose` copies the labels of what it exposes."""
    assert services("airflow-exporter", "airflow-statsd").statsd_service() == "airflow-statsd"
    assert services("metrics").statsd_service() == "metrics", "AF-NS-002 tells of its name"
    with pytest.raises(TargetFailed, match="no Service of the metrics exporter"):
        services().statsd_service()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"dags": {"gitSync": {"containerName": "dag-sync"}}}, "dag-sync"),
        ({"dags": {"gitSync": {"enabled": True}}}, "git-sync"),
        ({}, "puller"),
    ],
)
def test_the_values_or_else_the_repository_tell_which_container_is_git_sync(values: Any, found: str) -> None:
    release = subject(
        values=values, pods=lambda component: [running("puller", GITSYNC_REPO="r")], workload=lambda component: None
    )
    assert release.git_sync == found


def test_without_a_repository_git_sync_has_its_usual_name() -> None:
    release = subject(values={}, pods=lambda component: [], workload=lambda component: None)
    assert release.git_sync == "git-sync"


@pytest.mark.parametrize(
    ("cfg", "env", "dags", "logs"),
    [
        ("", {}, "/opt/airflow/dags", "/opt/airflow/logs"),
        ("[core]\ndags_folder = /a\n", {"AIRFLOW__CORE__DAGS_FOLDER": "/b"}, "/b", "/opt/airflow/logs"),
        ("", {"AIRFLOW_HOME": "/home/airflow"}, "/home/airflow/dags", "/home/airflow/logs"),
        (
            "[core]\ndags_folder = /srv/dags\n",
            {"AIRFLOW__LOGGING__BASE_LOG_FOLDER": "/srv/logs"},
            "/srv/dags",
            "/srv/logs",
        ),
    ],
)
def test_folders_are_below_airflows_home_unless_they_are_declared(
    cfg: str, env: dict[str, str], dags: str, logs: str
) -> None:
    release = subject(
        config_map=lambda name: {"airflow.cfg": cfg},
        pods=lambda component: [running(component, **env)],
        workload=lambda component: None,
    )
    assert (release.dags_folder, release.log_folder("worker")) == (dags, logs)


@pytest.mark.parametrize(
    ("values", "mount", "folder"),
    [
        ({"airflowHome": "/opt/airflow"}, "/opt/airflow/dags", "/opt/airflow/dags"),
        ({"airflowHome": "/home/airflow", "dags": {"mountPath": None}}, "/home/airflow/dags", "/home/airflow/dags"),
        (
            {"dags": {"mountPath": "/srv/dags/", "gitSync": {"enabled": True, "subPath": "/a/"}}},
            "/srv/dags",
            "/srv/dags/repo/a",
        ),
    ],
)
def test_the_values_tell_where_dags_lie(values: dict[str, Any], mount: str, folder: str) -> None:
    release = subject(values=values)
    assert (release.dags_mount, release.declared_dags_folder()) == (mount, folder)


SITE = {"AIRFLOW__CORE__DEFAULT_TIMEZONE": "Europe/Berlin", "AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}


def configured(*, env: Any = (), env_from: Any = ()) -> Subject:
    """A release whose scheduler has an environment, and whose airflow.cfg disables tests of connections."""
    spec = {"containers": [{"name": "scheduler", "env": list(env), "envFrom": list(env_from)}]}
    pod = Pod({"metadata": {"name": "p", "uid": "u"}, "spec": spec, "status": {"phase": "Running"}})
    maps = {"airflow-config": {"airflow.cfg": "[core]\ntest_connection = Disabled\n"}, "site": SITE}
    return subject(pods=lambda component: [pod], config_map=maps.__getitem__, secret={"mail": {"host": "m"}}.get)


def test_an_option_may_come_from_a_config_map() -> None:
    """The chart's extraEnvFrom is for that; the container's own variables win over it, as in Kubernetes."""
    site = {"configMapRef": {"name": "site"}}
    assert configured(env_from=[site]).option("core", "default_timezone", "utc") == "Europe/Berlin"
    own = [{"name": "AIRFLOW__CORE__DEFAULT_TIMEZONE", "value": "Asia/Tokyo"}]
    assert configured(env=own, env_from=[site]).option("core", "default_timezone", "utc") == "Asia/Tokyo"
    assert configured().option("core", "default_timezone", "utc") == "utc"


def test_what_is_referred_to_need_not_count() -> None:
    release = configured(env_from=[{"configMapRef": {"name": "site"}}])
    assert release.option("core", "test_connection") == "Enabled"
    assert release.option("core", "test_connection", referenced=False) == "Disabled"


def test_an_option_from_a_secret_is_not_written_anywhere() -> None:
    chosen = {"secretKeyRef": {"name": "mail", "key": "host"}}
    release, learned = configured(env=[{"name": "AIRFLOW__SMTP__SMTP_HOST", "valueFrom": chosen}]), list[str]()
    release.learn = learned.append
    assert release.option("smtp", "smtp_host", "localhost") == "m"
    assert learned == ["m"]


def test_a_variable_without_a_value_of_its_own_leaves_the_option_to_airflow_cfg() -> None:
    for source in ({"fieldRef": {"fieldPath": "status.hostIP"}}, {"configMapKeyRef": {"name": "site", "key": "gone"}}):
        release = configured(env=[{"name": "AIRFLOW__CORE__TEST_CONNECTION", "valueFrom": source}])
        assert release.option("core", "test_connection") == "Disabled"
