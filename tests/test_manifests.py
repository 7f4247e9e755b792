from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures import manifests, values
from fixtures.chart import Chart
from fixtures.errors import HarnessError
from fixtures.helm import Helm
from fixtures.observations import sealed
from fixtures.settings import Executor
from fixtures.subject import OWN
from fixtures.values import merge
from images.versions import load
from tests.charting import published

TOOLS = "airflow-conformance/tools:1"
POSTGRES = "postgres:15-bookworm"
REDIS = "redis:7.2-bookworm"
RELEASE = frozenset(
    {
        "apache/airflow:2.9.0",
        "registry.k8s.io/git-sync/git-sync:v4.1.0",
        "quay.io/prometheus/statsd-exporter:v0.26.1",
    }
)
EXECUTORS = tuple(Executor)
CHARTS = tuple(load().charts)


def files(executor: Executor, chart_version: str = "1.15.0") -> list[Path]:
    return manifests.reference_values(executor, chart_version)


def support(executor: Executor, namespace: str = "ns", **options: Any) -> list[dict[str, Any]]:
    return manifests.support(namespace, executor, manifests.fresh_secrets(), **options)


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [entry for entry in objects if entry["kind"] == kind and entry["metadata"]["name"] == name]
    return found


def pod_specs(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry["spec"]["template"]["spec"] for entry in objects if "template" in entry.get("spec", {})]


def millicores(text: object) -> float:
    number = str(text)
    return float(number[:-1]) if number.endswith("m") else float(number) * 1000


