"""Where users come from elsewhere, nobody is made who could not log in, and what roles hold is judged all the same."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.test_roles import test_each_role_may_do_what_it_is_for as judge
from fixtures import process
from fixtures.errors import TargetFailed, Unsupported
from fixtures.observations import roles
from fixtures.session import LOGIN_MARK, Answer, Credentials, new_password
from fixtures.subject import PROBES, Subject

SHIPPED = {"Viewer": ["can_read on DAGs"], "Admin": ["can_read on DAGs", "can_create on Users"]}


def release(auth_type: int, *, registers: str = "", chosen: bool = False, **held: Any) -> Subject:
    """A release with a way to log in, whose roles hold what Airflow gives them unless said otherwise."""

    def see(observation: Any) -> Any:
        if observation.name in seen:
            return seen[observation.name]
        return observation.look(subject)

    seen: Mapping[str, Any] = {
        roles.known_roles.name: {role: frozenset(held.get(role, given)) for role, given in SHIPPED.items()},
        roles.shipped_permissions.name: SHIPPED,
    }
    way = {"type": auth_type, "registers": registers, "chosen": chosen}
    options = {"option": lambda *_, **__: "True", "ask": lambda component, probe: way, "note": lambda *_: None}
    subject = cast("Subject", SimpleNamespace(see=see, **options))
    return subject


def test_nobody_is_made_who_could_not_log_in() -> None:
    with pytest.raises(Unsupported, match="from LDAP"):
        roles.role_users.look(release(2))


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ({"Viewer": ["can_read on DAGs", "can_edit on Variables"]}, "role Viewer holds can_edit on Variables"),
        ({"Viewer": ["can_read on DAGs", "can_edit on DAGs"]}, "role Viewer holds can_edit on DAGs"),
        ({"Admin": ["can_read on DAGs"]}, "role Admin lacks can_create on Users"),
    ],
)
def test_what_roles_hold_is_judged_although_nobody_can_try_it(held: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        judge(release(4, **held))


def test_roles_that_hold_what_they_should_are_unsupported_where_nobody_can_try_it() -> None:
    with pytest.raises(Unsupported, match="from OAuth"):
        judge(release(4))


def test_a_directory_all_of_whose_people_become_administrators_is_told() -> None:
    with pytest.raises(AssertionError, match="AUTH_USER_REGISTRATION_ROLE"):
        judge(release(2, registers="Admin"))
    for fine in (release(2, registers="Viewer"), release(2, registers="Admin", chosen=True)):
        with pytest.raises(Unsupported):
            judge(fine)


LDAP, OAUTH = "AUTH_USER_REGISTRATION = True\nAUTH_TYPE = 2\n", "AUTH_USER_REGISTRATION = True\nAUTH_TYPE = 4\n"
ADMIN = "AUTH_USER_REGISTRATION_ROLE = 'Admin'\n"


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("WHAT = 2\nAUTH_TYPE = WHAT\n", (2, "", False)),
        ("WTF_CSRF_ENABLED = True\n", (1, "", True)),
        (None, (1, "", True)),
        (ADMIN, (1, "", True)),
        (LDAP, (2, "", False)),
        (LDAP + ADMIN, (2, "Admin", False)),
        (LDAP + ADMIN + "AUTH_LDAP_SEARCH_FILTER = '(memberOf=cn=admins)'\n", (2, "Admin", True)),
        (OAUTH + ADMIN, (4, "Admin", True)),
        (OAUTH + ADMIN + "AUTH_USER_REGISTRATION_ROLE_JMESPATH = 'x'\n", (4, "", True)),
    ],
)
def test_the_way_to_log_in_is_read_as_flask_reads_it(tmp_path: Path, config: str | None, found: Any) -> None:
    if config is not None:
        (tmp_path / "webserver_config.py").write_text(config)
    answer = process.run([sys.executable, PROBES / "auth_type.py"], env={"AIRFLOW_HOME": str(tmp_path)}, deadline=30)
    assert tuple(json.loads(answer.stdout).values()) == found


@pytest.mark.parametrize(
    ("page", "known"),
    [
        ('<input id="csrf_token" name="csrf_token" type="hidden" value="x">', True),
        ("<a id=btn-signin-github>Sign In with github</a><script>var csrfToken = 'x';</script>", True),
        ("<html><h1>Welcome to nginx!</h1></html>", False),
    ],
)
def test_login_pages_of_airflow_are_known_with_a_form_or_without(page: str, known: bool) -> None:
    assert bool(LOGIN_MARK.search(page)) == known


FORM = (
    '<input class="form-control" id="password" name="password" type="password" value="">\n'
    '<span class="help-block">The user&#39;s password for authentication</span>\n{password}'
    '<input class="form-control" id="conf_password" name="conf_password" type="password" value="">\n'
    '<span class="help-block">Please rewrite</span>\n{again}'
)
ALERT = '<div class="alert alert-danger">\n  {}\n</div>\n'


@pytest.mark.parametrize(
    ("password", "again", "kind", "says"),
    [
        (ALERT.format("It&#39;s too short."), "", Unsupported, "It's too short."),
        ("", ALERT.format("Passwords must match"), TargetFailed, "did not make a user: 200"),
        ("", "", TargetFailed, "did not make a user: 200"),
    ],
)
def test_a_rule_of_the_site_for_passwords_is_no_fault(password: str, again: str, kind: Any, says: str) -> None:
    page = FORM.format(password=password, again=again)
    session = SimpleNamespace(
        get=lambda _: SimpleNamespace(status=200, text='<option value="2">Viewer</option>'),
        submit=lambda *_: SimpleNamespace(status=200, text=page),
    )
    subject: Any = SimpleNamespace(airflow=SimpleNamespace(login=lambda: session, stamp=""))
    with pytest.raises(kind, match=says):
        roles.make_user_in_ui(subject, Credentials("somebody", new_password()), "Viewer")


def test_passwords_are_such_as_flask_appbuilder_wants_where_it_looks() -> None:
    password, other = new_password(), new_password()
    counts = [len(re.findall(kind, password)) for kind in ("[A-Z]", "[a-z]", "[0-9]", "[^0-9a-zA-Z]")]
    assert all(has >= wanted for has, wanted in zip(counts, (2, 3, 2, 1), strict=True)) and len(password) >= 10
    assert password != other


def test_a_right_too_many_and_one_too_few_are_told() -> None:
    deed = roles.Deed("Viewer", "trigger a DAG", "POST /x", "can_create on DAG Runs", "403", "200", True)
    assert deed.problem == (
        "role Viewer may trigger a DAG: POST /x answered 200, promised is 403; "
        "take away the permission `can_create on DAG Runs`"
    )
    deed = roles.Deed("User", "trigger a DAG", "POST /x", "can_create on DAG Runs", "200", "403", False)
    assert "may not" in deed.problem and "add the permission" in deed.problem
    assert "all the same" in roles.Deed("Viewer", "w", "r", "p", "403", "403", True).problem
    assert roles.Deed("Viewer", "w", "r", "p", "403", "403", False).problem == ""


def test_what_no_permission_decides_has_a_remedy_of_its_own() -> None:
    def deed(got: str, made: bool) -> roles.Deed:
        return roles.Deed(
            "Viewer", "trigger a DAG", "POST /x", "can_create on DAG Runs", "absent", got, made, "turn it off"
        )

    assert deed("absent", False).problem == ""
    assert deed("200", True).problem == (
        "role Viewer may trigger a DAG: POST /x answered 200, promised is absent; turn it off"
    )


@pytest.mark.parametrize(
    ("status", "verdict"), [(404, "absent"), (403, "absent"), (200, "200"), (401, "401"), (302, "302")]
)
def test_what_nobody_serves_is_absent(status: int, verdict: str) -> None:
    answer = Answer("POST", "http://airflow/api/experimental", status, "", "", "")
    assert roles._verdict(answer, "absent") == verdict
    assert roles._verdict(answer, "403") == str(status)


def test_every_action_says_what_each_role_gets() -> None:
    for action in roles.actions():
        assert set(action.answers) == {"anonymous", "Viewer", "User", "Op", "Admin"}, action.what


def test_permissions_that_airflow_does_not_give_are_named() -> None:
    """Roles of a site's own, single DAGs, and what a user may do with what is his, are nobody else's business."""
    held = {
        "Public": frozenset({"menu_access on DAGs"}),
        "Viewer": frozenset(
            {"can_read on DAGs", "can_edit on Variables", "can_edit on DAG:mine", "can_edit on My Profile"}
        ),
        "Admin": frozenset({"can_edit on Variables"}),
        "Site": frozenset({"can_edit on Variables"}),
    }
    seen = {roles.known_roles.name: held, roles.shipped_permissions.name: SHIPPED}
    public, viewer = roles.excessive_permissions(SimpleNamespace(see=lambda one: seen[one.name]))  # type: ignore[arg-type]
    assert public.startswith("role Public holds menu_access on DAGs, which")
    assert viewer.startswith("role Viewer holds can_edit on Variables, which")
