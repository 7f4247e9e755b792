"""What an exporter's mapping and annotations lead to."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import TargetFailed, Unsupported
from fixtures.kube import ApiError
from fixtures.metrics import parse
from fixtures.objects import Pod
from fixtures.observations.exporter import annotated_targets, require_lasting, require_loaded, require_made
from fixtures.statsd import MappingFile
from fixtures.subject import Subject

STARTED = datetime(2026, 1, 1, 11, tzinfo=UTC)
FAILURES = "match: airflow.ti_failures, name: airflow_task_failures"


def judge_lasting(mapping: str, metric: str = "airflow_task_failures", stat: str = "ti_failures") -> None:
    subject: Any = SimpleNamespace(statsd_mapping=MappingFile(mapping), option=lambda *_: "airflow")
    require_lasting(subject, metric, stat)


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
    started = {"name": "statsd", "state": {"running": {"startedAt": STARTED.isoformat()}}}
    pod = Pod({"metadata": {"name": "statsd-1", "uid": "u"}, "spec": body, "status": {"containerStatuses": [started]}})
    page = "airflow_task_failures 1\n" + (f"statsd_exporter_loaded_mappings {loaded}\n" if loaded is not None else "")
    subject: Any = SimpleNamespace(
        pod=lambda _: pod,
        namespace="airflow",
        fullname="airflow",
        metrics=SimpleNamespace(snapshot=lambda: parse(page)),
        cluster=SimpleNamespace(
            config_map=lambda _: {"mappings.yml": f"mappings: [{', '.join(rules)}]"},
            config_map_changed=lambda _: STARTED + timedelta(seconds=changed),
        ),
    )
    subject.statsd_mapping = Subject.statsd_mapping.func(subject)
    return subject


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


def test_the_mapping_is_read_from_where_it_is_mounted() -> None:
    assert exporter(MINE).statsd_mapping == MappingFile(f"mappings: [{MINE}]", "airflow-statsd", "statsd", stays=True)
    assert exporter(MINE, sub_path="").statsd_mapping.stays is False
    assert exporter(MINE, arg="other.yml").statsd_mapping == MappingFile()


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


def ready_pod(*more: str, **annotations: str) -> Pod:
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
        pods=lambda _: [pod or ready_pod()],
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
        (ready_pod("istio-proxy"), "9102", "", Unsupported),
        (ready_pod("istio-proxy"), "9125", "", Unsupported),
        (ready_pod(**{"ambient.istio.io/redirection": "enabled"}), "9102", "", Unsupported),
        (ready_pod("istio-proxy"), "9125", "9125", TargetFailed),  # the mesh lets others in, too
        (ready_pod("istio-proxy"), "15020", "", TargetFailed),  # merged metrics, which all may read
        (ready_pod(), "9102", "", TargetFailed),
    ],
)
def test_a_mesh_that_lets_nobody_in_is_no_fault_of_the_annotations(pod: Pod, port: str, deaf: str, raises: Any) -> None:
    with pytest.raises(raises):
        annotated_targets(annotated([], RESET, pod=pod, deaf=deaf, port=port))
