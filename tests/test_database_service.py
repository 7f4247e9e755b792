"""A metadata database that serves Airflow, and those that refuse now and then."""

from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from conformance.test_metadata_database import test_the_metadata_database_serves_airflow as judge_database
from fixtures.observations.database_service import DATABASE, DatabaseService


def database(*, migrates_with: str = "", **seen: Any) -> Any:
    """A metadata database as probes/database_service.py tells of a good one, and what is otherwise.

    Args:
        migrates_with: variable that the values give to the Job that migrates.
    """
    limits = dict.fromkeys(("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"), 0)
    settings = {"default_transaction_isolation": "read committed", "server_encoding": "UTF8", "client_encoding": "UTF8"}
    told = {
        "dialect": "postgresql",
        "role": "airflow",
        "host": "pg",
        "sslmode": "",
        "encrypted": False,
        "limits": limits,
    }
    told |= {
        "settings": settings | seen.pop("settings", {}),
        "room": [],
        "read_only": False,
        "waiters": [],
        "cannot_migrate": [],
        "damaged": [],
    }
    service = DatabaseService(told | seen, yaml.safe_load(DATABASE.read_text()))
    notes: list[str] = []
    return SimpleNamespace(
        see=lambda _: service,
        component_value=lambda job, path: [{"name": migrates_with, "value": "x"}] if migrates_with else [],
        note=lambda _, text: notes.append(text),
        notes=notes,
    )


@pytest.mark.parametrize("encrypted", [True, None, False])
def test_of_declared_tls_this_end_of_the_connection_counts(encrypted: bool | None) -> None:
    subject = database(sslmode="require", encrypted=encrypted)
    if encrypted is not False:
        judge_database(subject)  # a driver that does not tell accuses nobody
        return
    with pytest.raises(AssertionError, match="sslmode=require, and the session is not encrypted"):
        judge_database(subject)


def test_a_good_metadata_database_serves() -> None:
    judge_database(database())
    judge_database(database(settings={"default_transaction_isolation": "read uncommitted"}))  # the same in PostgreSQL
    judge_database(database(settings={"client_encoding": "UNICODE"}))


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (
            {"settings": {"default_transaction_isolation": "serializable"}},
            "default_transaction_isolation is serializable",
        ),
        ({"settings": {"server_encoding": "SQL_ASCII"}}, "server_encoding is SQL_ASCII, Airflow needs UTF8"),
        ({"settings": {"client_encoding": "LATIN1"}}, "client_encoding is LATIN1, Airflow needs UTF8"),
        ({"cannot_migrate": ["does not own dag_run"]}, "role airflow at pg: does not own dag_run: .* owner to airflow"),
        ({"damaged": ["xcom has no primary key"]}, "xcom has no primary key: a row will be refused, or come twice"),
    ],
)
def test_a_metadata_database_that_refuses_now_and_then_is_told(seen: dict[str, Any], told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        judge_database(database(**seen))


def test_another_role_may_migrate() -> None:
    """TLS is looked at all the same."""
    lacking = {"cannot_migrate": ["does not own dag_run"]}
    subject = database(migrates_with="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", **lacking)
    judge_database(subject)
    assert "does not own dag_run" in subject.notes[0]
    with pytest.raises(AssertionError, match="does not own dag_run"):
        judge_database(database(migrates_with="PGAPPNAME", **lacking))
    with pytest.raises(AssertionError, match="not encrypted"):
        judge_database(database(migrates_with="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", sslmode="require", **lacking))
