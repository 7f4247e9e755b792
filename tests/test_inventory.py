"""What counts as lost between two inventories of a metadata database."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fixtures import process
from fixtures.inventory import Allowed, Inventory, fingerprint, losses
from fixtures.subject import PROBES
from tests.real_airflow import COLD_SECONDS, environment

ALLOWED = Allowed(frozenset({"session"}), {"dag": ["last_parsed_time"]})


def inventory(**tables: dict[str, Any]) -> Inventory:
    """Tables whose first column is the primary key, by key: the other columns."""
    return Inventory.of(
        {
            name: {
                "columns": ["key", *next(iter(rows.values()))],
                "keys": ["key"],
                "rows": {key: [key, *row.values()] for key, row in rows.items()},
            }
            for name, rows in tables.items()
        }
    )


BEFORE = inventory(
    dag={"a": {"is_paused": "1", "last_parsed_time": "t0"}, "b": {"is_paused": "2", "last_parsed_time": "t0"}},
    xcom={"1": {"value": "v"}},
    session={"s": {"id": "1"}},
)


def test_nothing_is_lost_where_only_new_things_came() -> None:
    after = inventory(
        dag={
            "a": {"is_paused": "1", "last_parsed_time": "t1", "display": "new"},
            "b": {"is_paused": "2", "last_parsed_time": "t1", "display": "new"},
            "c": {"is_paused": "1", "last_parsed_time": "t1", "display": "new"},
        },
        xcom={"1": {"value": "v"}, "2": {"value": "w"}},
        fresh={"1": {"a": "b"}},
    )
    assert losses(BEFORE, after, ALLOWED) == []


def test_what_somebody_was_at_work_on_may_change_and_must_stay() -> None:
    allowed = Allowed(frozenset(), {}, {"dag_run": ["running"], "task_instance": [None]})
    running, ended = fingerprint("running"), fingerprint("success")
    before = inventory(
        dag_run={"1": {"state": running}, "2": {"state": ended}, "3": {"state": running}},
        task_instance={"1": {"state": None}},
    )
    after = inventory(
        dag_run={"1": {"state": ended}, "2": {"state": running}}, task_instance={"1": {"state": fingerprint("queued")}}
    )
    assert losses(before, after, allowed) == [
        "1 of 3 rows of dag_run are gone (3)",
        "state of 1 of 3 rows of dag_run changed (2)",
    ]


def test_lost_rows_tables_and_values_are_named() -> None:
    after = inventory(dag={"a": {"is_paused": "9", "last_parsed_time": "t1"}})
    assert losses(BEFORE, after, ALLOWED) == [
        "1 of 2 rows of dag are gone (b)",
        "is_paused of 1 of 2 rows of dag changed (a)",
        "table xcom is gone, with 1 rows",
    ]


def test_a_new_primary_key_loses_nothing() -> None:
    before = Inventory.of({"xcom": {"columns": ["dag", "run"], "keys": ["dag"], "rows": {"a": ["fa", "f1"]}}})
    after = Inventory.of({"xcom": {"columns": ["id", "dag", "run"], "keys": ["id"], "rows": {"7": ["f7", "fa", "f1"]}}})
    assert losses(before, after, ALLOWED) == []


def test_the_shipped_list_names_every_kind_of_history_by_leaving_it_out() -> None:
    allowed = Allowed.load()
    kept = {"dag_run", "task_instance", "xcom", "connection", "variable", "ab_user", "ab_user_role", "log", "dag"}
    assert not kept & allowed.rewritten
    assert "is_paused" not in allowed.moving["dag"]
    assert "password" not in allowed.moving["connection"]


@pytest.mark.timeout(COLD_SECONDS)
def test_the_probe_tells_every_row_without_its_secrets(tmp_path: Path) -> None:
    database = tmp_path / "airflow.db"
    with sqlite3.connect(database) as connection:
        connection.execute("create table connection (id integer primary key, password text)")
        connection.execute("insert into connection values (7, 'hunter2')")
    ran = process.run(
        [environment() / "bin" / "python", PROBES / "inventory.py"],
        deadline=60,
        env={"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}"},
    )
    told = json.loads(ran.stdout)
    assert told["server"] is None
    assert list(told["tables"]["connection"]["rows"]) == ["7"]
    assert "hunter2" not in ran.stdout
