"""The Airflow client: against a real Airflow 2.9.0, and against a stub for the faults that a real one does not have."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from datetime import timedelta
from email.utils import formatdate
from time import time
from typing import Any

import pytest
import requests

from fixtures import airflow as airflow_module
from fixtures import session as session_module
from fixtures.airflow import Airflow, Conflict, DagRun, NotAllowed, NotThere, ServerFailed
from fixtures.errors import CannotSee, HarnessError, TargetFailed, UsageError
from fixtures.following import TaskFailed
from fixtures.observations.task_logs import others_in
from fixtures.pace import Limit
from fixtures.session import (
    ApiDenied,
    Credentials,
    CsrfFailed,
    LoginRateLimited,
    NotAirflow,
    Unreachable,
    WrongCredentials,
)
from tests.real_airflow import ADMIN, COLD_SECONDS, DAGS, FERNET_KEY, VIEWER, RealAirflow, finish, wait_listed
from tests.stub_airflow import DAG, RUN, Reply, Stub, data, page, redirect, run_reply

EXAMPLES = {"hello_world_dag", "etl_pipeline", "daily_report"}
DAG_IDS = EXAMPLES | {path.stem for path in DAGS.glob("conformance_*.py")}


@pytest.fixture(scope="module")
def airflow(real_airflow: RealAirflow) -> Airflow:
    return real_airflow.client()


@pytest.fixture(scope="module")
def listed(airflow: Airflow) -> Airflow:
    """The client, once every DAG file was parsed."""
    wait_listed(airflow, DAG_IDS)
    return airflow


@pytest.fixture(scope="module")
def runs(listed: Airflow) -> dict[str, DagRun]:
    """A run of each DAG that needs no other service, started together."""
    conf = {"resolve": ["localhost", "nobody.invalid"]}
    return {
        "failing": listed.trigger("conformance_failing"),
        "facts": listed.trigger("conformance_facts", conf),
        "hello": listed.trigger("hello_world_dag"),
    }


@pytest.mark.timeout(COLD_SECONDS)
class TestRealAirflow:
    """What only a real Airflow can tell."""

    def test_good_login_opens_the_ui_and_the_api(self, real_airflow: RealAirflow) -> None:
        airflow = real_airflow.client()
        session = airflow.open_session(ADMIN)
        home = session.get("/home")
        assert home.status == 200
        assert home.keeps_session is not None and round(home.keeps_session / timedelta(days=1)) == 30
        assert airflow.roles(ADMIN.username) == {"Admin"}

    def test_wrong_password_is_told_without_the_password(self, real_airflow: RealAirflow) -> None:
        with pytest.raises(WrongCredentials) as refused:
            real_airflow.client().open_session(Credentials("admin", "not-the-password"))
        assert "'admin'" in str(refused.value)
        assert "not-the-password" not in str(refused.value) + repr(refused.value.__dict__)

    def test_form_without_csrf_token_is_refused(self, real_airflow: RealAirflow) -> None:
        form = {"username": ADMIN.username, "password": ADMIN.password}
        answer = requests.post(f"{real_airflow.url}/login/", data=form, allow_redirects=False, timeout=30)
        assert answer.status_code == 400

    def test_anonymous_visitors_have_no_rights(self, airflow: Airflow) -> None:
        nobody = airflow.anonymous()
        assert nobody.get("/home").to_login
        assert nobody.get("/api/v1/dags").status == 401

    def test_sessions_of_two_users_are_apart(self, listed: Airflow) -> None:
        viewer = listed.open_session(VIEWER)
        change = {"is_paused": True}
        assert viewer.ask("PATCH", "/api/v1/dags/conformance_revision", body=change).status == 403
        assert viewer.get("/api/v1/connections").status == 403
        assert listed.login().get("/api/v1/connections").status == 200

    def test_lack_of_a_right_is_not_held_against_the_deployment(self, real_airflow: RealAirflow) -> None:
        with pytest.raises(NotAllowed, match="'viewer'"):
            real_airflow.client(VIEWER).create_connection("conformance", "http")

    def test_version_and_health_need_no_login(self, real_airflow: RealAirflow) -> None:
        airflow = Airflow(lambda: real_airflow.url, None, run_id="x")
        assert airflow.version() == "2.9.0"
        health = airflow.health()
        assert (health.metadatabase.status, health.scheduler.status) == ("healthy", "healthy")
        assert health.scheduler.heartbeat is not None
        assert health.triggerer.heartbeat is None

    def test_expired_session_is_renewed(self, listed: Airflow) -> None:
        session = listed.open_session(ADMIN)
        session._http.cookies.clear()
        assert session.get("/api/v1/dags").status == 200

    def test_all_dags_import(self, listed: Airflow) -> None:
        assert listed.import_errors() == []
        assert {dag.dag_id for dag in listed.dags()} == DAG_IDS
        assert {dag.dag_id for dag in listed.dags(tag="example")} == EXAMPLES
        assert {dag.dag_id for dag in listed.dags(tag="conformance")} == DAG_IDS - EXAMPLES

    def test_hello_world_is_as_the_readme_has_it(self, listed: Airflow) -> None:
        dag = listed.dag("hello_world_dag")
        assert dag is not None
        assert (dag.description, dag.schedule, dag.tags) == ("Simple hello world DAG", "0 0 * * *", {"example"})
        assert dag.owners == {"airflow"}
        details = listed.details("hello_world_dag")
        assert (details.catchup, details.start_date and details.start_date.isoformat()) == (
            False,
            "2024-01-01T00:00:00+00:00",
        )
        assert details.run_timeout is None and details.end_date is None
        (task,) = listed.tasks_of("hello_world_dag")
        assert (task.task_id, task.retries, task.retry_delay.total_seconds()) == ("hello_task", 1, 300)

    def test_dags_of_the_suite_follow_the_best_practices(self, listed: Airflow) -> None:
        for dag in listed.dags(tag="conformance"):
            details = listed.details(dag.dag_id)
            assert (details.catchup, dag.schedule, bool(details.doc_md)) == (False, "", True), dag.dag_id
            assert details.start_date is not None
            retries = {task.retries for task in listed.tasks_of(dag.dag_id)}
            assert retries == {1 if dag.dag_id == "conformance_retry" else 0}, dag.dag_id

    def test_source_and_pools(self, listed: Airflow) -> None:
        dag = listed.dag("hello_world_dag")
        assert dag is not None and "Hello from Airflow!" in listed.source("hello_world_dag")
        assert dag.last_parsed is not None
        assert {pool.name: pool.slots for pool in listed.pools()} == {"default_pool": 128}

    def test_unknown_dag(self, listed: Airflow) -> None:
        assert listed.dag("nobody's/dag") is None
        with pytest.raises(NotThere):
            listed.trigger("nobodys_dag")

    def test_failing_run_is_told_with_its_log(self, listed: Airflow, runs: dict[str, DagRun]) -> None:
        with pytest.raises(TaskFailed) as failed:
            finish(listed, runs["failing"])
        message = str(failed.value)
        assert "task fail of conformance_failing is failed, try 1 on " in message
        assert "ValueError: conformance: this task fails on purpose" in message

    def test_expected_failure_is_no_failure(self, listed: Airflow, runs: dict[str, DagRun]) -> None:
        assert finish(listed, runs["failing"], expect=("failed",)).state == "failed"

    def test_hello_world_runs_to_success(self, listed: Airflow, runs: dict[str, DagRun]) -> None:
        run = finish(listed, runs["hello"])
        assert run.state == "success"
        task = listed.task(run, "hello_task")
        assert (task.state, task.try_number, bool(task.hostname)) == ("success", 1, True)
        log = listed.log(run, "hello_task", task.try_number)
        assert "Hello from Airflow!" in log
        assert log.strip().endswith(listed.log_so_far(run, "hello_task", task.try_number).strip())
        assert others_in(log, run, "hello_task") == []
        assert others_in(log, run, "another_task") == [f"hello_world_dag.hello_task {run.run_id}"]

    def test_what_began_before_a_time_and_ended_after_it(self, listed: Airflow, runs: dict[str, DagRun]) -> None:
        run = finish(listed, runs["hello"])
        task = listed.task(run, "hello_task")
        assert run.start and run.end and task.start and task.end
        middle = task.start + (task.end - task.start) / 2
        assert listed.seconds_begun_before(middle) >= (run.end - run.start).total_seconds()
        assert listed.seconds_begun_before(middle, of_tasks=True) >= (task.end - task.start).total_seconds()
        assert listed.seconds_begun_before(run.start - timedelta(days=400)) == 0
        assert [pool for dag_id, pool in listed.tasks_at_work(middle) if dag_id == run.dag_id] == [task.pool]
        assert listed.tasks_in("success")[run.dag_id] >= 1 and not listed.tasks_in("deferred")

    def test_runs_are_known_by_their_ids(self, listed: Airflow, runs: dict[str, DagRun]) -> None:
        ids = [run.run_id for run in runs.values()]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"conformance__own-tests__[0-9a-f]{8}", run_id) for run_id in ids)

    def test_facts_of_a_task(self, listed: Airflow, runs: dict[str, DagRun], real_airflow: RealAirflow) -> None:
        seen = listed.xcom(finish(listed, runs["facts"]), "facts")
        assert seen["airflow"] == "2.9.0"
        assert seen["executor"] == "SequentialExecutor"
        assert seen["dags_folder"] == str(real_airflow.home / "dags")
        assert seen["file"] == str(real_airflow.home / "dags" / "conformance_facts.py")
        assert (seen["statsd_on"], seen["statsd_host"]) == (True, "127.0.0.1")
        assert seen["fernet_key_sha256"] == hashlib.sha256(FERNET_KEY.encode()).hexdigest()[:8]
        assert "127.0.0.1" in seen["resolved"]["localhost"]
        assert seen["resolved"]["nobody.invalid"] == []
        assert seen["seconds"] >= 1
        assert seen["options"]["[core] default_timezone"] == "utc"
        with pytest.raises(NotThere):
            listed.xcom(runs["facts"], "facts", "no such key")

    def test_runs_dags_and_connections_are_taken_away(self, listed: Airflow, runs: dict[str, DagRun]) -> None:
        run = finish(listed, runs["facts"])
        for _ in range(2):  # the second time there is nothing left
            listed.delete_run(run)
        with pytest.raises(NotThere):
            listed.run(run)

        listed.create_connection("conformance", "redis", host="redis-external", port=16379)
        with pytest.raises(Conflict):
            listed.create_connection("conformance", "redis")
        assert listed.has_connection("conformance")
        for _ in range(2):
            listed.delete_connection("conformance")
        assert not listed.has_connection("conformance")

        listed.pause("conformance_facts")
        dag = listed.dag("conformance_facts")
        assert dag is not None
        assert dag.is_paused


def test_login_works_below_a_path_prefix(stub: Stub) -> None:
    stub.prefix = "/team/airflow"
    airflow = stub.client()
    airflow.login()
    assert airflow.version() == "2.9.0"
    assert airflow.dags() == []


def test_the_same_user_logs_in_once(stub: Stub) -> None:
    airflow = stub.client()
    assert airflow.login() is airflow.login(Credentials(ADMIN.username, ADMIN.password))
    assert stub.seen["POST /login/"] == 1


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_end_of_the_run_ends_the_wait_of_a_carried_session(stub: Stub, elsewhere: bool) -> None:
    ended = threading.Event()
    airflow = Airflow(lambda: stub.url, ADMIN, run_id="x", cancel=ended)
    visitor = airflow.login().carried(stub.url if elsewhere else "")
    assert not visitor.get("/home").to_login
    airflow.pace.limit = Limit(0.001)
    airflow.pace.limit.wait()
    ended.set()
    with pytest.raises(HarnessError, match="the run ends"):
        visitor.get("/home")


def test_only_what_comes_through_a_tunnel_takes_any_certificate(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tunnel ends at 127.0.0.1, and the certificate is for the name by which users open the UI."""
    checked: list[Any] = []
    send = requests.Session.request

    def request(self: requests.Session, *arguments: Any, **options: Any) -> requests.Response:
        checked.append(options["verify"])
        return send(self, *arguments, **options)

    monkeypatch.setattr(requests.Session, "request", request)
    airflow = stub.client()
    visitor = airflow.anonymous(stub.url)
    for one in (airflow.anonymous(), visitor, visitor.carried(stub.url), airflow.anonymous().carried()):
        one.get("/health")
    assert checked == [True, False, False, True]


