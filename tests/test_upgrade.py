"""What an upgrade is judged by, as far as it can be told without a cluster."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import inventory, report
from fixtures.chart import Chart
from fixtures.deployment import Deployment
from fixtures.helm import Status
from fixtures.objects import Pod, Workload
from fixtures.observations import upgrade
from fixtures.observations.backup import Backup
from fixtures.observations.upgrade import (
    changed_roles,
    declares_migration_job,
    identity,
    may_migrate,
    others_images,
    somebody_waits,
    written_by_task,
)
from fixtures.progress import Progress
from fixtures.settings import Executor, Settings
from fixtures.subject import Subject
from fixtures.terminal import MIGRATIONS, WAIT_FOR_MIGRATIONS
from fixtures.wait import Budgets, Waiter

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CHART = Chart(Path("airflow.tgz"), "airflow", "1.15.0", "", "")
OLD, NEW, OTHER = "apache/airflow:2.7.1", "apache/airflow:2.9.0", "mine/airflow:2.9.0-7"


def secret(uid: str, value: str, **annotations: str) -> dict[str, Any]:
    metadata = {"name": "mine", "uid": uid, "resourceVersion": uid, "annotations": annotations}
    return {"kind": "Secret", "metadata": metadata, "data": {"key": value}}


def test_a_hook_that_is_made_anew_with_the_same_content_is_the_same() -> None:
    hook = {"helm.sh/hook": "pre-install,pre-upgrade"}
    before = identity(secret("1", "a", **hook))
    assert identity(secret("2", "a", **hook)) == before
    assert identity(secret("2", "b", **hook)) != before


def test_an_object_that_is_made_anew_is_another_one() -> None:
    assert identity(secret("1", "a")) != identity(secret("2", "a"))


def test_of_a_workload_only_what_is_declared_counts() -> None:
    metadata = {"name": "scheduler", "uid": "1", "generation": 3}
    before, after = (
        {"kind": "Deployment", "metadata": {**metadata, "resourceVersion": version}} for version in ("7", "8")
    )
    assert identity(before) == identity(after)


# Logs.


@pytest.mark.parametrize("line", ["[2026-01-01T00:00:00.000+0000] {x.py:1} INFO - hello", "INFO hello", "  hello"])
def test_lines_of_a_log_are_told_whatever_their_format_is(line: str) -> None:
    log = f"worker-0\n*** Found local files:\n***   * /opt/airflow/logs/attempt=1.log\n{line}\n\n{line}\n"
    assert written_by_task(log) == [line, line]


def test_a_log_that_could_not_be_read_has_no_lines() -> None:
    gone = (
        "worker-0\n*** Could not read served logs: 404 NOT FOUND\nFor more information: https://httpstatuses.com/404\n"
    )
    assert written_by_task(gone) == []
    assert written_by_task("") == []


# Images and migrations.


def pod(component: str, image: str, *, waits: str = "", created: datetime = BEGAN, ready: bool = False) -> Pod:
    """A pod of a component; its init container waits for migrations with the image `waits`."""
    stamp = created.isoformat()
    labels = {"component": component, "tier": "airflow", "release": "airflow"}
    init = [{"name": WAIT_FOR_MIGRATIONS, "image": waits}] if waits else []
    conditions = [{"type": "Ready", "status": str(ready)}]
    return Pod(
        {
            "metadata": {
                "name": f"{component}-{image[-5:]}",
                "uid": stamp,
                "creationTimestamp": stamp,
                "labels": labels,
            },
            "spec": {"containers": [{"name": component, "image": image}], "initContainers": init},
            "status": {"phase": "Running", "conditions": conditions},
        }
    )


def release(*pods: Pod, deployment: Deployment | None = None) -> Any:
    """As much of a release as its images and migrations need."""
    listed = list(pods)
    return SimpleNamespace(
        release="airflow",
        namespace="airflow",
        cluster=SimpleNamespace(pods=lambda **labels: listed),
        pod=lambda component: next(pod for pod in listed if pod.labels["component"] == component),
        deployments=(deployment or Deployment("new", CHART),),
    )


def test_a_pod_with_the_image_of_before_is_told() -> None:
    seen = release(pod("scheduler", NEW, waits=NEW), pod("webserver", OLD, waits=OLD))
    assert others_images(seen) == {"webserver-2.7.1": OLD}


def test_pgbouncer_is_not_airflow_though_its_image_is_of_the_same_repository() -> None:
    pgbouncer = pod("pgbouncer", f"{NEW.rpartition(':')[0]}:airflow-pgbouncer-2023.02.24-1.16.1")
    assert not others_images(release(pod("scheduler", NEW, waits=NEW), pgbouncer))


def test_an_image_of_its_own_for_migrations_is_no_old_one() -> None:
    """`images.useDefaultImageForMigration`: the chart's default image migrates, whatever the components run."""
    same_repository = "mine/airflow:2.9.0"
    for migrates in (NEW, same_repository):
        assert not others_images(
            release(pod("scheduler", OTHER, waits=migrates), pod("webserver", OTHER, waits=migrates))
        )
    left = pod("webserver", OTHER, waits="mine/airflow:2.7.1", created=BEGAN - timedelta(hours=1))
    told = others_images(release(pod("scheduler", OTHER, waits=same_repository), left))
    assert list(told.values()) == ["mine/airflow:2.7.1"]


