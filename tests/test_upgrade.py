"""What an upgrade is judged by, as far as it can be told without a cluster."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import inventory, report
from fixtures.deployment import Deployment
from fixtures.helm import Status
from fixtures.observations import upgrade
from fixtures.observations.backup import Backup
from fixtures.observations.upgrade import changed_roles, others_images, written_by_task
from fixtures.progress import Progress
from fixtures.settings import Executor, Settings
from fixtures.subject import Subject
from fixtures.terminal import WAIT_FOR_MIGRATIONS
from fixtures.wait import Budgets, Waiter
from tests.test_migration import BEGAN, NEW, OLD, OTHER, pod, release


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


def test_a_pod_with_the_image_of_before_is_told() -> None:
    seen = release(pod("scheduler", NEW, waits=NEW), pod("webserver", OLD, waits=OLD))
    assert others_images(seen) == {"webserver-2.7.1": OLD}


def test_pgbouncer_is_not_airflow_though_its_image_is_of_the_same_repository() -> None:
    pgbouncer = pod("pgbouncer", f"{NEW.rpartition(':')[0]}:airflow-pgbouncer-2023.02.24-1.16.1")
    assert not others_images(release(pod("scheduler", NEW, waits=NEW), pgbouncer))


def test_flower_has_the_chart_s_default_image_where_others_have_one_of_their_own() -> None:
    """`images.airflow.tag` alone leaves Flower's as it is; one of neither is told."""
    own, usual = f"{NEW}-python3.11", dict(zip(("Repository", "Tag"), NEW.split(":"), strict=True))
    given = {f"defaultAirflow{part}": text for part, text in usual.items()}
    scheduler = pod("scheduler", own, waits=own)
    assert not others_images(release(scheduler, pod("flower", NEW), **given))
    assert others_images(release(scheduler, pod("flower", OLD), **given))
    assert not others_images(release(scheduler, pod("flower", OLD), **given, images__flower__tag="2.7.1"))
    assert others_images(release(scheduler, pod("webserver", NEW), **given))


def test_git_sync_is_not_airflow_though_a_mirror_keeps_all_images_in_one_repository() -> None:
    scheduler = pod("scheduler", NEW, waits=NEW)
    image = f"{NEW.rpartition(':')[0]}:git-sync-v4.1.0"
    scheduler.raw["spec"]["containers"].append({"name": "git-sync", "image": image})
    scheduler.raw["spec"]["initContainers"].append({"name": "git-sync-init", "image": image})
    assert not others_images(release(scheduler))


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
