"""What checks see of a deployment that is made otherwise than the reference values have it."""

from __future__ import annotations

import dataclasses
import io
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.airflow import DagRun, NotThere
from fixtures.errors import CannotSee, TargetFailed, Unsupported
from fixtures.kube import ApiError, Unreachable
from fixtures.objects import Pod
from fixtures.progress import Progress
from fixtures.settings import Executor, Settings
from fixtures.subject import Subject
from fixtures.wait import Budgets, Waiter


def subject(*, values: dict[str, Any] | None = None, **cluster: Any) -> Subject:
    """A release called airflow whose cluster answers what is given."""
    return Subject(
        Settings.model_validate({}),
        "r",
        Executor.CELERY,
        "airflow",
        "airflow",
        SimpleNamespace(**cluster),  # type: ignore[arg-type]
        Waiter(Progress(io.StringIO()), Budgets({})),
        values={"executor": "CeleryExecutor"} if values is None else values,
    )


def running(name: str, **env: str) -> Pod:
    """A running pod of a component, as `Subject.pod` finds it."""
    spec = {"containers": [{"name": name, "env": [{"name": key, "value": value} for key, value in env.items()]}]}
    return Pod({"metadata": {"name": name, "uid": name}, "spec": spec, "status": {"phase": "Running"}})


def services(*names: str) -> Subject:
    """A release some component of which has these Services."""
    return subject(services=lambda component: sorted(names))


def test_of_several_services_the_documented_one_is_looked_at() -> None:
    """`kubectl expose` copies the labels of what it exposes."""
    assert services("airflow-exporter", "airflow-statsd").statsd_service() == "airflow-statsd"
    assert services("metrics").statsd_service() == "metrics", "AF-NS-002 tells of its name"
    with pytest.raises(TargetFailed, match="no Service of the metrics exporter"):
        services().statsd_service()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"dags": {"gitSync": {"containerName": "dag-sync"}}}, "dag-sync"),
        ({"dags": {"gitSync": {"enabled": True}}}, "git-sync"),
        ({}, "puller"),
    ],
)
def test_the_values_or_else_the_repository_tell_which_container_is_git_sync(values: Any, found: str) -> None:
    release = subject(
        values=values, pods=lambda component: [running("puller", GITSYNC_REPO="r")], workload=lambda component: None
    )
    assert release.git_sync == found


def test_without_a_repository_git_sync_has_its_usual_name() -> None:
    release = subject(values={}, pods=lambda component: [], workload=lambda component: None)
    assert release.git_sync == "git-sync"


@pytest.mark.parametrize(
    ("cfg", "env", "dags", "logs"),
    [
        ("", {}, "/opt/airflow/dags", "/opt/airflow/logs"),
        ("[core]\ndags_folder = /a\n", {"AIRFLOW__CORE__DAGS_FOLDER": "/b"}, "/b", "/opt/airflow/logs"),
        ("", {"AIRFLOW_HOME": "/home/airflow"}, "/home/airflow/dags", "/home/airflow/logs"),
        (
            "[core]\nbase_log_folder = /old/logs\n",
            {},
            "/opt/airflow/dags",
            "/old/logs",
        ),
        (
            "[logging]\nbase_log_folder = /new/logs\n[core]\nbase_log_folder = /old/logs\n",
            {},
            "/opt/airflow/dags",
            "/new/logs",
        ),
        (
            "[logging]\nbase_log_folder = /new/logs\n",
            {"AIRFLOW__CORE__BASE_LOG_FOLDER": "/old/logs"},
            "/opt/airflow/dags",
            "/old/logs",
        ),
        (
            "[core]\ndags_folder = /srv/dags\n",
            {"AIRFLOW__LOGGING__BASE_LOG_FOLDER": "/srv/logs"},
            "/srv/dags",
            "/srv/logs",
        ),
    ],
)
def test_folders_are_below_airflows_home_unless_they_are_declared(
    cfg: str, env: dict[str, str], dags: str, logs: str
) -> None:
    release = subject(
        config_map=lambda name: {"airflow.cfg": cfg},
        pods=lambda component: [running(component, **env)],
        workload=lambda component: None,
    )
    assert (release.dags_folder, release.log_folder("worker")) == (dags, logs)