def test_a_pod_that_waits_for_nobody_may_migrate_until_it_is_ready() -> None:
    scheduler = pod("scheduler", NEW)
    waiting, beside = pod("webserver", NEW, waits=NEW), pod("redis", "redis:7")
    former, up = pod("scheduler", OLD, created=BEGAN - timedelta(hours=1)), pod("triggerer", NEW, ready=True)
    assert may_migrate(release(scheduler, waiting, beside, former, up), BEGAN) == [scheduler]


def test_whether_a_job_migrates_is_declared_by_values_or_objects() -> None:
    for values, declared in (({}, True), ({"migrateDatabaseJob": {"enabled": False}}, False)):
        assert declares_migration_job(release(deployment=Deployment("new", CHART, values=values))) is declared
    job = {"kind": "Job", "metadata": {"name": "migrate", "labels": {"component": MIGRATIONS}}}
    for objects, declared in (((job,), True), ((), False)):
        own = Deployment("own", overlay=Path("own"), objects=objects)
        assert declares_migration_job(release(deployment=own)) is declared


@pytest.mark.parametrize(
    ("init", "waits"), [([WAIT_FOR_MIGRATIONS, "git-sync-init"], True), (["git-sync-init"], False), ([], False)]
)
def test_whether_somebody_waits_is_read_from_the_workloads(init: list[str], waits: bool) -> None:
    template = {"spec": {"initContainers": [{"name": name} for name in init] or None}}
    shown = json.dumps({"items": [{"spec": {"template": template}}]})
    tools = SimpleNamespace(kubectl_run=lambda *words: SimpleNamespace(stdout=shown))
    subject: Any = SimpleNamespace(release="airflow", namespace="airflow", cluster=SimpleNamespace(tools=tools))
    assert somebody_waits(subject) is waits


# Roles.


def with_roles(before: dict[str, frozenset[str]], now: dict[str, frozenset[str]], shipped: dict[str, list[str]]) -> Any:
    seen = {
        upgrade.arrived: SimpleNamespace(history=SimpleNamespace(permissions=before)),
        upgrade.known_roles: now,
        upgrade.shipped_permissions: shipped,
    }
    return SimpleNamespace(see=seen.__getitem__)


def test_roles_of_ones_own_keep_exactly_their_permissions() -> None:
    mine = frozenset({"can_read on DAGs", "can_read on Website"})
    before = {"mine": mine, "gone": mine, "Public": frozenset[str]()}
    now = {"mine": mine - {"can_read on DAGs"}, "Public": mine}
    assert changed_roles(with_roles(before, now, {})) == [
        "role mine lost can_read on DAGs by the upgrade",
        "there is no role gone any more",
        "role Public got can_read on DAGs, can_read on Website by the upgrade",
    ]


def test_roles_of_airflows_own_get_what_their_version_brings_and_lose_nothing_that_is_there() -> None:
    before = {"Op": frozenset({"old", "site"}), "Viewer": frozenset({"read"})}
    now = {"Op": frozenset({"new"}), "Viewer": frozenset({"read", "edit"}), "Admin": frozenset({"new", "site", "edit"})}
    before["Admin"] = frozenset({"site"})
    assert changed_roles(with_roles(before, now, {"Op": ["new"], "Viewer": ["read"]})) == [
        "role Op lost site by the upgrade",
        "role Viewer got edit by the upgrade",
    ]
    unknown = with_roles(before, {**now, "Op": before["Op"]}, {})
    assert changed_roles(unknown) == [], "a version that keeps the list elsewhere"


# What is left, and what does not stay.


def test_what_kubectl_apply_leaves_of_the_release_before_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def item(kind: str, name: str, **metadata: Any) -> Any:
        return {"kind": kind, "metadata": {"name": name, **metadata}}

    there = {
        "cronjobs": [item("CronJob", "airflow-cleanup")],
        "deployments": [item("Deployment", "airflow-scheduler")],
        "secrets": [item("Secret", "made", ownerReferences=[{}])],
    }
    monkeypatch.setattr(
        upgrade, "objects", lambda subject, *kinds: [one for kind in kinds for one in there.get(kind, [])]
    )
    overlay = Deployment("own", overlay=Path("own"), objects=(item("Deployment", "airflow-scheduler"),))
    assert upgrade.left_over(release(deployment=overlay)) == ["cronjob/airflow-cleanup"]


