"""What monitoring checks conclude from what they see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from conformance.test_metadata_database import test_the_metadata_database_serves_airflow as judge_database
from fixtures import statsd
from fixtures.airflow import DagRun
from fixtures.environment import Environments
from fixtures.errors import BudgetExceeded, TargetFailed, Unsupported
from fixtures.kube import ApiError
from fixtures.metrics import parse
from fixtures.objects import Pod
from fixtures.observations.monitoring import (
    DATABASE,
    PARSER_LINE,
    DatabaseService,
    annotated_targets,
    count_failed_run,
    dashboard_metrics,
    failures_beside_successes,
    grid_states,
    log_source,
    metric_names,
    not_seconds,
    others_in,
    proxy_asked,
    require_lasting,
    require_loaded,
    require_made,
    why_lost,
)
from tests.waiting import waiter

LATER = datetime(2026, 1, 1, 11, tzinfo=UTC)
NONE = parse("airflow_scheduler_heartbeat 1\n")


def options(**values: str):  # type: ignore[no-untyped-def]
    return lambda name: values.get(name, "")


def test_a_usual_way_of_metrics_gives_no_reason() -> None:
    assert statsd.reasons(options(statsd_on="True", statsd_prefix="airflow"), "mappings: []") == []


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"statsd_on": "False"}, "statsd_on is False"),
        ({"statsd_prefix": "prod"}, "statsd_prefix is prod"),
        ({"metrics_allow_list": "scheduler,pool"}, "metrics_allow_list is scheduler,pool"),
        ({"statsd_influxdb_enabled": "True"}, "statsd_influxdb_enabled is on"),
    ],
)
def test_an_option_that_changes_the_names_is_told(option: dict[str, str], said: str) -> None:
    assert any(said in reason for reason in statsd.reasons(options(**option), ""))


def test_a_rule_that_drops_is_told() -> None:
    mapping = "mappings:\n- {match: airflow.dagrun.duration.success, action: drop, name: dropped}\n"
    assert statsd.reasons(options(), mapping) == ["the mapping drops airflow.dagrun.duration.success (action: drop)"]


def rule(match: str, name: str = "airflow_task_instance_duration", **more: str) -> dict[str, str]:
    return {"match": match, "name": name, **more}


def not_durations(*rules: dict[str, str], prefix: str = "airflow") -> list[str]:
    return statsd.not_durations(rules, "airflow_task_instance_duration", prefix, "hello_world_dag.hello_task")


@pytest.mark.parametrize(
    "rules",
    [
        [rule("airflow.task.duration")],
        [rule("airflow.dag.*.*.duration"), rule("airflow.dag.*.*.*.duration")],
        [rule("airflow.task.duration"), rule("airflow.task_instance_duration")],  # the latter is never sent
        [rule("airflow.task.duration"), rule("airflow.dag.*.*.queued_duration", name="airflow_task_queued")],
        [rule(r"airflow\.dag\.(.+)\.duration", match_type="regex"), rule("airflow.dag.theirs.*.duration")],
        [rule("airflow.dag.*.*.duration", name="airflow_task_duration")],
        [],
    ],
)
def test_durations_of_tasks_are_known_by_their_names(rules: list[dict[str, str]]) -> None:
    assert not_durations(*rules) == []


def test_names_begin_with_the_declared_prefix() -> None:
    assert not_durations(rule("corp.task.duration"), prefix="corp") == []
    assert not_durations(rule("airflow.task.duration"), prefix="corp") == ["airflow.task.duration"]


@pytest.mark.parametrize(
    ("rules", "others"),
    [
        ([rule("airflow.task.queued_duration")], ["airflow.task.queued_duration"]),
        ([rule("airflow.dagrun.duration.success")], ["airflow.dagrun.duration.success"]),
        ([rule("airflow.task.duration"), rule("airflow.dag.*.*.queued_duration")], ["airflow.dag.*.*.queued_duration"]),
        ([rule("airflow.task.*")], ["airflow.task.*"]),
        (  # the first rule that matches counts, and the chart's own come first
            [rule("airflow.dag.*.*.duration", name="airflow_task_duration"), rule("airflow.dag.*.*.duration")],
            ["airflow.dag.*.*.duration"],
        ),
    ],
)
def test_what_is_no_duration_of_a_task_is_told(rules: list[dict[str, str]], others: list[str]) -> None:
    assert not_durations(*rules) == others


FAILURES = "match: airflow.ti_failures, name: airflow_task_failures"


def judge_lasting(mapping: str, metric: str = "airflow_task_failures", stat: str = "ti_failures") -> None:
    require_lasting(SimpleNamespace(statsd_mapping=mapping, option=lambda *_: "airflow"), metric, stat)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "mapping",
    [
        "",
        f"mappings: [{{{FAILURES}}}]",
        f"mappings: [{{{FAILURES}, ttl: 0}}]",
        f"mappings: [{{{FAILURES}, ttl: 24h}}]",
        f"{{defaults: {{ttl: 5m}}, mappings: [{{{FAILURES}, ttl: 1h30m}}]}}",
        f"mappings: [{{match: airflow.pool.*, name: airflow_pool, ttl: 5m}}, {{{FAILURES}}}]",
        f"mappings: [{{{FAILURES}}}, {{{FAILURES}, ttl: 5m}}]",  # the first one counts
    ],
)
def test_a_counter_that_stays_or_that_nobody_promised_may_have_any_ttl(mapping: str) -> None:
    judge_lasting(mapping)


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        (f"mappings: [{{{FAILURES}, ttl: 5m}}]", "rule for airflow.ti_failures has ttl 5m"),
        (f"mappings: [{{{FAILURES}, ttl: 300}}]", "has ttl 300"),
        (f"{{defaults: {{ttl: 59m59s}}, mappings: [{{{FAILURES}}}]}}", "mapping's defaults have ttl 59m59s"),
        ("mappings: [{match: '.*ti_failures', match_type: regex, name: airflow_task_failures, ttl: 90s}]", "ttl 90s"),
    ],
)
def test_a_counter_that_expires_between_two_events_is_told(mapping: str, told: str) -> None:
    with pytest.raises(TargetFailed, match=f"{told}: .* airflow_task_failures is gone"):
        judge_lasting(mapping)


def test_what_no_rule_maps_expires_by_the_defaults() -> None:
    with pytest.raises(TargetFailed, match="the mapping's defaults have ttl 5m"):
        judge_lasting("defaults: {ttl: 5m}", "airflow_dagrun_duration_success", "dagrun.duration.success")


def exporter(
    *rules: str, loaded: int | None = 1, changed: int = 0, sub_path: str = "mappings.yml", arg: str = "m.yml"
) -> Any:
    """An exporter that loaded so many rules, and its ConfigMap, that was changed so many seconds after it started."""
    container = {
        "name": "statsd",
        "args": ["--statsd.mapping-config=/etc/m.yml"],
        "volumeMounts": [{"name": "config", "mountPath": f"/etc/{arg}", "subPath": sub_path}],
    }
    body = {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": "airflow-statsd"}}]}
    started = {"name": "statsd", "state": {"running": {"startedAt": LATER.isoformat()}}}
    pod = Pod({"metadata": {"name": "statsd-1", "uid": "u"}, "spec": body, "status": {"containerStatuses": [started]}})
    page = "airflow_task_failures 1\n" + (f"statsd_exporter_loaded_mappings {loaded}\n" if loaded is not None else "")
    return SimpleNamespace(
        pod=lambda _: pod,
        namespace="airflow",
        fullname="airflow",
        metrics=SimpleNamespace(snapshot=lambda: parse(page)),
        cluster=SimpleNamespace(
            config_map=lambda _: {"mappings.yml": f"mappings: [{', '.join(rules)}]"},
            config_map_changed=lambda _: LATER + timedelta(seconds=changed),
        ),
    )


MINE, RENAMED = f"{{{FAILURES}}}", "{match: airflow.ti_failures, name: airflow_failed_tasks}"


@pytest.mark.parametrize(
    "seen",
    [
        exporter(MINE),
        exporter(MINE, changed=60),  # in its labels, as by every upgrade of the chart
        exporter(MINE, loaded=None),
        exporter(RENAMED),  # a DAG sends it under that very name
        exporter("{match: 'airflow.(.*)', match_type: regex, name: airflow_$1}", changed=60),
        exporter(RENAMED, RENAMED, changed=60, sub_path=""),  # it changes, and something else may have it reloaded
        exporter(RENAMED, RENAMED, changed=60, arg="other.yml"),
    ],
)
def test_an_exporter_that_applies_its_mapping_is_left_alone(seen: Any) -> None:
    require_loaded(seen)
    require_made(seen, "airflow_task_failures")


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (exporter(MINE, MINE), "1 rules are loaded, and 2 are there"),
        (exporter(RENAMED, changed=60), "no rule there makes airflow_task_failures any more"),
    ],
)
def test_an_exporter_with_an_older_mapping_is_told(seen: Any, told: str) -> None:
    with pytest.raises(TargetFailed, match=f"ConfigMap airflow-statsd was changed after the exporter .*: {told}"):
        require_loaded(seen)
        require_made(seen, "airflow_task_failures")


def test_a_failed_run_that_counts_as_a_success_is_seen() -> None:
    after = parse(
        'airflow_dagrun_duration_count{dag_id="failing"} 1\nairflow_dagrun_duration_failed_count 1\n'
        "airflow_dagrun_duration_success_count 0\n"
    )
    seen = count_failed_run(NONE, after, "failing")
    assert sum(seen.as_success.values()) == 1
    assert seen.as_failed["airflow_dagrun_failed"] == 0


def test_a_total_of_successes_that_takes_failures_too_is_seen() -> None:
    after = parse(
        'airflow_dagrun_duration_count{dag_id="hello"} 2\nairflow_dagrun_failed_count{dag_id="failing"} 1\n'
        "airflow_dagrun_duration_success_count 3\n"
    )
    assert count_failed_run(NONE, after, "failing").as_success["airflow_dagrun_duration_success"] == 1


def test_the_charts_mapping_counts_both_apart() -> None:
    after = parse(
        'airflow_dagrun_duration_count{dag_id="hello"} 2\nairflow_dagrun_failed_count{dag_id="failing"} 1\n'
        "airflow_dagrun_duration_success_count 2\nairflow_dagrun_duration_failed_count 1\n"
    )
    seen = count_failed_run(NONE, after, "failing")
    assert not any(seen.as_success.values()) and all(seen.as_failed.values())


def test_failures_are_compared_with_what_failed_otherwise() -> None:
    after = parse('airflow_task_failures 5\nairflow_operator_failures 2\nairflow_operator_failures{operator="X"} 2\n')
    assert failures_beside_successes(NONE, after) == (5, 2)


def exporter(*more: str, **annotations: str) -> Pod:
    """A ready pod of the exporter, with more containers."""
    containers = [{"name": name, "image": "x"} for name in ("statsd", *more)]
    status = {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    metadata = {"name": "statsd-1", "uid": "u", "annotations": annotations}
    return Pod({"metadata": metadata, "spec": {"containers": containers}, "status": status})


def annotated(
    asked: list[bool], error: ApiError | None = None, *, pod: Pod | None = None, deaf: str = "", **annotations: str
) -> Any:
    """A subject whose exporter's Service has annotations; `asked` gets whether the exporter was asked with TLS.

    The error comes of every port, or only of `deaf`.
    """
    given = {"prometheus.io/scrape": "true", "prometheus.io/port": "9102"}
    given |= {f"prometheus.io/{name}": value for name, value in annotations.items()}

    def page(pod: Any, port: str, path: str, *, tls: bool) -> str:
        asked.append(tls)
        if error and str(port) in (deaf or str(port)):
            raise error
        return "airflow_x 1\n"

    cluster = SimpleNamespace(
        service=lambda _: {"metadata": {"annotations": given}, "spec": {"ports": [{"port": 9102}]}},
        pods=lambda _: [pod or exporter()],
        proxy_get_pod=page,
    )
    return SimpleNamespace(
        cluster=cluster,
        statsd_service=lambda: "airflow-statsd",
        get_page=lambda through_proxy, address: through_proxy(),
    )


@pytest.mark.parametrize(
    ("annotations", "tls"), [({}, False), ({"scheme": "http"}, False), ({"scheme": "https"}, True)]
)
def test_metrics_are_asked_for_by_the_annotated_scheme(annotations: dict[str, str], tls: bool) -> None:
    asked: list[bool] = []
    assert annotated_targets(annotated(asked, **annotations)) == ["statsd-1:9102/metrics"]
    assert asked == [tls]


def test_a_scheme_that_the_exporter_does_not_speak_is_told() -> None:
    subject = annotated([], ApiError("503 server gave HTTP response to HTTPS client"), scheme="https")
    with pytest.raises(TargetFailed, match=r"port=9102 and prometheus.io/scheme=https .*\(503 server gave HTTP"):
        annotated_targets(subject)


RESET = ApiError("503 connection reset by peer")


@pytest.mark.parametrize(
    ("pod", "port", "deaf", "raises"),
    [
        (exporter("istio-proxy"), "9102", "", Unsupported),
        (exporter("istio-proxy"), "9125", "", Unsupported),
        (exporter(**{"ambient.istio.io/redirection": "enabled"}), "9102", "", Unsupported),
        (exporter("istio-proxy"), "9125", "9125", TargetFailed),  # the mesh lets others in, too
        (exporter("istio-proxy"), "15020", "", TargetFailed),  # merged metrics, which all may read
        (exporter(), "9102", "", TargetFailed),
    ],
)
def test_a_mesh_that_lets_nobody_in_is_no_fault_of_the_annotations(pod: Pod, port: str, deaf: str, raises: Any) -> None:
    with pytest.raises(raises):
        annotated_targets(annotated([], RESET, pod=pod, deaf=deaf, port=port))


def timed(total: float, mapping: str = "", *, since: float = 100, earlier: float = 0, count: int = 2) -> Any:
    """A subject whose summary `m` grew since a time some seconds ago, and that time."""
    before = replace(NONE, taken=monotonic() - since)
    subject = SimpleNamespace(
        statsd_mapping=f"mappings: [{{match: airflow.x, name: m{mapping}}}]",
        metrics=SimpleNamespace(snapshot=lambda: parse(f"m_sum {total}\nm_count {count}\n")),
        waiter=waiter(0),
        cluster=SimpleNamespace(kube=SimpleNamespace(now=lambda: LATER)),
        airflow=SimpleNamespace(seconds_begun_before=lambda at, of_tasks: earlier),
    )
    return subject, before


@pytest.mark.parametrize(
    "seen",
    [
        timed(12),
        timed(7, ", scale: 1"),
        timed(190),
        timed(8000, earlier=7900),  # one that had begun long before
    ],
)
def test_durations_in_seconds_are_believed(seen: Any) -> None:
    subject, before = seen
    assert not_seconds(subject, before, "m", 12, of_tasks=False) == ""


def test_durations_that_are_too_small_are_told_with_the_scale() -> None:
    subject, before = timed(0.012, ", scale: 0.001")
    with pytest.raises(
        BudgetExceeded, match=r"m_sum grew by 0.012, what it counts took 12 s .*airflow.x has scale: 0.001"
    ):
        not_seconds(subject, before, "m", 12, of_tasks=True)


def test_durations_that_are_too_large_are_told_with_the_scale() -> None:
    subject, before = timed(12000, ", scale: 1000")
    told = not_seconds(subject, before, "m", 12, of_tasks=True)
    assert told.startswith("m_sum grew by 12000 for 2 that ended in the 100 s") and told.endswith("has scale: 1000")


def test_the_grid_is_read_through_its_groups() -> None:
    leaf = {"id": "group.a", "instances": [{"run_id": "r", "state": "success"}, {"run_id": "s", "state": "failed"}]}
    group = {"id": "group", "instances": [{"run_id": "r", "state": "success"}], "children": [leaf]}
    assert grid_states({"groups": {"id": None, "children": [group]}}, "r") == {"group.a": "success"}


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("Could not read served logs: 403 Client Error: FORBIDDEN", "secret_key"),
        ("Could not read served logs: [Errno -2] Name or service not known", "does not resolve"),
        ("Could not read served logs: timed out", "NetworkPolicy"),
        ("Could not read served logs: [Errno 111] Connection refused", "nothing listens"),
        ("all is well", ""),
    ],
)
def test_the_cause_of_a_lost_log(log: str, cause: str) -> None:
    assert cause in why_lost(log) and bool(cause) == bool(why_lost(log))


WORKER = "airflow-worker-0.airflow-worker.airflow.svc.cluster.local"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://proxy:1"}, ""),  # logs are served without TLS
        ({"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "localhost, .svc.cluster.local"}, ""),
        ({"HTTP_PROXY": "http://proxy:1", "no_proxy": "cluster.local"}, ""),
        ({"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "localhost,*"}, ""),
        ({"HTTP_PROXY": "http://proxy:1", "http_proxy": ""}, ""),
        ({"HTTP_PROXY": "http://me:hun/ter2@proxy:1/x"}, "the proxy proxy:1 for it"),
        ({"all_proxy": "proxy:1", "NO_PROXY": "localhost,10.0.0.0/8"}, "add .svc.cluster.local to NO_PROXY"),
    ],
)
def test_a_proxy_that_is_asked_for_logs_is_named(variables: dict[str, str], told: str) -> None:
    env = [{"name": name, "value": value} for name, value in variables.items()]
    webserver = Pod(
        {"metadata": {"name": "w", "uid": "w"}, "spec": {"containers": [{"name": "webserver", "env": env}]}}
    )
    subject: Any = SimpleNamespace(pod=lambda _: webserver, environments=Environments(None))  # type: ignore[arg-type]
    asked = proxy_asked(subject, WORKER)
    assert told in asked and bool(told) == bool(asked) and "hun" not in asked


def test_the_source_of_a_log() -> None:
    served = "*** Found logs served from host http://worker-0:8793/log/x\n[time] INFO\n"
    assert "worker-0" in log_source(served)
    assert "local files" in log_source("*** Found local files:\n***   * /opt/airflow/logs/x.log\n")
    assert log_source("INFO - nothing\n") == ""


def test_metrics_of_an_expression() -> None:
    assert metric_names('rate(airflow_a_sum{x="airflow_b"}[5m]) / airflow_c') == ["airflow_a_sum", "airflow_c"]
    assert dashboard_metrics()


def test_lines_of_the_parser() -> None:
    assert PARSER_LINE.search("INFO - Processing file /dags/x.py for tasks to queue")
    assert PARSER_LINE.search("ERROR - Failed to import: /dags/x.py")
    assert not PARSER_LINE.search("ERROR - something else")


SERVICE = {
    "metadata": {"name": "airflow-statsd", "creationTimestamp": "2026-01-01T10:00:00Z"},
    "spec": {"clusterIP": "10.0.0.7", "ports": [{"port": 9125, "protocol": "UDP"}, {"port": 9102}]},
}


@pytest.mark.parametrize("host", ["airflow-statsd", "airflow-statsd.airflow.svc", "10.0.0.7"])
def test_metrics_that_go_to_the_service(host: str) -> None:
    assert statsd.misdirected(host, "9125", SERVICE, LATER) == []


@pytest.mark.parametrize(
    ("host", "port", "started", "said"),
    [
        ("localhost", "9125", LATER, "statsd_host is localhost, the exporter's Service is airflow-statsd"),
        ("airflow-statsd", "8125", LATER, "statsd_port is 8125, the Service takes UDP at 9125"),
        ("airflow-statsd", "9125", datetime(2026, 1, 1, 9, tzinfo=UTC), "is younger than the scheduler"),
    ],
)
def test_metrics_that_go_elsewhere(host: str, port: str, started: datetime, said: str) -> None:
    (reason,) = statsd.misdirected(host, port, SERVICE, started)
    assert said in reason


OPEN = {"statsd-policy": {"ingress": [{"ports": [{"protocol": "UDP", "port": 9125}]}]}}


def test_an_exporter_that_listens_and_is_reached() -> None:
    assert statsd.deaf("--statsd.mapping-config=x", {}, "9125") == []
    assert statsd.deaf("--statsd.listen-udp=:9125", OPEN, "9125") == []
    assert statsd.deaf("", {"all": {"ingress": [{}]}}, "9125") == []


@pytest.mark.parametrize(
    ("command", "policies", "said"),
    [
        ("--statsd.listen-udp= --web", {}, "runs with --statsd.listen-udp=, so it takes no UDP at 9125"),
        ("", {"closed": {}}, "NetworkPolicy closed lets no UDP 9125 through"),
        ("", {"tcp": {"ingress": [{"ports": [{"protocol": "TCP", "port": 9102}]}]}}, "NetworkPolicy tcp lets no UDP"),
    ],
)
def test_an_exporter_that_is_deaf(command: str, policies: dict[str, dict[str, object]], said: str) -> None:
    (reason,) = statsd.deaf(command, policies, "9125")
    assert said in reason


EXTRACT = """\
[2026-11-25T10:26:50.681+0000] {task_command.py:426} INFO - Running <TaskInstance: etl_pipeline.extract r1 [queued]> on host a
[2026-11-25T10:26:51.000+0000] {dagrun.py:632} DEBUG - number of tis tasks for <DagRun etl_pipeline>: <TaskInstance: etl_pipeline.load r1 [None]>
[2026-11-25T10:26:51.257+0000] {task_command.py:426} INFO - Running <TaskInstance: etl_pipeline.extract r1 [running]> on host a
"""  # noqa: E501


@pytest.mark.parametrize(
    ("log", "others"),
    [
        (EXTRACT, []),
        ("", []),
        (EXTRACT + EXTRACT.replace(".extract", ".load"), ["etl_pipeline.load r1"]),
        (EXTRACT + EXTRACT.replace(" r1 ", " r2 "), ["etl_pipeline.extract r2"]),
        (EXTRACT.replace(".extract r1 [", ".load r1 map_index=2 ["), ["etl_pipeline.load r1"]),
    ],
)
def test_a_log_that_holds_those_of_others_is_told(log: str, others: list[str]) -> None:
    assert others_in(log, DagRun("etl_pipeline", "r1", "success"), "extract") == others


def database(**seen: Any) -> Any:
    """A metadata database as probes/database_service.py tells of a good one, and what is otherwise."""
    limits = dict.fromkeys(("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"), 0)
    settings = {"default_transaction_isolation": "read committed", "server_encoding": "UTF8"}
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
    }
    service = DatabaseService(told | seen, yaml.safe_load(DATABASE.read_text()))
    return SimpleNamespace(see=lambda _: service)


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


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (
            {"settings": {"default_transaction_isolation": "serializable"}},
            "default_transaction_isolation is serializable",
        ),
        ({"settings": {"server_encoding": "SQL_ASCII"}}, "server_encoding is SQL_ASCII, Airflow needs UTF8"),
        ({"cannot_migrate": ["does not own dag_run"]}, "role airflow at pg: does not own dag_run: .* owner to airflow"),
    ],
)
def test_a_metadata_database_that_refuses_now_and_then_is_told(seen: dict[str, Any], told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        judge_database(database(**seen))
