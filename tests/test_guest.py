"""What `make guest` finds out of an audit log, of what runs left, and of how they ended."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures import guest, inventory
from fixtures.clusters import OwnCluster
from fixtures.guest import Ended, Host, Traces
from fixtures.inventory import Allowed, Inventory
from fixtures.settings import Executor
from images import node


@pytest.fixture
def host(tmp_path: Path) -> Any:
    cluster = OwnCluster("c", tmp_path)
    (tmp_path / node.AUDIT_LOG).parent.mkdir()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump({"users": [{"name": "guest-reader"}], "contexts": [{"name": "guest-reader"}]}))
    return Host(cluster, Executor.CELERY, "airflow", None, None)  # type: ignore[arg-type]


def audited(host: Host, *requests: tuple[str, str, str]) -> None:
    lines = [
        json.dumps({"user": {"username": f"system:serviceaccount:airflow:{who}"}, "verb": verb, "requestURI": uri})
        for who, verb, uri in requests
    ]
    (host.cluster.directory / node.AUDIT_LOG).write_text("\n".join(lines))


def test_only_looking_is_allowed(host: Host) -> None:
    path = "/api/v1/namespaces/airflow/pods"
    audited(
        host,
        ("guest-reader", "list", path),
        ("guest-reader", "watch", f"{path}?watch=1"),
        ("guest-reader", "get", f"{path}/a/portforward"),
        ("guest-actor", "delete", f"{path}/a"),
    )
    assert guest.writes(host, str(host.cluster.kubeconfig)) == []
    audited(host, ("guest-reader", "create", f"{path}/a/exec?command=sh"), ("guest-reader", "create", f"{path}/a/exec"))
    assert guest.writes(host, str(host.cluster.kubeconfig)) == [f"create {path}/a/exec, 2 times"]


def test_an_audit_log_without_the_user_proves_nothing(host: Host) -> None:
    audited(host, ("guest-actor", "list", "/api"))
    assert guest.writes(host, str(host.cluster.kubeconfig)) == [
        "the audit log has no request of system:serviceaccount:airflow:guest-reader"
    ]


def holding(**tables: dict[str, str]) -> Inventory:
    return Inventory.of(
        {
            name: {
                "columns": ["id", "value"],
                "keys": ["id"],
                "rows": {key: [key, value] for key, value in rows.items()},
            }
            for name, rows in tables.items()
        }
    )


def test_what_was_left_taken_and_changed_is_named() -> None:
    before = Traces(frozenset({"pod a", "secret s"}), holding(connection={"1": "x"}, variable={"1": "x"}, log={}))
    after = Traces(
        frozenset({"pod a", "configmap journal"}),
        holding(connection={"1": "x", "2": "y"}, variable={"1": "changed"}, log={"1": "x"}),
    )
    assert guest.differences(before, after) == [
        "configmap journal is new",
        "secret s is gone",
        "1 rows of connection (2) more",
        "value of 1 of 1 rows of variable changed (1)",
    ]
    assert guest.differences(before, before) == []


def test_a_table_that_is_new_counts() -> None:
    assert inventory.additions(holding(), holding(own={"1": "x"}), Allowed(frozenset(), {})) == ["1 rows of own (1)"]


def test_a_run_is_ended_when_it_should_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = "print('[   0.0 s] run 20260101-120000-abcd: 1 requirements', flush=True); import time; time.sleep(60)"
    monkeypatch.setattr(guest.process, "start", starting(code))
    ended = guest.run({}, tmp_path, end=(signal.SIGKILL, 1.0))
    assert ended.code == -signal.SIGKILL
    assert ended.run == "20260101-120000-abcd"
    assert ended.report is None
    assert guest.verdict_problems(ended)[0].startswith("it left no report (exit code -9)")


def starting(code: str) -> Any:
    """`process.start` of another program."""
    start = guest.process.start
    return lambda argv, **rest: start([argv[0], "-c", code], **rest)


def test_figures_are_told() -> None:
    assert guest.told(Ended(3, 1.0, "", None, "")) == "exit code 3"
