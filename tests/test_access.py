"""Ways into Airflow: known passwords, forms that expire, and the command that leads to the UI."""

import contextlib
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.test_access import test_port_forward_reaches_the_ui as judge_ui
from conformance.test_access import test_the_documented_password_opens_the_ui as judge_login
from fixtures.airflow import NotThere
from fixtures.objects import Pod
from fixtures.observations import COMPOSE_LOGIN, DEFAULT_LOGIN, csrf_time_limit, other_default_login
from fixtures.session import Answer, ApiDenied, Credentials, WrongCredentials


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("WTF_CSRF_TIME_LIMIT = None", None),
        ("WTF_CSRF_TIME_LIMIT = int(os.environ['LIMIT'])", None),
        ("WTF_CSRF_ENABLED = True", None),
        ("", None),
        ("WTF_CSRF_TIME_LIMIT = 3600", 3600),
        ("WTF_CSRF_TIME_LIMIT = 60\nWTF_CSRF_TIME_LIMIT = 60 * 10", 600),
    ],
)
def test_how_long_a_form_may_be_open(text: str, seconds: int | None) -> None:
    assert csrf_time_limit(text) == (None if seconds is None else timedelta(seconds=seconds))


def nobody(username: str) -> frozenset[str]:
    """As Airflow answers that has no such user."""
    raise NotThere(username)


def logging_in(webserver_config: str, *, readonly: bool = False) -> Any:
    """A subject into which the documented user can log in, with a webserver_config.py."""
    container = {"name": "webserver", "env": [{"name": "AIRFLOW_HOME", "value": "/srv/airflow"}]}
    pod = Pod({"metadata": {"name": "w", "uid": "w"}, "spec": {"containers": [container]}})
    host = SimpleNamespace(run=lambda _, path: SimpleNamespace(stdout={WEBSERVER_CONFIG: webserver_config}[path]))
    session = SimpleNamespace(get=lambda _: Answer("GET", "/users/list/", 200, "", "", ""))
    return SimpleNamespace(
        see=lambda _: None,
        documented_credentials=lambda: DEFAULT_LOGIN,
        airflow=SimpleNamespace(open_session=lambda _: session, roles=nobody),
        option=lambda section, key, default, component: default,
        only_looks=lambda *_: readonly,
        pod=lambda _: pod,
        inside=lambda _: host,
    )


WEBSERVER_CONFIG = "/srv/airflow/webserver_config.py"


@pytest.mark.parametrize(
    ("user", "refusal", "told"),
    [
        ("airflow", None, "airflow"),
        ("airflow", ApiDenied("no right at all"), "airflow"),
        ("airflow", WrongCredentials("airflow"), ""),
        ("somebody", None, ""),
    ],
)
def test_a_second_user_with_a_known_password_is_told(user: str, refusal: Exception | None, told: str) -> None:
    """One that is not there is not tried, and neither is the documented one."""
    tried: list[Credentials] = []

    def open_session(credentials: Credentials) -> None:
        tried.append(credentials)
        if refusal:
            raise refusal

    def roles_of(username: str) -> frozenset[str]:
        return frozenset({"Admin"}) if username == user else nobody(username)

    subject: Any = SimpleNamespace(airflow=SimpleNamespace(open_session=open_session, roles=roles_of))
    assert other_default_login(subject, Credentials("admin", "documented")) == told
    assert tried == [COMPOSE_LOGIN][: user == "airflow"]
    assert other_default_login(subject, Credentials("airflow", "documented")) == ""


@pytest.mark.parametrize("subject", [logging_in(""), logging_in("WTF_CSRF_TIME_LIMIT = 300")])
def test_forms_that_may_be_open_for_minutes_are_left_alone(subject: Any) -> None:
    judge_login(subject)


def test_forms_that_expire_soon_are_told() -> None:
    judge_login(logging_in("WTF_CSRF_TIME_LIMIT = 60", readonly=True))
    with pytest.raises(AssertionError, match=r"longer than 60 s is refused, .*WTF_CSRF_TIME_LIMIT"):
        judge_login(logging_in("WTF_CSRF_TIME_LIMIT = 60"))


@pytest.mark.parametrize(
    ("port", "scheme", "noted"),
    [
        (8080, "http", []),
        (80, "http", ["Service airflow-webserver has port 80: the README's command needs 8080:80 here"]),
        (8080, "https", ["the webserver speaks TLS: the README's address is https://localhost:8080 here"]),
    ],
)
def test_another_way_to_the_ui_is_noted_with_what_it_needs(port: int, scheme: str, noted: list[str]) -> None:
    notes: list[str] = []
    asked: list[str] = []

    def visitor(address: str) -> Any:
        asked.append(address)
        return SimpleNamespace(get=lambda path: pages[path])

    pages = {
        "/health": Answer("GET", "/health", 200, "application/json", "", '{"scheduler": {}}'),
        "/login/": Answer("GET", "/login/", 200, "text/html", "", "csrf_token"),
    }
    subject: Any = SimpleNamespace(
        see=lambda _: None,
        note=lambda _, finding: notes.append(finding),
        webserver_service=lambda: ("airflow-webserver", port),
        cluster=SimpleNamespace(port_forward=lambda *_: contextlib.nullcontext(12345)),
        airflow=SimpleNamespace(anonymous=visitor),
        webserver_scheme=scheme,
        path_prefix="",
    )
    judge_ui(subject)
    assert (notes, asked) == (noted, [f"{scheme}://localhost:12345"])
