"""Access and credentials (README: Access Airflow UI)."""

from datetime import timedelta

from fixtures.catalogue import requirement
from fixtures.errors import Blocked
from fixtures.observations import (
    DEFAULT_LOGIN,
    documented_login,
    form_lifetime,
    opens,
    other_default_login,
    webserver_ready,
)
from fixtures.session import LOGIN_MARK, Unreachable, first_words
from fixtures.subject import Subject

LISTS = ("connection", "users", "variable", "xcom", "log", "taskinstance", "dagrun", "pool", "job")
PAGES = ("/home", *(f"/{name}/list/" for name in LISTS))
"""Each has a permission of its own, and opens to visitors by that one alone."""
SHORTEST_SESSION = 5
"""Minutes; rules of a site may end a session that is idle for longer, and forms that are open for longer."""


@requirement("AF-UI-001")
def test_port_forward_reaches_the_ui(subject: Subject) -> None:
    """`kubectl port-forward svc/airflow-webserver 8080:8080` MUST make the UI answer on localhost."""
    subject.see(webserver_ready)
    name, port = subject.webserver_service()
    scheme = subject.webserver_scheme
    if port != 8080:
        subject.note("AF-UI-001", f"Service {name} has port {port}: the README's command needs 8080:{port} here")
    if scheme != "http":
        subject.note("AF-UI-001", "the webserver speaks TLS: the README's address is https://localhost:8080 here")
    with subject.cluster.port_forward(f"svc/{name}", port) as local:
        visitor = subject.airflow.anonymous(f"{scheme}://localhost:{local}{subject.path_prefix}")
        try:
            health, login = visitor.get("/health"), visitor.get("/login/")
        except Unreachable as error:
            raise AssertionError(
                f"nobody answers behind svc/{name}: {error.cause}; the webserver listens on {subject.webserver_port}, "
                f"the ports of the Service are {subject.cluster.service(name)['spec']['ports']}"
            ) from error
    assert health.status == 200 and "scheduler" in health.json(), f"GET /health answered {health.status}"
    assert login.status == 200 and LOGIN_MARK.search(login.text), (
        f"GET /login/ answered {login.status}: {first_words(login.text)}"
    )


@requirement("AF-UI-002")
def test_nothing_is_open_without_login(subject: Subject) -> None:
    """Without login every page MUST lead to the login form, and the API MUST refuse."""
    subject.see(webserver_ready)
    visitor = subject.airflow.anonymous()
    told = [
        f"GET {page} without login answered {answer.status} {answer.location}".rstrip()
        for page in PAGES
        if not ((answer := visitor.get(page)).status == 302 and answer.to_login)
    ]
    assert not told, f"{'; '.join(told)}: is AUTH_ROLE_PUBLIC set, or was the role Public given permissions?"
    api = visitor.get("/api/v1/dags")
    assert api.status in (401, 403), f"GET /api/v1/dags without login answered {api.status}"


@requirement("AF-CRED-001")
def test_the_readme_command_prints_the_password(subject: Subject) -> None:
    """Secret `airflow-webserver-secret` MUST exist, and the README's command MUST print the password."""
    name, key = subject.settings.ADMIN_SECRET.split("/")
    printed = subject.readme_password()
    assert printed, (
        f"`kubectl get secret -n {subject.namespace} {name}` prints no {key}: add it with "
        f"`kubectl create secret generic {name} -n {subject.namespace} --from-literal={key}=...`"
    )
    padded = printed[:1].isspace() or printed[-1:].isspace()
    assert not padded, f"the {key} in Secret {name} begins or ends with white space or a line feed"


@requirement("AF-CRED-002")
def test_the_documented_password_opens_the_ui(subject: Subject) -> None:
    """User `admin` with the documented password MUST log in as an administrator, and no default password may."""
    subject.see(documented_login)
    credentials = subject.documented_credentials()
    assert credentials is not None
    users = subject.airflow.open_session(credentials).get("/users/list/")
    assert users.status == 200, (
        f"{credentials.username} is no administrator: GET /users/list/ answers {users.status}; give it the role with "
        f"`airflow users add-role -u {credentials.username} -r Admin`"
    )
    declared = int(subject.option("webserver", "session_lifetime_minutes", "43200", "webserver") or 43200)
    kept = users.keeps_session or timedelta(minutes=declared)
    minutes = round(kept.total_seconds() / 60)
    assert minutes >= SHORTEST_SESSION, (
        f"a user who reads a page for longer than {minutes} min must log in again: [webserver] "
        f"session_lifetime_minutes is {declared} (the default is 43200), and PERMANENT_SESSION_LIFETIME in "
        "webserver_config.py wins over it"
    )
    if not subject.only_looks("AF-CRED-002", "for how long a form may be open"):
        valid = form_lifetime(subject)
        assert valid is None or valid >= timedelta(minutes=SHORTEST_SESSION), (
            f"a form that was open for longer than {valid.total_seconds():g} s is refused, its CSRF token has expired: "
            "set WTF_CSRF_TIME_LIMIT in webserver_config.py to None, as Airflow does, and let sessions end instead"
        )
    if credentials.password != DEFAULT_LOGIN.password:
        assert not opens(subject, DEFAULT_LOGIN), (
            "the chart's default admin/admin still logs in beside the documented password"
        )
    other = other_default_login(subject, credentials)
    assert not other, (
        f"user {other} with the password {other}, as docker-compose.yaml of Airflow makes it, logs in beside "
        f"{credentials.username}: airflow users delete -u {other}"
    )


@requirement("AF-CRED-003")
def test_the_password_is_in_no_manifest(subject: Subject) -> None:
    """The admin password SHOULD NOT stand in clear text in a pod, a Job, a ConfigMap or the Helm values."""
    credentials = subject.documented_credentials()
    if credentials is None:
        raise Blocked("there is no documented password to look for", by="AF-CRED-001")
    found = subject.where_in_clear(credentials.password)
    assert not found, f"the admin password stands in clear text in {', '.join(found)}: pass it by secretKeyRef"