def test_cookies_for_tls_only_are_kept_on_this_machine_as_browsers_do(stub: Stub) -> None:
    stub.replace["GET /login/"] = [(200, {"Set-Cookie": "session=before; Secure; Path=/"}, "")]
    visitor = stub.client().anonymous()
    visitor.get("/login/")
    visitor.get("/home")
    assert stub.headers[-1]["Cookie"] == "session=before"


@pytest.mark.parametrize(("name", "minutes"), [("session", 2), ("affinity", None)])
def test_how_long_a_session_lasts_is_told_by_its_cookie(stub: Stub, name: str, minutes: int | None) -> None:
    ends = formatdate(time() + 120, usegmt=True)
    stub.replace["GET /home"] = [(200, {"Set-Cookie": f"{name}=x; Expires={ends}; Path=/"}, "DAGs")]
    kept = stub.client().anonymous().get("/home").keeps_session
    assert (kept and round(kept / timedelta(minutes=1))) == minutes


def test_a_refused_login_leaves_the_open_session_alone(stub: Stub) -> None:
    airflow = stub.client()
    airflow.login()
    with pytest.raises(WrongCredentials):
        airflow.login(Credentials("admin", "admin"))
    assert airflow.dags() == []


def test_every_request_names_the_suite(stub: Stub) -> None:
    stub.client().login()
    assert {headers["User-Agent"] for headers in stub.headers} == {"airflow-conformance"}