def test_render_fills_in_each_placeholder(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: ${NAME}\nb: $$HOME\n---\n---\nc: ${NAME}-x\n")
    assert manifests.render(path, NAME="n") == [{"a": "n", "b": "$HOME"}, {"c": "n-x"}]


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("a: ${NAME}\n", {}, "no value for the placeholders \\['NAME'\\]"),
        ("a: 1\n", {"NAME": "n"}, "no placeholder for the values \\['NAME'\\]"),
        ("a: [1\n", {}, "is broken"),
        ("a: $ 1\n", {}, "is broken"),
    ],
)
def test_render_refuses_what_does_not_fit(tmp_path: Path, text: str, given: dict[str, str], message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(HarnessError, match=message):
        manifests.render(path, **given)
    with pytest.raises(HarnessError, match="cannot be read"):
        manifests.render(tmp_path / "missing.yaml")


def test_credentials_are_new_each_time_and_of_the_right_form() -> None:
    first, second = manifests.fresh_secrets(), manifests.fresh_secrets()
    assert set(first) == set(manifests.SECRETS)
    assert not set(first.values()) & set(second.values())
    assert len(base64.urlsafe_b64decode(first["FERNET_KEY"])) == 32
    assert all(re.fullmatch("[a-z0-9]+", value) for name, value in first.items() if name != "FERNET_KEY")


def test_a_key_that_is_no_fernet_key_is_refused_before_airflow_meets_it() -> None:
    with pytest.raises(HarnessError, match="FERNET_KEY"):
        manifests.support("ns", Executor.CELERY, {**manifests.fresh_secrets(), "FERNET_KEY": "short"})


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_credential_is_in_a_secret_and_nowhere_else(executor: Executor) -> None:
    credentials = manifests.fresh_secrets()
    objects = manifests.support("ns", executor, credentials)
    open_text = manifests.dump(entry for entry in objects if entry["kind"] != "Secret")
    hidden = manifests.dump(entry for entry in objects if entry["kind"] == "Secret")
    for name, value in credentials.items():
        assert value not in open_text
        assert (value in hidden) == (executor is Executor.CELERY or name != "REDIS_PASSWORD")
    assert named(objects, "Secret", "airflow-webserver-secret")["stringData"] == {
        "admin-password": credentials["ADMIN_PASSWORD"]
    }


@pytest.mark.parametrize("executor", EXECUTORS)
def test_two_releases_fit_into_one_cluster(executor: Executor) -> None:
    objects = support(executor, "one")
    for entry in objects:
        if entry["kind"] == "PersistentVolume":
            assert entry["metadata"]["name"] == "one-logs"
            assert "namespace" not in entry["metadata"]
        else:
            assert entry["metadata"]["namespace"] == "one"
    other = named(support(executor, "two"), "PersistentVolume", "two-logs")
    assert other["spec"]["hostPath"] != named(objects, "PersistentVolume", "one-logs")["spec"]["hostPath"]


@pytest.mark.parametrize(
    ("executor", "claim"), [(Executor.KUBERNETES, "shared-logs"), (Executor.CELERY, "logs-blue-worker-0")]
)
def test_the_volume_for_logs_is_bound_to_the_claim_that_the_chart_asks_for(executor: Executor, claim: str) -> None:
    objects = support(executor, fullname="blue")
    volume = named(objects, "PersistentVolume", "ns-logs")["spec"]
    assert volume["claimRef"] == {"namespace": "ns", "name": claim}
    asked = named(objects, "PersistentVolumeClaim", claim)["spec"]
    assert asked["volumeName"] == "ns-logs"
    assert asked["storageClassName"] == volume["storageClassName"] == ""
    job = named(objects, "Job", "prepare-logs")["spec"]["template"]["spec"]
    assert job["volumes"][0]["hostPath"] == volume["hostPath"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_documented_services_are_there(executor: Executor) -> None:
    objects = support(executor)
    ports = {
        entry["metadata"]["name"]: [port["port"] for port in entry["spec"]["ports"]]
        for entry in objects
        if entry["kind"] == "Service"
    }
    assert ports == {
        "airflow-postgresql": [5432],
        "postgres-external": [15432],
        "redis-external": [16379],
        "git-server": [9418],
        "smtp-sink": [1025, 8025],
    }
    for name in ports:
        selector = named(objects, "Service", name)["spec"]["selector"]
        template = named(objects, "Deployment", name)["spec"]["template"]
        assert selector == {"app": name}
        assert template["metadata"]["labels"] == {"app": name, **OWN}, "the suite writes only into pods of its own"
        assert template["spec"]["containers"][0]["name"] == name


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_suites_own_pods_use_few_images_and_little_cpu(executor: Executor) -> None:
    objects = support(executor)
    assert manifests.images(objects) == {TOOLS, POSTGRES, REDIS}
    for spec in pod_specs([*objects, *manifests.shared()]):
        for container in spec["containers"]:
            assert container["imagePullPolicy"] == "IfNotPresent"
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "cpu" not in container["resources"]["limits"]
            assert "readinessProbe" not in container, "an exec each second for ever would cost a tenth of a core"


def test_the_controller_of_sealed_secrets_is_where_kubeseal_looks_for_it() -> None:
    objects = manifests.shared()
    service = named(objects, "Service", sealed.CONTROLLER)
    labels = {"name": sealed.CONTROLLER}
    assert service["metadata"] == {"name": sealed.CONTROLLER, "namespace": sealed.HOME, "labels": labels}
    assert "name=sealed-secrets-controller" in sealed.LABELS
    template = named(objects, "Deployment", sealed.CONTROLLER)["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    (container,) = template["spec"]["containers"]
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_the_controller_of_sealed_secrets_may_do_what_it_does() -> None:
    objects = manifests.shared()
    (account,) = named(objects, "ClusterRoleBinding", "sealed-secrets-controller")["subjects"]
    template = named(objects, "Deployment", "sealed-secrets-controller")["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == account["name"] == "sealed-secrets-controller"
    rules = named(objects, "ClusterRole", "secrets-unsealer")["rules"]
    may = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    assert {("secrets", "create"), ("secrets", "update"), ("sealedsecrets/status", "update")} <= may
    definition = named(objects, "CustomResourceDefinition", "sealedsecrets.bitnami.com")["spec"]
    assert definition["versions"][0]["subresources"] == {"status": {}}
    assert f"/apis/{definition['group']}/{definition['versions'][0]['name']}" == sealed.API


def test_the_dags_are_the_suites_own() -> None:
    data = manifests.dags()["data"]
    assert set(data) == {path.name for path in manifests.DAGS.glob("*.py")}
    assert "hello_world.py" in data


def test_a_users_dags_lie_beside_them(tmp_path: Path) -> None:
    (tmp_path / "their_dag.py").write_text("import airflow\n")
    objects = manifests.support(
        "airflow", Executor.CELERY, manifests.fresh_secrets(), own_dags=[tmp_path / "their_dag.py"]
    )
    (dags,) = [entry for entry in objects if (entry["kind"], entry["metadata"]["name"]) == ("ConfigMap", "dags")]
    assert dags["data"]["their_dag.py"] == "import airflow\n"
    assert "hello_world.py" in dags["data"]


def test_no_dags_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no DAG files"):
        manifests.dags(tmp_path)


@pytest.mark.parametrize("version", CHARTS)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_reference_values_fit_the_chart(executor: Executor, version: str) -> None:
    assert values.check(published(version), files(executor, version)) == []


def test_a_chart_that_takes_no_reference_to_a_secret_gets_the_password_as_a_file() -> None:
    job = values.load(files(Executor.KUBERNETES, "1.11.0"))["createUserJob"]
    (volume,), (mount,) = job["extraVolumes"], job["extraVolumeMounts"]
    assert volume["name"] == mount["name"]
    secret = named(support(Executor.KUBERNETES), "Secret", volume["secret"]["secretName"])
    (key,) = secret["stringData"]
    assert f"ADMIN_PASSWORD=$(cat {mount['mountPath']}/{key})" in job["command"][2]
    assert '"$ADMIN_PASSWORD"' in job["args"][-1]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_reference_values_name_only_objects_that_exist(executor: Executor) -> None:
    objects = support(executor)
    given = values.load(files(executor))
    text = yaml.safe_dump(given) + given["extraEnv"]
    secrets = {entry["metadata"]["name"] for entry in objects if entry["kind"] == "Secret"}
    wanted = set(re.findall(r"secretKeyRef: \{name: ([\w-]+)", given["extraEnv"]))
    wanted |= {given["webserverSecretKeySecretName"], given["fernetKeySecretName"]}
    wanted |= {entry["valueFrom"]["secretKeyRef"]["name"] for entry in given["createUserJob"]["env"]}
    if executor is Executor.CELERY:
        wanted |= {given["redis"]["passwordSecretName"], given["data"]["brokerUrlSecretName"]}
    assert wanted <= secrets
    services = {entry["metadata"]["name"] for entry in objects if entry["kind"] == "Service"}
    assert {"git-server", "smtp-sink", "airflow-postgresql"} <= services
    assert ".airflow" not in re.sub(r"config|airflow\.cfg|airflow\.(?:task|ti_failures)", "", text), (
        "hosts must be short names, valid in any namespace"
    )


def test_an_ignored_interval_would_be_noticed() -> None:
    """AF-GIT-002: with the same interval in both keys, a git-sync that ignores the promised one would pass."""
    git_sync = values.load(files(Executor.KUBERNETES))["dags"]["gitSync"]
    assert git_sync["period"] != f"{git_sync['wait']}s"


@pytest.mark.needs_helm
@pytest.mark.parametrize("version", CHARTS)
def test_a_cluster_has_the_images_that_its_chart_names(version: str, helm_binary: Path) -> None:
    text = Helm(helm_binary).template("airflow", "ns", published(version), files(Executor.CELERY, version))
    release = manifests.images(yaml.safe_load_all(text))
    assert len(release) == 4
    assert release <= {image.published for image in load().recipes(["2.9.0"], [version])}


@pytest.fixture(scope="module", params=EXECUTORS, ids=str)
def executor(request: pytest.FixtureRequest) -> Executor:
    return Executor(request.param)


@pytest.fixture(scope="module")
def objects(executor: Executor, helm_binary: Path, published_chart: Chart) -> list[dict[str, Any]]:
    text = Helm(helm_binary).template("airflow", "ns", published_chart, files(executor))
    return [entry for entry in yaml.safe_load_all(text) if entry]


@pytest.mark.needs_helm
class TestRendered:
    """What the chart makes of the reference values."""

    def test_only_the_promised_images(self, executor: Executor, objects: list[dict[str, Any]]) -> None:
        broker = {REDIS} if executor is Executor.CELERY else set()
        assert manifests.images(objects) == RELEASE | broker

    def test_all_fits_on_two_cores_twice(self, objects: list[dict[str, Any]], executor: Executor) -> None:
        """Requests of one release and what is beside it; the control plane takes 950m of two cores."""
        specs = pod_specs([*objects, *support(executor), *manifests.shared()])
        requests = [container["resources"]["requests"] for spec in specs for container in spec["containers"]]
        assert sum(millicores(request["cpu"]) for request in requests) <= 500

    def test_no_credential_is_rendered(self, objects: list[dict[str, Any]]) -> None:
        jobs = manifests.dump(entry for entry in objects if entry["kind"] == "Job")
        assert "secretKeyRef" in jobs and "-p admin" not in jobs
        names = {entry["metadata"]["name"] for entry in objects if entry["kind"] == "Secret"}
        assert not names & {"airflow-fernet-key", "airflow-webserver-secret-key"}

    def test_every_container_takes_the_connection_from_the_secret(self, objects: list[dict[str, Any]]) -> None:
        """AF-SCR-001: the last definition of a variable decides."""
        for spec in pod_specs(objects):
            for container in [*spec["containers"], *spec.get("initContainers", [])]:
                env = {entry["name"]: entry for entry in container.get("env", [])}
                if container["image"].startswith("apache/airflow") and env:
                    for name in ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
                        assert env[name]["valueFrom"]["secretKeyRef"]["name"] == "airflow-secrets"

    def test_the_task_pod_template_is_the_documented_one(
        self, executor: Executor, objects: list[dict[str, Any]]
    ) -> None:
        config = named(objects, "ConfigMap", "airflow-config")["data"]
        if executor is Executor.CELERY:
            assert "pod_template_file.yaml" not in config
            return
        spec = yaml.safe_load(config["pod_template_file.yaml"])["spec"]
        (base,) = spec["containers"]
        assert base["resources"] == {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        }
        assert [container["name"] for container in spec["initContainers"]] == ["git-sync-init"]
        assert {"name": "logs", "persistentVolumeClaim": {"claimName": "shared-logs"}} in spec["volumes"]

    def test_the_worker_is_a_stateful_set_under_celery_only(
        self, executor: Executor, objects: list[dict[str, Any]]
    ) -> None:
        workers = [
            entry
            for entry in objects
            if entry["kind"] in ("Deployment", "StatefulSet") and entry["metadata"]["name"] == "airflow-worker"
        ]
        if executor is Executor.KUBERNETES:
            assert workers == []
            return
        (worker,) = workers
        assert worker["kind"] == "StatefulSet"
        claim = worker["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]
        beside = support(executor)
        assert named(beside, "PersistentVolumeClaim", f"{claim}-airflow-worker-0")


def test_merging_the_references_leaves_the_chart_usable(published_chart: Chart) -> None:
    effective = merge(values.defaults(published_chart), values.load(files(Executor.CELERY)))
    assert effective["executor"] == "CeleryExecutor"
    assert effective["dags"]["gitSync"]["depth"] == 1, "defaults beside our keys stay"


def test_there_is_room_for_the_claims_of_a_release() -> None:
    """Each volume has a directory of its own, and may be claimed in any way."""
    volumes = manifests.storage("/rooms", 3)
    assert [volume["spec"]["hostPath"]["path"] for volume in volumes] == ["/rooms/0", "/rooms/1", "/rooms/2"]
    assert len({volume["metadata"]["name"] for volume in volumes}) == 3
    assert {"ReadWriteOnce", "ReadWriteMany"} < set(volumes[0]["spec"]["accessModes"])