@pytest.mark.parametrize(
    ("values", "mount", "folder"),
    [
        ({"airflowHome": "/opt/airflow"}, "/opt/airflow/dags", "/opt/airflow/dags"),
        ({"airflowHome": "/home/airflow", "dags": {"mountPath": None}}, "/home/airflow/dags", "/home/airflow/dags"),
        (
            {"dags": {"mountPath": "/srv/dags/", "gitSync": {"enabled": True, "subPath": "/a/"}}},
            "/srv/dags",
            "/srv/dags/repo/a",
        ),
    ],
)
def test_the_values_tell_where_dags_lie(values: dict[str, Any], mount: str, folder: str) -> None:
    release = subject(values=values)
    assert (release.dags_mount, release.declared_dags_folder()) == (mount, folder)


SITE = {"AIRFLOW__CORE__DEFAULT_TIMEZONE": "Europe/Berlin", "AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}


def configured(*, env: Any = (), env_from: Any = ()) -> Subject:
    """A release whose scheduler has an environment, and whose airflow.cfg disables tests of connections."""
    spec = {"containers": [{"name": "scheduler", "env": list(env), "envFrom": list(env_from)}]}
    pod = Pod({"metadata": {"name": "p", "uid": "u"}, "spec": spec, "status": {"phase": "Running"}})
    maps = {"airflow-config": {"airflow.cfg": "[core]\ntest_connection = Disabled\n"}, "site": SITE}
    return subject(pods=lambda component: [pod], config_map=maps.__getitem__, secret={"mail": {"host": "m"}}.get)


def test_an_option_may_come_from_a_config_map() -> None:
    """The chart's extraEnvFrom is for that; the container's own variables win over it, as in Kubernetes."""
    site = {"configMapRef": {"name": "site"}}
    assert configured(env_from=[site]).option("core", "default_timezone", "utc") == "Europe/Berlin"
    own = [{"name": "AIRFLOW__CORE__DEFAULT_TIMEZONE", "value": "Asia/Tokyo"}]
    assert configured(env=own, env_from=[site]).option("core", "default_timezone", "utc") == "Asia/Tokyo"
    assert configured().option("core", "default_timezone", "utc") == "utc"


@pytest.mark.parametrize(("certificate", "scheme"), [("/tls.crt", "https"), ("", "http"), (None, "http")])
def test_a_webserver_that_has_a_certificate_speaks_tls(certificate: str | None, scheme: str) -> None:
    env = [] if certificate is None else [{"name": "AIRFLOW__WEBSERVER__WEB_SERVER_SSL_CERT", "value": certificate}]
    spec = {"containers": [{"name": "webserver", "env": env}]}
    pod = Pod({"metadata": {"name": "p", "uid": "u"}, "spec": spec, "status": {"phase": "Running"}})
    release = subject(pods=lambda component: [pod], config_map=lambda name: {"airflow.cfg": ""})
    assert release.webserver_scheme == scheme


def test_who_only_looks_asks_a_webserver_with_tls_through_the_api_server() -> None:
    asked: list[Any] = []
    release = subject(proxy_get=lambda *place, tls: asked.append((place, tls)))
    release.settings = Settings.model_validate({"READONLY": True})
    release.get_from_inside("https://airflow-webserver:8080/health")
    assert asked == [(("airflow-webserver", 8080, "/health"), True)]


def test_what_is_referred_to_need_not_count() -> None:
    release = configured(env_from=[{"configMapRef": {"name": "site"}}])
    assert release.option("core", "test_connection") == "Enabled"
    assert release.option("core", "test_connection", referenced=False) == "Disabled"


def test_an_option_from_a_secret_is_not_written_anywhere() -> None:
    chosen = {"secretKeyRef": {"name": "mail", "key": "host"}}
    release, learned = configured(env=[{"name": "AIRFLOW__SMTP__SMTP_HOST", "valueFrom": chosen}]), list[str]()
    release.learn = learned.append
    assert release.option("smtp", "smtp_host", "localhost") == "m"
    assert learned == ["m"]


def test_a_variable_without_a_value_of_its_own_leaves_the_option_to_airflow_cfg() -> None:
    for source in ({"fieldRef": {"fieldPath": "status.hostIP"}}, {"configMapKeyRef": {"name": "site", "key": "gone"}}):
        release = configured(env=[{"name": "AIRFLOW__CORE__TEST_CONNECTION", "valueFrom": source}])
        assert release.option("core", "test_connection") == "Disabled"


def metrics_release(
    refusal: Exception, inside: dict[str, Any] | Exception, *, ready: int = 1, **options: Any
) -> Subject:
    """A release whose metrics the API server's proxy does not get, and what the scheduler's pod gets instead."""

    def proxy_get(*_: Any, tls: bool = False) -> str:
        asked.append("proxy")
        raise refusal

    def ask(component: str, probe: str, *arguments: str) -> Any:
        asked.append(arguments[0])
        if isinstance(inside, Exception):
            raise inside
        return inside

    asked: list[str] = []
    release = subject(
        services=lambda component: ["airflow-statsd"],
        service=lambda name: {"spec": {"selector": {"component": "statsd"}}},
        endpoints=lambda name: ["10.0.0.1"] * ready,
        proxy_get=proxy_get,
        asked=asked,
    )
    release.settings = Settings.model_validate(options)
    release.ask = ask  # type: ignore[method-assign]
    return release


CUT = ApiError("GET /metrics: 503 dial tcp 10.0.0.1:9102: i/o timeout", status=503)
PAGE = {"status": 200, "body": "airflow_x 1\n"}


@pytest.mark.parametrize("refusal", [CUT, Unreachable("GET /metrics: silent for 30 s")])
def test_metrics_are_read_from_the_schedulers_pod_where_the_api_server_reaches_none(refusal: Exception) -> None:
    release = metrics_release(refusal, PAGE)
    asked: list[str] = release.cluster.asked  # type: ignore[attr-defined]
    assert (release.scrape(), release.scrape()) == (PAGE["body"], PAGE["body"])
    assert asked == ["proxy", *["http://airflow-statsd:9102/metrics"] * 2], "the proxy's time-out is waited for once"
    assert "from the scheduler's pod" in release.notes["AF-MET-001"][0]


@pytest.mark.parametrize(
    ("inside", "more"),
    [
        ({"status": 0, "body": "", "error": "[Errno 111] Connection refused"}, {}),
        (CannotSee("the scheduler's pod does not answer"), {}),
        (TargetFailed("no running pod with label component=scheduler"), {}),
        (PAGE, {"ready": 0}),
    ],
)
def test_metrics_that_nobody_gets_are_told_as_the_api_server_tells_it(inside: Any, more: dict[str, Any]) -> None:
    with pytest.raises(TargetFailed, match=r"does not serve metrics on port 9102: it selects .* i/o timeout"):
        metrics_release(CUT, inside, **more).scrape()


REFUSED = ApiError("GET /metrics: 503 dial tcp 10.0.0.1:9102: connect: connection refused", status=503)


def test_who_only_looks_does_not_accuse_what_the_api_server_cannot_reach() -> None:
    for cut in (CUT, Unreachable("GET /metrics: Read timed out. (read timeout=30.0)")):
        with pytest.raises(Unsupported, match=r"this run only looks, .* no answer from pods in time"):
            metrics_release(cut, PAGE, READONLY=True).scrape()
    for refusal, ready in ((REFUSED, 1), (CUT, 0)):
        with pytest.raises(TargetFailed, match="does not serve metrics on port 9102"):
            metrics_release(refusal, PAGE, ready=ready, READONLY=True).scrape()


def test_a_page_for_which_the_api_server_waits_in_vain_has_no_answer() -> None:
    silent = Unreachable("GET /health: Read timed out. (read timeout=30.0)")
    release = metrics_release(silent, PAGE, READONLY=True)
    assert "timed out" in release.get_from_inside("http://airflow-webserver:8080/health")["error"]


@pytest.mark.parametrize(("env", "added"), [({}, True), ({"AIRFLOW_CONN_REDIS_DEFAULT": "redis://of-the-team"}, False)])
def test_a_connection_that_dags_have_of_their_environment_is_not_added(env: dict[str, str], added: bool) -> None:
    release, made = subject(pods=lambda component: [running(component, **env)], workload=lambda component: None), []
    release.ledger = SimpleNamespace(record=lambda *_: None)  # type: ignore[assignment]
    release.airflow = SimpleNamespace(  # type: ignore[assignment]
        has_connection=lambda name: name == "postgres_default",
        create_connection=lambda name, *_, **__: made.append(name),
    )
    release.add_external_connections()
    assert made == ["redis_default"] * added


@pytest.mark.parametrize(
    ("cfg", "ready", "asked"),
    [
        ("", True, []),
        ("[core]\nxcom_backend = airflow.models.xcom.BaseXCom\n", True, []),
        ("[core]\nxcom_backend = site_xcom.Referring\n", True, ["worker"]),
        ("[core]\nxcom_backend = site_xcom.Referring\n", False, ["scheduler"]),
    ],
)
def test_what_a_backend_of_the_site_keeps_elsewhere_is_fetched_by_a_component(
    cfg: str, ready: bool, asked: list[str]
) -> None:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    release = subject(
        config_map=lambda name: {"airflow.cfg": cfg},
        pods=lambda component: [Pod({**running(component).raw, "status": status})],
        workload=lambda component: None,
    )
    by: list[str] = []
    release.airflow = SimpleNamespace(xcom=lambda *_: "ref:1")  # type: ignore[assignment]
    release.ask = lambda component, *_: by.append(component) or "[1]"  # type: ignore[assignment, func-returns-value]
    assert release.xcom(SimpleNamespace(dag_id="d", run_id="r"), "t") == ([1] if asked else "ref:1")  # type: ignore[arg-type]
    assert by == asked


class Runs:
    """Airflow with these runs of one DAG, by id and state."""

    def __init__(self, **states: str) -> None:
        self.states = states

    def runs(self, dag_id: str) -> list[DagRun]:
        return [self.run(DagRun(dag_id, run_id, "")) for run_id in self.states]

    def run(self, run: DagRun) -> DagRun:
        if run.run_id not in self.states:
            raise NotThere(run.run_id)
        began = datetime(2030, 1, 1, tzinfo=UTC) if run.run_id == "manual__much_later" else None
        return dataclasses.replace(run, state=self.states[run.run_id], start=began)

    def delete_run(self, run: DagRun) -> None:
        self.states.pop(run.run_id, None)


def with_runs(**states: str) -> tuple[Subject, list[str]]:
    """A release with these runs, and the runs whose pods were ended in it."""
    ended: list[str] = []
    clock = SimpleNamespace(now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    with_pods = subject(kube=clock, end_task_pods=ended.append)
    with_pods.airflow = Runs(**states)  # type: ignore[assignment]
    return with_pods, ended


def test_a_run_whose_id_airflow_chose_goes_also_if_nobody_learned_the_id() -> None:
    release, ended = with_runs(manual__before="success")
    release.expect_run_by_hand("d")
    release.airflow.states |= {  # type: ignore[attr-defined]
        "manual__new": "queued",
        "manual__much_later": "queued",
        "scheduled__new": "queued",
    }
    assert release.ledger.settle() == []
    assert list(release.airflow.states) == [  # type: ignore[attr-defined]
        "manual__before",
        "manual__much_later",
        "scheduled__new",
    ]
    assert ended == ["manual__new"]


def test_runs_that_had_not_ended_are_known_when_they_are_taken_away() -> None:
    release, ended = with_runs(done="success", failed="failed", queued="queued", running="running")
    for run_id in ("done", "failed", "queued", "running", "gone"):
        release.forget(DagRun("d", run_id, ""))
    assert release.cut_short == ["queued", "running"]
    assert ended == ["done", "failed", "queued", "running", "gone"]