def test_login_page_without_csrf_token(stub: Stub) -> None:
    stub.replace["GET /login/"] = [page('<input name="username"><input name="password">')]
    with pytest.raises(CsrfFailed, match="has no csrf_token"):
        stub.client().login()


def test_csrf_token_that_the_server_does_not_take_back(stub: Stub) -> None:
    stub.replace["POST /login/"] = [page("The CSRF session token is missing.", 400)]
    with pytest.raises(CsrfFailed, match="The CSRF session token is missing"):
        stub.client().login()


def test_login_page_of_another_kind(stub: Stub) -> None:
    stub.replace["GET /login/"] = [page("<h1>Sign in with</h1><a href='/login/github'>GitHub</a>")]
    with pytest.raises(NotAirflow, match="Sign in with GitHub"):
        stub.client().login()


def test_login_that_shows_the_form_again_is_refused(stub: Stub) -> None:
    stub.replace["POST /login/"] = [page("Invalid login. Please try again.")]
    with pytest.raises(WrongCredentials):
        stub.client().login()


def test_session_that_is_not_kept(stub: Stub) -> None:
    stub.replace["POST /login/"] = [redirect("/home")]
    with pytest.raises(TargetFailed, match="/home still asks for it"):
        stub.client().login()


def test_api_that_refuses_the_session(stub: Stub) -> None:
    stub.replace["GET /api/v1/dags"] = [data({"title": "Unauthorized"}, 401)]
    with pytest.raises(ApiDenied, match="auth_backends"):
        stub.client().login()


