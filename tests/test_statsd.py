"""What keeps metrics on their way to the exporter, and what its rules make of them."""

from datetime import UTC, datetime

import pytest

from fixtures import statsd

LATER = datetime(2026, 1, 1, 11, tzinfo=UTC)


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


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("--web.listen-address=:9102 --statsd.mapping-config=/etc/m.yml", "/etc/m.yml"),
        ("sh -c exporter --statsd.mapping-config /etc/m.yml", "/etc/m.yml"),
        ("--web.listen-address=:9102", ""),
    ],
)
def test_where_an_exporter_looks_for_its_mapping(command: str, path: str) -> None:
    assert statsd.mapping_path(command) == path
