"""What `make guest` finds out of an audit log, of what runs left, and of how they ended."""

import dataclasses
import json
import random
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import guest, inventory
from fixtures.child import Ended
from fixtures.clusters import OwnCluster
from fixtures.dagfiles import DAGS
from fixtures.guest import Account, Host, Traces
from fixtures.inventory import Allowed, Inventory
from fixtures.outcome import Outcome
from fixtures.progress import Progress
from fixtures.settings import Executor
from images import node
from tests import cases


@pytest.fixture
def host(tmp_path: Path) -> Any:
    cluster = OwnCluster("c", tmp_path)
    (tmp_path / node.AUDIT_LOG).parent.mkdir()
    options = guest.Options.model_validate({})
    return Host(options, cluster, Executor.CELERY, "airflow", None, None)  # type: ignore[arg-type]


READER = Account("guest-reader", "airflow", Path("kubeconfig"))
BROKEN = Ended(11, 1.0, "", None, "killed")


def audited(host: Host, *requests: tuple[str, str, str]) -> None:
    lines = [
        json.dumps({"user": {"username": f"system:serviceaccount:airflow:{who}"}, "verb": verb, "requestURI": uri})
        for who, verb, uri in requests
    ]
    (host.cluster.directory / node.AUDIT_LOG).write_text("".join(f"{line}\n" for line in lines))


def test_only_looking_is_allowed(host: Host) -> None:
    path = "/api/v1/namespaces/airflow/pods"
    audited(
        host,
        ("guest-reader", "list", path),
        ("guest-reader", "watch", f"{path}?watch=1"),
        ("guest-reader", "get", f"{path}/a/portforward"),
        ("guest-actor", "delete", f"{path}/a"),
    )
    assert guest.writes(host, READER) == []
    audited(host, ("guest-reader", "create", f"{path}/a/exec?command=sh"), ("guest-reader", "create", f"{path}/a/exec"))
    assert guest.writes(host, READER) == [f"create {path}/a/exec, 2 times"]


def test_an_audit_log_without_the_user_proves_nothing(host: Host) -> None:
    audited(host, ("guest-actor", "list", "/api"))
    assert guest.writes(host, READER) == ["the audit log has no request of system:serviceaccount:airflow:guest-reader"]


def test_a_line_of_the_audit_log_that_is_being_written_is_left_out(host: Host) -> None:
    audited(host, ("guest-reader", "list", "/api"))
    with (host.cluster.directory / node.AUDIT_LOG).open("a") as log:
        log.write('{"user": {"username": "system:ser')
    assert guest.writes(host, READER) == []


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
    assert guest.differences(before, after, Allowed.load("guest")) == [
        "configmap journal is new",
        "secret s is gone",
        "1 rows of connection (2) more",
        "value of 1 of 1 rows of variable changed (1)",
    ]
    assert guest.differences(before, before, Allowed.load("guest")) == []


def test_only_who_may_disturb_may_have_the_password_set_again() -> None:
    before, after = (Traces(frozenset(), users(value)) for value in ("old", "new"))
    assert guest.differences(before, after, Allowed.load("guest")) == ["password of 1 of 1 rows of ab_user changed (1)"]
    assert guest.differences(before, after, Allowed.load("disturbing_guest")) == []


def users(password: str) -> Inventory:
    return Inventory.of({"ab_user": {"columns": ["id", "password"], "keys": ["id"], "rows": {"1": ["1", password]}}})


def test_a_table_that_is_new_counts() -> None:
    assert inventory.additions(holding(), holding(own={"1": "x"}), Allowed(frozenset(), {})) == ["1 rows of own (1)"]


def test_runs_judge_the_release_that_was_brought_up(host: Host) -> None:
    options = guest.Options.model_validate({"RELEASE": "flow", "BUDGET_SCALE": "2", "AIRFLOW": "2.9.3"})
    given = guest.target(dataclasses.replace(host, options=options), READER)
    assert {name: given[name] for name in ("RELEASE", "BUDGET_SCALE", "AIRFLOW", "EXECUTOR", "CONTEXT")} == {
        "RELEASE": "flow",
        "BUDGET_SCALE": "2.0",
        "AIRFLOW": "2.9.3",
        "EXECUTOR": "celery",
        "CONTEXT": "guest-reader",
    }


def test_dags_that_are_still_being_parsed_are_awaited_before_anything_is_called_a_trace(
    monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    seen: list[str] = []
    subject = SimpleNamespace(see=lambda _: seen.append("access"))
    monkeypatch.setattr(guest, "looked_at", lambda _: nullcontext(subject))
    monkeypatch.setattr(guest, "permitted", lambda *_, **__: READER)
    monkeypatch.setattr(guest.owndags, "listed", lambda _, file: seen.append(file))

    def first_look(_: Host) -> Traces:
        seen.append("traces")
        raise KeyboardInterrupt

    monkeypatch.setattr(guest, "traces", first_look)
    with pytest.raises(KeyboardInterrupt):
        guest.visits(Progress(), host, random.Random(1))
    assert seen == ["access", *sorted(file.name for file in DAGS.glob("*.py")), "traces"]


def test_a_run_without_a_report_is_not_conformant() -> None:
    assert guest.verdict_problems(BROKEN) == ["it left no report (exit code 11): killed"]
    assert guest.told(BROKEN) == "exit code 11"


def test_every_row_that_does_not_hold_is_told_with_its_reason(tmp_path: Path) -> None:
    made = cases.report(
        AF_UI_001=(Outcome.PASS, ""), AF_UI_002=(Outcome.UNSUPPORTED, ""), AF_UI_003=(Outcome.FAIL, "no")
    )
    (tmp_path / "report.json").write_text(made.model_dump_json())
    ended = dataclasses.replace(BROKEN, code=1, report=tmp_path / "report.json")
    assert guest.verdict_problems(ended) == ["because", "AF-UI-003 is fail: no"]


@pytest.mark.parametrize("keep", [False, True])
def test_an_interruption_while_the_deployment_comes_up_leaves_no_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keep: bool
) -> None:
    made, removed = OwnCluster("airflow-conformance-20261129-220518-5e5e", tmp_path), []

    def interrupted(*_: Any, on_line: Any, **__: Any) -> Ended:
        on_line("run 20261129-220518-5e5e: 1 requirements\n")
        raise KeyboardInterrupt

    monkeypatch.setattr(guest.child, "run", interrupted)
    monkeypatch.setattr(guest.clusters, "existing", lambda: [made])
    monkeypatch.setattr(guest.clusters, "remove", lambda cluster, *_: removed.append(cluster))
    options = guest.Options(KEEP=keep)
    with pytest.raises(KeyboardInterrupt), guest.standing(options, Progress()):
        pass
    assert removed == ([] if keep else [made])
