"""The manifests with which the suite runs inside a cluster, as kubectl sees them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures import clean, docs, kustomize, process, prometheus, rbac, settings
from fixtures.paths import MANIFESTS, ROOT, cache_dir
from images import suite, toolchain
from images.cache import Cache
from images.suite import Options
from tests.caching import Said
from tests.test_report import check, report

IN_CLUSTER = MANIFESTS / "in-cluster"
COMPONENTS = sorted(path.name for path in (IN_CLUSTER / "components").iterdir())
KINDS = {"nightly": "CronJob", "once": "Job"}


@pytest.fixture(scope="session")
def kubectl() -> Path:
    found = toolchain.at_hand("kubectl", Cache(cache_dir(), Said()))
    if found is None:
        pytest.skip("needs kubectl: run `make conformance` once, or put it on PATH")
    return found


def built(kubectl: Path, directory: Path, *components: str) -> list[dict[str, Any]]:
    """An overlay of the manifests with some of the components."""
    shutil.copytree(IN_CLUSTER, directory, dirs_exist_ok=True)
    for overlay in KINDS:
        file = directory / overlay / "kustomization.yaml"
        content = yaml.safe_load(file.read_text())
        content["components"] = [f"../components/{name}" for name in components]
        file.write_text(yaml.safe_dump(content))
    return [entry for overlay in KINDS for entry in kustomize.build(kubectl, directory / overlay)]


def only(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    [found] = {str(entry): entry for entry in objects if entry["kind"] == kind}.values()
    return found


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    spec = workload["spec"]
    return spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]


def options_of(objects: list[dict[str, Any]]) -> dict[str, str]:
    return only(objects, "ConfigMap")["data"]


def test_both_run_the_same_pod(kubectl: Path, tmp_path: Path) -> None:
    objects = built(kubectl, tmp_path)
    job, nightly = only(objects, "Job")["spec"], only(objects, "CronJob")["spec"]
    assert job == nightly["jobTemplate"]["spec"]
    assert nightly["concurrencyPolicy"] == "Forbid"
    assert (job["backoffLimit"], job["template"]["spec"]["restartPolicy"]) == (0, "Never")


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_the_pod_obeys_the_restricted_profile(kubectl: Path, tmp_path: Path, kind: str) -> None:
    """Kubernetes, Pod Security Standards, Restricted."""
    pod = pod_of(only(built(kubectl, tmp_path), kind))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod["initContainers"], *pod["containers"]]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {next(key for key in volume if key != "name") for volume in pod["volumes"]} <= {
        "configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret",
    }  # fmt: skip


def test_the_pod_fits_the_image(kubectl: Path, tmp_path: Path) -> None:
    pod = pod_of(only(built(kubectl, tmp_path), "Job"))
    [container] = pod["containers"]
    recipe = (suite.RECIPE / "Dockerfile").read_text()
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert re.findall(r"^USER (.*)$", recipe, re.MULTILINE) == [user]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    writable = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert writable == {"/results", "/tmp"}
    variables = dict(re.findall(r"(HOME|RESULTS|XDG_CACHE_HOME)=(\S+)", recipe))
    assert all(f"/{Path(path).parts[1]}" in writable for path in variables.values())
    assert container["image"] == Options().TAG
    assert "command" not in container
    plugin = yaml.safe_load((MANIFESTS / "sonobuoy" / "plugin.yaml").read_text())["spec"]
    assert plugin["image"] == Options().TAG
    assert f"{plugin['securityContext']['runAsUser']}:{plugin['securityContext']['runAsGroup']}" == user


def test_what_a_killed_run_left_goes_before_the_next_one(kubectl: Path, tmp_path: Path) -> None:
    pod = pod_of(only(built(kubectl, tmp_path), "Job"))
    [first], [container] = pod["initContainers"], pod["containers"]
    for same in ("image", "envFrom", "securityContext", "resources"):
        assert first[same] == container[same]
    assert first["env"] == [{"name": "EXPIRED", "value": "1"}]
    assert first["volumeMounts"] == [mount for mount in container["volumeMounts"] if mount["mountPath"] == "/tmp"]
    given = {**options_of(built(kubectl, tmp_path)), **{entry["name"]: entry["value"] for entry in first["env"]}}
    assert settings.read(clean.Options, given).EXPIRED
    [shell, option, script] = first["command"]
    assert (shell, option) == ("sh", "-c")
    assert script.startswith("python -m fixtures.clean || echo ")


def test_cleaning_that_fails_keeps_no_run_from_beginning(kubectl: Path, tmp_path: Path) -> None:
    [first] = pod_of(only(built(kubectl, tmp_path / "copy"), "Job"))["initContainers"]
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 11\n")
    broken.chmod(0o755)
    ended = process.run(first["command"], deadline=10, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert (ended.code, ended.stdout) == (0, "what an earlier run left is still there\n")


def test_every_option_is_one(kubectl: Path, tmp_path: Path) -> None:
    given = options_of(built(kubectl, tmp_path, "push-s3", "pushgateway"))
    known = settings.Settings.model_fields
    assert {name for name in given if not name.startswith("AWS_")} <= known.keys()
    settings.read(settings.Settings, given)


def test_components_say_where_a_run_goes(kubectl: Path, tmp_path: Path) -> None:
    assert (
        options_of(built(kubectl, tmp_path / "s3", "push-s3", "pushgateway")).items()
        >= {
            "PUSH_URL": "s3://airflow-conformance/nightly",
            "PUSHGATEWAY": "http://pushgateway.monitoring.svc:9091",
            "NAMESPACE": "airflow",
        }.items()
    )
    assert options_of(built(kubectl, tmp_path / "http", "push-http"))["PUSH_URL"].startswith("https://")


def test_without_a_volume_nothing_is_claimed(kubectl: Path, tmp_path: Path) -> None:
    objects = built(kubectl, tmp_path, "without-volume")
    assert "PersistentVolumeClaim" not in [entry["kind"] for entry in objects]
    for kind in ("Job", "CronJob"):
        volumes = {volume["name"]: volume for volume in pod_of(only(objects, kind))["volumes"]}
        assert set(volumes["results"]) == {"name", "emptyDir"}


def test_components_are_all_tried() -> None:
    assert COMPONENTS == ["push-http", "push-s3", "pushgateway", "without-volume"]


def test_the_run_has_the_rights_that_make_rbac_prints(kubectl: Path, tmp_path: Path) -> None:
    objects = built(kubectl, tmp_path)
    assert (IN_CLUSTER / "rights" / "role.yaml").read_text() == docs.render_rights(), "run `make docs`"
    binding, account = only(objects, "RoleBinding"), only(objects, "ServiceAccount")
    assert binding["subjects"] == [{"kind": "ServiceAccount", **account["metadata"]}]
    assert pod_of(only(objects, "Job"))["serviceAccountName"] == account["metadata"]["name"]
    assert binding["metadata"]["namespace"] == options_of(objects)["NAMESPACE"]


def test_the_recipe_of_the_guide_fits_another_namespace(kubectl: Path, tmp_path: Path) -> None:
    """A copy beside the others, with the rights as the guide's command prints them."""
    guide = (ROOT / "docs" / "in-cluster.md").read_text()
    [(copied, copy)] = re.findall(
        r"^\$ cp -r manifests/in-cluster/(\w+) manifests/in-cluster/(\w+)$", guide, re.MULTILINE
    )
    [(given, role)] = re.findall(r"^\$ make -s rbac (.*) > manifests/in-cluster/(\S+)$", guide, re.MULTILINE)
    assert f"\n$ kubectl apply -k manifests/in-cluster/{copy}\n" in guide
    shutil.copytree(IN_CLUSTER, tmp_path, dirs_exist_ok=True)
    shutil.copytree(IN_CLUSTER / copied, tmp_path / copy)
    file = tmp_path / copy / "kustomization.yaml"
    file.write_text(file.read_text().replace("NAMESPACE=airflow", "NAMESPACE=data"))
    (tmp_path / role).write_text(rbac.render(rbac.Options.model_validate(dict(re.findall(r"(\w+)=(\S+)", given)))))
    objects = kustomize.build(kubectl, tmp_path / copy)
    [binding, granted] = (only(objects, kind)["metadata"]["namespace"] for kind in ("RoleBinding", "Role"))
    assert binding == granted == options_of(objects)["NAMESPACE"] == "data"
    assert only(objects, "RoleBinding")["subjects"] == [
        {"kind": "ServiceAccount", **only(objects, "ServiceAccount")["metadata"]}
    ]


def test_alerts_name_metrics_and_labels_that_exist() -> None:
    groups = yaml.safe_load((IN_CLUSTER / "alerts.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    text = prometheus.text(report(check("fail")), settings.load({}))
    for rule in rules:
        told = rule["expr"] + rule["annotations"].get("description", "")
        names = set(re.findall(r"airflow_conformance_\w+", told))
        assert names
        assert all(re.search(rf"^{name}{{", text, re.MULTILINE) for name in names)
        labels = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        assert labels <= prometheus.grouping(settings.load({})).keys()
    assert len({rule["alert"] for rule in rules}) == len(rules)