def test_too_many_logins_are_waited_out(stub: Stub) -> None:
    def give_way() -> Reply:
        del stub.replace["POST /login/"]
        return page("5 per 40 second", 429)

    stub.replace["POST /login/"] = [page("5 per 40 second", 429), give_way]
    assert stub.client().dags() == []


def test_too_many_logins_are_not_held_against_the_deployment(stub: Stub) -> None:
    stub.replace["POST /login/"] = [page("5 per 40 second", 429)]
    with pytest.raises(LoginRateLimited):
        stub.client().login()


def test_expired_session_logs_in_again_once(stub: Stub) -> None:
    airflow = stub.client()
    airflow.login()
    stub.sessions.clear()
    assert airflow.dags() == []
    assert stub.seen["POST /login/"] == 2


def test_api_that_refuses_every_session_is_asked_twice_only(stub: Stub) -> None:
    airflow = stub.client()
    airflow.login()
    stub.replace["GET /api/v1/pools/p"] = [data({"title": "Unauthorized"}, 401)]
    with pytest.raises(ApiDenied):
        airflow.pool("p")
    assert stub.seen["GET /api/v1/pools/p"] == 2


def test_one_server_error_is_passed_over(stub: Stub) -> None:
    stub.replace["GET /api/v1/version"] = [page("oops", 500), data({"version": "2.9.0"})]
    assert stub.client().version() == "2.9.0"