def test_who_waits_for_a_migration_may_begin_again_as_often_as_need_be() -> None:
    again, once = pod("scheduler", NEW, waits=NEW), pod("webserver", NEW)
    again.raw["status"] = {"initContainerStatuses": [{"name": WAIT_FOR_MIGRATIONS, "restartCount": 7}]}
    once.raw["status"] = {"containerStatuses": [{"name": "webserver", "restartCount": 2}]}
    assert list(upgrade.restless(release(again, once)).values()) == [2]


def test_a_backup_with_fewer_rows_than_the_database_is_told() -> None:
    table = {"columns": ["id"], "keys": ["id"], "rows": {"1": ["1"], "2": ["2"]}}
    held = inventory.Inventory.of({"dag_run": table, "xcom": table, "session": table})
    known = SimpleNamespace(history=SimpleNamespace(known=SimpleNamespace(inventory=held)))
    subject: Any = SimpleNamespace(deployments=("old", "new"), see={upgrade.upgrade: known}.__getitem__)
    backup = Backup("pg_dump", "", True, "", {"dag_run": 3, "xcom": 1}, {}, "")
    assert upgrade.unsaved(subject, backup) == {"xcom": (2, 1)}
    for standing in (("only",), ()):
        subject.deployments = standing
        assert upgrade.unsaved(subject, backup) == {}


# The report.


def test_the_report_tells_of_the_release_as_it_was_judged() -> None:
    judged = report.Subject(
        executor="celery", namespace="airflow", release="airflow", chart="new", airflow="2.9.0", kubernetes="k"
    )
    settings, waiter = Settings.model_validate({}), Waiter(Progress(io.StringIO()), Budgets({}))
    cluster: Any = SimpleNamespace(kube=SimpleNamespace(version=lambda: "k"), workloads=list)
    subject = Subject(settings, "r", Executor.CELERY, "airflow", "airflow", cluster, waiter)
    subject.described = judged
    assert subject.describe() is judged
    assert subject.before(Deployment("old")).described is None


def test_what_workloads_use_is_of_their_chart() -> None:
    """Hooks, labels of no chart, and what no workload uses say nothing."""
    labels = {
        ("Service", "airflow-statsd"): "airflow-1.11.0",
        ("Service", "airflow-statsd-exposed"): "airflow-1.11.0",
        ("ConfigMap", "airflow-statsd"): "airflow-1.15.0",
        ("ConfigMap", "copy-of-users"): "airflow-1.11.0",
    }
    items = [
        {"kind": kind, "metadata": {"name": name, "labels": {"chart": chart}}} for (kind, name), chart in labels.items()
    ]
    volumes = [{"name": "m", "configMap": {"name": "airflow-statsd"}}]
    raw = {"metadata": {"labels": {"component": "statsd"}}, "spec": {"template": {"spec": {"volumes": volumes}}}}
    asked = SimpleNamespace(kubectl_run=lambda *_: SimpleNamespace(stdout=json.dumps({"items": items})))
    cluster = SimpleNamespace(workloads=lambda: [Workload(raw)], tools=asked)
    subject: Any = SimpleNamespace(cluster=cluster, fullname="airflow", namespace="airflow", release="airflow")
    found = upgrade.labels_of_what_workloads_use(subject)
    assert found == {"service/airflow-statsd": "airflow-1.11.0", "configmap/airflow-statsd": "airflow-1.15.0"}


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
AN_HOUR_AGO, JUST_NOW = NOON - timedelta(hours=1), NOON - timedelta(seconds=20)


@pytest.mark.parametrize(
    ("states", "updated", "found"),
    [
        (["deployed"], AN_HOUR_AGO, "deployed"),
        (["failed"], JUST_NOW, "failed"),
        (["pending-upgrade", "pending-upgrade", "deployed"], JUST_NOW, "deployed"),
        (["pending-upgrade", "deployed"], None, "deployed"),
        (["pending-upgrade"] * 2, AN_HOUR_AGO, "pending-upgrade"),
    ],
)
def test_an_upgrade_that_is_under_way_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, states: list[str], updated: datetime | None, found: str
) -> None:
    """And one that was interrupted long ago is not."""
    left = list(states)
    waiter = Waiter(Progress(io.StringIO()), Budgets({"install": 480}))
    monkeypatch.setattr(waiter.cancel, "wait", lambda _: None)
    monkeypatch.setattr(waiter, "_sleep", lambda *_: None)
    subject: Any = SimpleNamespace(
        release="airflow",
        namespace="airflow",
        waiter=waiter,
        cluster=SimpleNamespace(kube=SimpleNamespace(now=lambda: NOON)),
        helm=SimpleNamespace(status=lambda *_: Status(left.pop(0), 2, "airflow-1.15.0", updated)),
    )
    status = upgrade.helm_status(subject)
    assert status is not None and status.state == found and not left
