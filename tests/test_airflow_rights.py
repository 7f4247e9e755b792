"""Users and rights against a real Airflow: healthy roles are left alone, a right too many or too few is named.

It comes right after test_airflow.py: later tests end every program that the session started, Airflow among them.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any, cast

import pytest

from fixtures.airflow import Airflow, DagRun
from fixtures.ledger import Ledger
from fixtures.observations import airflow_access, roles
from fixtures.observe import Observation
from fixtures.session import Credentials
from fixtures.subject import Subject
from tests.real_airflow import COLD_SECONDS, RealAirflow, wait_listed

GIVE = "insert into ab_permission_view_role (permission_view_id, role_id) select pv.id, r.id"
TAKE = "delete from ab_permission_view_role where (permission_view_id, role_id) in (select pv.id, r.id"
WHICH = (
    " from ab_permission_view pv, ab_role r, ab_permission p, ab_view_menu v"
    " where p.id = pv.permission_id and v.id = pv.view_menu_id and r.name = ? and p.name = ? and v.name = ?"
)

pytestmark = pytest.mark.timeout(COLD_SECONDS)


class Deployment:
    """As much of a subject as users and rights need."""

    new_user = Subject.new_user

    def __init__(self, airflow: Airflow) -> None:
        self.airflow = airflow
        self.ledger = Ledger(self)
        self.seen: dict[str, Any] = {airflow_access.name: None}

    def learn(self, secret: str) -> None: ...

    def ask(self, component: str, probe: str) -> dict[str, Any]:
        return {"type": 1, "registers": "", "chosen": False}  # AUTH_DB

    def adopt(self, run: DagRun) -> None:
        self.ledger.record("DAG run", run.run_id, dag=run.dag_id)

    def forget(self, run: DagRun) -> None:
        self.airflow.delete_run(run)

    def see(self, observation: Observation[Any, Any]) -> Any:
        if observation.name not in self.seen:
            self.seen[observation.name] = observation.look(self)
        return self.seen[observation.name]

    def problems(self) -> list[str]:
        return [deed.problem for deed in roles.deeds.look(cast(Subject, self)) if deed.problem]


def change(real: RealAirflow, statement: str, role: str, permission: str) -> None:
    """Take a permission from a role, or give it, as `airflow roles del-perms` and `add-perms` do."""
    values = (role, *permission.split(" on ", 1))
    with closing(sqlite3.connect(real.home / "airflow.db", timeout=30)) as database, database:
        closed = ")" if statement == TAKE else ""
        assert database.execute(statement + WHICH + closed, values).rowcount == 1


def test_rights(real_airflow: RealAirflow, monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = real_airflow.client()
    wait_listed(airflow, ["conformance_rights"])
    monkeypatch.setattr(roles, "listed", lambda *_: "")
    deployment = Deployment(airflow)
    users = cast(dict[str, Credentials], deployment.see(roles.role_users))
    assert {role: airflow.roles(user.username) for role, user in users.items()} == {r: {r} for r in roles.ROLES}
    people = {role: airflow.open_session(user) for role, user in users.items()}
    monkeypatch.setattr(airflow, "open_session", lambda user: next(s for s in people.values() if s.credentials == user))
    assert deployment.problems() == []

    run, edit = "can_create on DAG Runs", "can_edit on DAGs"
    for role, permission in (("Viewer", run), ("Viewer", edit)):
        change(real_airflow, GIVE, role, permission)
    change(real_airflow, TAKE, "User", run)
    found = deployment.problems()
    for role, permission in (("Viewer", run), ("Viewer", edit)):
        change(real_airflow, TAKE, role, permission)
    change(real_airflow, GIVE, "User", run)
    assert len(found) == 3, found
    too_much, also, too_little = sorted(found, key=lambda text: ("User" in text, text))
    assert "role Viewer may pause a DAG" in too_much and f"take away the permission `{edit}`" in too_much
    assert "role Viewer may trigger a DAG" in also and "answered 200, promised is 403" in also
    assert "role User may not trigger a DAG" in too_little and f"add the permission `{run}`" in too_little
    assert airflow.runs("conformance_rights") == []
    assert deployment.ledger.settle() == []
    assert not any("conformance" in user for user in airflow.login().get("/auth/fab/v1/users").text.split('"'))