def test_lasting_server_error_accuses_the_webserver(stub: Stub) -> None:
    stub.replace["GET /api/v1/version"] = [data({"title": "Internal Server Error", "detail": "no such table"}, 500)]
    with pytest.raises(ServerFailed, match="no such table") as failed:
        stub.client().version()
    assert failed.value.component == "webserver"
    assert stub.seen["GET /api/v1/version"] == 3


def test_a_connection_that_cannot_be_shown_points_to_the_fernet_key(stub: Stub) -> None:
    stub.replace["GET /api/v1/connections/c"] = [page("Ooops!", 500)]
    with pytest.raises(ServerFailed, match="cannot show connection c") as failed:
        stub.client().has_connection("c")
    assert "Fernet key" in failed.value.remedy
    assert failed.value.component == ""


def test_server_error_of_a_post_is_not_repeated(stub: Stub) -> None:
    stub.replace["POST /api/v1/connections"] = [page("oops", 500)]
    with pytest.raises(ServerFailed):
        stub.client().create_connection("c", "http")
    assert stub.seen["POST /api/v1/connections"] == 1


def test_gateway_error_is_not_held_against_the_deployment(stub: Stub) -> None:
    stub.replace["GET /api/v1/version"] = [page("no endpoints", 503)]
    with pytest.raises(CannotSee, match="no endpoints"):
        stub.client().version()


def test_html_instead_of_json(stub: Stub) -> None:
    stub.replace["GET /api/v1/version"] = [page("<style>p {}</style><h1>Welcome to nginx!</h1>")]
    with pytest.raises(NotAirflow, match=r"text/html.*: Welcome to nginx!"):
        stub.client().version()


def test_wrong_prefix_is_no_missing_dag(stub: Stub) -> None:
    airflow = stub.client()
    airflow.login()
    stub.replace["GET /api/v1/dags/d"] = [page("<h1>Not Found</h1>", 404)]
    with pytest.raises(NotAirflow):
        airflow.dag("d")


def test_json_that_is_no_health_report(stub: Stub) -> None:
    stub.replace["GET /health"] = [data({"status": "UP"})]
    with pytest.raises(NotAirflow, match="no health report"):
        stub.client().health()


def test_redirect_loop(stub: Stub) -> None:
    stub.replace["GET /login/"] = [redirect("/login/")]
    with pytest.raises(TargetFailed, match="more than 10 times"):
        stub.client().login()


def test_redirect_to_another_host(stub: Stub) -> None:
    stub.replace["GET /login/"] = [redirect("http://airflow.example.com/login/")]
    with pytest.raises(TargetFailed, match=r"another host: http://airflow\.example\.com/login/"):
        stub.client().login()


def test_refused_connection(stub: Stub) -> None:
    airflow = Airflow(lambda: "http://127.0.0.1:1", ADMIN, run_id="x")
    with pytest.raises(Unreachable, match="Connection refused"):
        airflow.version()
    exchange = airflow.exchanges()[-1]
    assert (exchange.status, exchange.method) == (0, "GET")
    assert "ConnectionError" in str(exchange)


def test_address_is_asked_for_again_when_it_stops_answering(stub: Stub) -> None:
    addresses = ["http://127.0.0.1:1", stub.url]
    airflow = Airflow(lambda: addresses.pop(0), ADMIN, run_id="x")
    assert airflow.version() == "2.9.0"
    airflow.login()
    assert addresses == []


