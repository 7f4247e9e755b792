"""Roles and users (README: Security, RBAC)."""

from fixtures.catalogue import requirement
from fixtures.errors import Unsupported
from fixtures.observations import roles
from fixtures.subject import Subject


@requirement("AF-RBAC-001")
def test_the_documented_roles_exist(subject: Subject) -> None:
    """The roles Admin, Viewer and User MUST exist with the permissions that this version of Airflow gives them."""
    known = subject.see(roles.known_roles)
    absent = sorted(set(roles.DOCUMENTED) - set(known))
    assert not absent, f"there is no role {', '.join(absent)}, but {', '.join(sorted(known))}: run `airflow sync-perm`"
    lacking = roles.missing_permissions(subject, but=roles.tried_permissions())
    assert not lacking, "\n".join(lacking)


@requirement("AF-RBAC-002")
def test_users_are_made_in_the_ui(subject: Subject) -> None:
    """An administrator MUST be able to create users with specific roles in the UI, below Security → List Users."""
    subject.see(roles.role_users)
    session = subject.airflow.login()
    users, home = session.get("/users/list/"), session.get("/home")
    assert users.status == 200, f"GET /users/list/ answers an administrator with {users.status}"
    assert "/users/list/" in home.text, "the menu has no entry that leads to /users/list/"
    subject.note(
        "AF-RBAC-002", "in the menu, List Users is below Security, which is a menu of its own, not below Admin"
    )


@requirement("AF-RBAC-003")
def test_each_role_may_do_what_it_is_for(subject: Subject) -> None:
    """Users with the roles Viewer, User, Op and Admin MUST have the rights of their role, and visitors none."""
    try:
        problems = [deed.problem for deed in subject.see(roles.deeds) if deed.problem]
    except Unsupported:  # nobody can try anything, but what each role holds is known
        problems = roles.missing_permissions(subject) + roles.excessive_permissions(subject)
        problems += roles.given_at_first_login(subject)
        assert not problems, "\n".join(problems)
        raise
    problems += roles.excessive_permissions(subject, but=roles.tried_permissions())
    assert not problems, "\n".join(problems)
