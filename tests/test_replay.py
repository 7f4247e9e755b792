"""Replays: what is the same as in a bundle, what cannot be, and that it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fixtures import bundle, manifests, replay, values
from fixtures import chart as charts
from fixtures.bundle import Bundle, Opened, Release
from fixtures.chart import Chart
from fixtures.errors import UsageError
from fixtures.helm import Helm
from fixtures.redaction import MARK
from fixtures.settings import Executor

STAGING: dict[str, Any] = {
    "executor": "KubernetesExecutor",
    "defaultAirflowRepository": "registry.example.com/data/airflow",
    "airflowVersion": "2.9.0",
    "data": {"metadataConnection": {"host": "db.example.com", "user": "flow", "pass": MARK, "protocol": "postgresql"}},
    "postgresql": {"enabled": False},
    "fernetKeySecretName": "flow-fernet",
    "webserverSecretKey": MARK,
    "nodeSelector": {"pool": "airflow"},
    "scheduler": {"replicas": 2, "tolerations": [{"key": "airflow"}], "priorityClassName": "high"},
    "ingress": {"web": {"enabled": True, "hosts": [{"name": "airflow.example.com"}]}},
    "dags": {"gitSync": {"enabled": True, "repo": "git@example.com:data/dags.git", "wait": 300}},
    "logs": {"persistence": {"enabled": False}},
    "config": {"core": {"parallelism": 7}, "smtp": {"smtp_host": "mail.example.com"}},
    "extraEnv": "- {name: AIRFLOW__CORE__PARALLELISM, value: '9'}\n"
    "- {name: TOKEN_OF_SITE, value: x}\n"
    "- {name: OTHER, valueFrom: {secretKeyRef: {name: a, key: b}}}\n",
    "workers": {"extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}]},
    "triggerer": {"enabled": False},
}


def release(**changes: Any) -> Release:
    known: dict[str, Any] = {
        "executor": "kubernetes",
        "namespace": "data",
        "release": "flow",
        "chart": "1.15.0",
        "airflow": "2.9.0",
        "kubernetes": "v1.29.0",
        "by_helm": True,
        "failed": ("AF-LOG-001",),
    }
    return Release.model_validate({**known, **changes})


def opened(
    values: Any = None, *releases: Release, provider: Literal["kind", "existing"] = "existing", **changes: Any
) -> Opened:
    found = releases or (release(),)
    index = Bundle.model_validate(
        {"run": "20261125-000000-abcd", "verdict": "non-conformant", "provider": provider, "releases": found, **changes}
    )
    text = values if isinstance(values, str) else yaml.safe_dump(values or {})
    return Opened(Path("bundle.tar.gz"), index, {one.values_file: text.encode() for one in found})


def planned(given: Any, chart: Chart, provider: Literal["kind", "existing"] = "existing") -> replay.Replay:
    it = opened(given, provider=provider)
    reference = manifests.reference_values(Executor.KUBERNETES, chart.version)
    return replay.plan(it, it.index.releases[0], chart, reference)


def effective(found: replay.Replay, chart: Chart) -> dict[str, Any]:
    return values.merge(values.defaults(chart), found.given)


def test_what_is_the_releases_own_stays(published_chart: Chart) -> None:
    found = effective(planned(STAGING, published_chart), published_chart)
    assert found["scheduler"]["replicas"] == 2
    assert found["logs"]["persistence"]["enabled"] is False
    assert found["config"]["core"]["parallelism"] == 7
    assert found["dags"]["gitSync"]["wait"] == 300
    assert "livenessProbe" in found["scheduler"]
    # The suite's own values change what a bundle says nothing of: the chart's defaults count, not they.
    assert found["config"]["scheduler"].get("dag_dir_list_interval") is None
    assert found["statsd"].get("extraMappings") == values.defaults(published_chart)["statsd"]["extraMappings"]


def test_what_cannot_exist_on_kind_is_the_suites_own_and_told(published_chart: Chart) -> None:
    plan = planned(STAGING, published_chart)
    found = effective(plan, published_chart)
    assert found["data"]["metadataConnection"]["host"] == "airflow-postgresql"
    assert found["fernetKeySecretName"] == "airflow-fernet"
    assert found["webserverSecretKeySecretName"] == "airflow-flask-key"
    assert found["dags"]["gitSync"]["repo"] == "git://git-server/airflow-dags.git"
    assert (found["defaultAirflowRepository"], found["defaultAirflowTag"]) == ("apache/airflow", "2.9.0")
    assert found["config"]["smtp"]["smtp_host"] == "smtp-sink"
    assert not found["nodeSelector"]
    assert not found["scheduler"].get("tolerations")
    assert not found["workers"]["extraVolumes"]
    assert not found["ingress"].get("web", {}).get("hosts")
    told = "\n".join(plan.notes)
    for path in ("data", "nodeSelector", "scheduler.tolerations", "ingress", "dags.gitSync.repo", "config.smtp"):
        assert path in told
    assert MARK not in yaml.safe_dump(plan.given)


def test_the_version_of_airflow_is_the_bundles(published_chart: Chart) -> None:
    it = opened(STAGING, release(airflow="2.9.3"))
    reference = manifests.reference_values(Executor.KUBERNETES, published_chart.version)
    found = effective(replay.plan(it, it.index.releases[0], published_chart, reference), published_chart)
    assert (found["airflowVersion"], found["defaultAirflowTag"]) == ("2.9.3", "2.9.3")


def test_plain_variables_stay_and_others_are_told(published_chart: Chart) -> None:
    plan = planned(STAGING, published_chart)
    variables = yaml.safe_load(effective(plan, published_chart)["extraEnv"])
    names = [entry["name"] for entry in variables]
    assert "AIRFLOW__CORE__PARALLELISM" in names
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in names
    assert {"TOKEN_OF_SITE", "OTHER"}.isdisjoint(names)
    assert any("TOKEN_OF_SITE, OTHER of the bundle left out" in note for note in plan.notes)


ADDRESSES = [
    {"name": "AIRFLOW__CELERY__BROKER_URL", "value": "redis://redis.example.com:6379/0"},
    {"name": "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "value": "postgresql://db.example.com/airflow"},
    {"name": "AIRFLOW_CONN_SITE", "value": "http://site.example.com"},
    {"name": "AIRFLOW__SMTP__SMTP_HOST", "value": "mail.example.com"},
    {"name": "OF_A_SECRET", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
    {"name": "AIRFLOW__CORE__PARALLELISM", "value": "9"},
]


@pytest.mark.parametrize("path", ["env", "workers.env", "scheduler.env", "scheduler.waitForMigrations.env"])
def test_no_variable_leads_out_of_the_cluster(path: str, published_chart: Chart) -> None:
    given: Any = ADDRESSES
    for key in reversed(path.split(".")):
        given = {key: given}
    plan = planned({**given, "labels": {"env": "staging"}}, published_chart)
    kept: Any = effective(plan, published_chart)
    for key in path.split("."):
        kept = kept[key]
    assert kept == [{"name": "AIRFLOW__CORE__PARALLELISM", "value": "9"}]
    names = ", ".join(entry["name"] for entry in ADDRESSES[:-1])
    assert any(f"{path}: {names} of the bundle left out" in note for note in plan.notes)
    assert plan.given["labels"] == {"env": "staging"}


def test_variables_of_the_suites_own_cluster_stay(published_chart: Chart) -> None:
    given = {"workers": {"env": [{"name": "AIRFLOW__CELERY__BROKER_URL", "value": "redis://airflow-redis:6379/0"}]}}
    plan = planned(given, published_chart, "kind")
    assert plan.given == given
    assert plan.notes == []


def test_a_replay_can_be_rendered(helm_binary: Path, published_chart: Chart, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(planned(STAGING, published_chart).given))
    assert values.check(published_chart, [file]) == []
    text = Helm(helm_binary).template("flow", "data", published_chart, [file])
    assert not [word for word in ("registry.", "db.", "git@", "mail.") if f"{word}example.com" in text]
    assert "priorityClassName: high" not in text


@pytest.mark.parametrize("version", ["1.11.0", "1.15.0"])
def test_a_bundle_of_the_suites_own_cluster_renders_the_same_objects(
    version: str, helm_binary: Path, tmp_path: Path
) -> None:
    neighbour = charts.NEIGHBOUR
    if not neighbour.is_dir():
        pytest.skip("needs the published charts")
    chart = charts.locate(version, chart=None, charts_dir=neighbour, cache=tmp_path, progress=_Quiet())
    reference = manifests.reference_values(Executor.KUBERNETES, version)
    plan = planned(values.load(reference), chart, "kind")
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(plan.given))
    helm = Helm(helm_binary)
    ours, theirs = (
        # Secrets that nothing uses are made up at each rendering.
        [entry for entry in yaml.safe_load_all(helm.template("airflow", "ns", chart, files)) if _lasts(entry)]
        for files in ([file], reference)
    )
    assert ours == theirs
    assert plan.notes == []


def _lasts(entry: Any) -> bool:
    return bool(entry) and entry["kind"] != "Secret"


class _Quiet:
    def step(self, text: str) -> None:
        pass


def test_what_was_redacted_is_replaced_by_something_that_works(published_chart: Chart) -> None:
    given = {
        "webserverSecretKey": MARK,
        "fernetKey": MARK,
        "data": {"metadataConnection": {"pass": MARK}},
        "extraSecrets": {"own": {"data": f"key: '{MARK}'\n", "stringData": f"word: '{MARK}'\n"}},
        "env": [{"name": "SITE_PASSWORD", "value": MARK}],
    }
    plan = planned(given, published_chart, "kind")
    found = effective(plan, published_chart)
    manifests._check_fernet(found["fernetKey"])
    assert yaml.safe_load(found["extraSecrets"]["own"]["data"]) == {"key": "cmVkYWN0ZWQ="}
    assert found["env"][0]["name"] == "SITE_PASSWORD"
    assert MARK not in yaml.safe_dump(plan.given)
    assert len(plan.notes) == 6


TREES = st.recursive(
    st.integers(0, 2) | st.text("ab", max_size=1) | st.lists(st.integers(0, 1), max_size=1),
    lambda below: st.dictionaries(st.sampled_from("xyz"), below, max_size=3),
    max_leaves=8,
)
MAPS = st.dictionaries(st.sampled_from("xyz"), TREES, max_size=3)


@given(MAPS, MAPS)
def test_a_difference_makes_one_of_the_other(base: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert values.merge(base, replay.difference(base, wanted)) == wanted


# Which release, and what to judge


def test_the_release_that_failed_is_brought_up() -> None:
    celery = release(executor="celery", failed=())
    assert replay.release_of(opened({}, release(), celery), ()).executor is Executor.KUBERNETES
    assert replay.release_of(opened({}, release(), celery), (Executor.CELERY,)).executor is Executor.CELERY


@pytest.mark.parametrize(
    ("it", "executors", "told"),
    [
        (opened({}, release(), release(executor="celery")), (), "holds two releases"),
        (opened({}), (Executor.CELERY,), "holds no release under celery"),
        (opened({}, release(by_helm=False)), (), "was not made by Helm"),
        (opened({}, release(airflow="unknown")), (), "does not know which chart and Airflow"),
        (opened({}, options={"SCENARIO": "upgrade"}), (), "is of an upgrade"),
    ],
)
def test_what_cannot_be_brought_up_is_refused(it: Opened, executors: tuple[Executor, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        replay.release_of(it, executors)


def test_what_failed_is_judged_or_else_what_was_asked_for() -> None:
    assert replay.ids_of(opened({}), release()) == ("AF-LOG-001",)
    assert replay.ids_of(opened({}, ids=("AF-GIT-*",)), release(failed=())) == ("AF-GIT-*",)
    with pytest.raises(UsageError, match="nothing failed"):
        replay.ids_of(opened({}), release(failed=()))


@pytest.mark.parametrize(
    ("text", "told"),
    [("a: [", "is damaged"), ("- 1", "the top level is a list"), ("a: &a {b: *a}", "holds the alias")],
)
def test_values_that_are_none_are_refused(text: str, told: str, small_chart: Chart) -> None:
    it = opened(text)
    with pytest.raises(UsageError, match=told):
        replay.plan(it, it.index.releases[0], small_chart, ())


def test_dag_files_are_written_by_their_name(tmp_path: Path) -> None:
    it = opened({}, dags=("their_dag.py",))
    it = Opened(it.path, it.index, {**it.files, f"{bundle.DAGS}/their_dag.py": b"import airflow"})
    (path,) = replay.write_dags(it, tmp_path / "dags")
    assert path == tmp_path / "dags" / "their_dag.py"
    assert path.read_text() == "import airflow"


def test_every_entry_of_the_table_is_something_that_the_chart_knows(published_chart: Chart) -> None:
    schema = json.loads(charts.read(published_chart, "values.schema.json") or b"{}")
    newer = {"opensearch"}
    for patterns in replay.table(replay.TABLE).values():
        for first, *_ in patterns:
            assert first in {"*", *schema["properties"], *newer}