def test_tls_connection_that_ended_is_made_again(stub: Stub) -> None:
    """As when a tunnel broke; that says nothing about the certificate."""
    with socket.create_server(("127.0.0.1", 0)) as broken:

        def cut() -> None:
            connection, _ = broken.accept()
            with connection:
                connection.recv(65536)

        cutting = threading.Thread(target=cut)
        cutting.start()
        addresses = [f"https://127.0.0.1:{broken.getsockname()[1]}", stub.url]
        assert Airflow(lambda: addresses.pop(0), ADMIN, run_id="x").version() == "2.9.0"
        cutting.join()


def test_address_that_is_none() -> None:
    with pytest.raises(UsageError, match="localhost:8080"):
        Airflow(lambda: "localhost:8080", ADMIN, run_id="x").version()


def test_environment_and_netrc_do_not_interfere(stub: Stub, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert stub.client().version() == "2.9.0"
    assert "Authorization" not in stub.headers[-1]


def test_exchanges_keep_answers_short_and_no_passwords(stub: Stub) -> None:
    stub.replace["GET /home"] = [page("x" * 10_000)]
    airflow = stub.client()
    airflow.login()
    kept = airflow.exchanges()
    assert [exchange.status for exchange in kept] == [200, 302, 200, 200]
    assert max(len(exchange.body) for exchange in kept) <= 4097
    assert ADMIN.password not in "".join(map(str, kept))
    assert ADMIN.password not in repr(airflow.login().credentials)


def test_only_the_latest_exchanges_are_kept() -> None:
    kept = session_module.Exchanges(limit=2)
    first = session_module.Exchange(airflow_module.datetime.now(), "", "GET", "/1", 200, 1, "")
    for _ in range(3):
        kept.add(first)
    assert len(kept.all()) == 2


def test_run_whose_answer_was_lost_is_found_by_its_id(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_module.uuid, "uuid4", lambda: airflow_module.uuid.UUID(int=0))
    airflow = stub.client()
    stub.replace["GET /api/v1/dags/d"] = [data(DAG)]
    stub.replace["POST /api/v1/dags/d/dagRuns"] = [page("gateway timed out", 504)]
    announced: list[DagRun] = []
    with pytest.raises(Unreachable):
        airflow.trigger("d", announce=announced.append)
    assert [run.run_id for run in announced] == ["conformance__x__00000000"]
    stub.replace["GET /api/v1/dags/d/dagRuns/conformance__x__00000000"] = [run_reply("queued")]
    assert airflow.trigger("d").state == "queued"


@pytest.mark.parametrize("second", [run_reply("queued"), data({"title": "exists"}, 409)])
def test_run_that_is_not_there_is_made_again(stub: Stub, monkeypatch: pytest.MonkeyPatch, second: Reply) -> None:
    monkeypatch.setattr(airflow_module.uuid, "uuid4", lambda: airflow_module.uuid.UUID(int=0))
    stub.replace["GET /api/v1/dags/d"] = [data(DAG)]
    stub.replace["POST /api/v1/dags/d/dagRuns"] = [page("gateway timed out", 504), second]
    missing = data({"title": "gone"}, 404)
    stub.replace["GET /api/v1/dags/d/dagRuns/conformance__x__00000000"] = [missing, run_reply("queued")]
    assert stub.client().trigger("d").state == "queued"


def test_long_lists_are_read_page_by_page(stub: Stub) -> None:
    pages = [[{"filename": f"/{n}.py", "stack_trace": "x"} for n in part] for part in (range(100), range(100, 130))]
    stub.replace["GET /api/v1/importErrors"] = [data({"import_errors": part, "total_entries": 130}) for part in pages]
    assert len({problem.filename for problem in stub.client().import_errors()}) == 130


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("[[5]]", [[5]]),
        ("[(5,)]", [(5,)]),
        ("{'a': None}", {"a": None}),
        ('{"a": null}', {"a": None}),
        ("007", "007"),
        ("", ""),
        ("[not a list", "[not a list"),
        (None, None),
    ],
)
def test_xcom_values_are_read_back(stub: Stub, sent: str | None, value: object) -> None:
    stub.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances/t/xcomEntries/return_value"] = [data({"value": sent})]
    assert stub.client().xcom(RUN, "t") == value
