from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from fixtures import process
from fixtures.chart import Chart
from fixtures.errors import CannotSee, ConformanceError, HarnessError, TargetFailed, UsageError
from fixtures.helm import Helm, NoRelease, Status, explain

INSTALL = ("install", "airflow", "/charts/airflow.tgz", "-n", "ns")


@pytest.mark.parametrize(
    ("stderr", "kind", "cause"),
    [
        (
            "coalesce.go:237: warning: skipped value for airflow.executor: Not a table.\n"
            "Error: INSTALLATION FAILED: values don't meet the specifications of the schema(s) in the following "
            "chart(s):\nairflow:\n- scheduler: Additional property resoures is not allowed\n",
            UsageError,
            "property resoures is not allowed",
        ),
        (
            "Error: INSTALLATION FAILED: execution error at (airflow/templates/check-values.yaml:34:11): When using "
            "the internal redis ...\n\nUse --debug flag to render out invalid YAML\n",
            UsageError,
            "When using the internal redis",
        ),
        (
            "Error: INSTALLATION FAILED: failed post-install: 1 error occurred:\n"
            "\t* job airflow-run-airflow-migrations failed: BackoffLimitExceeded\n",
            TargetFailed,
            "the Job airflow-run-airflow-migrations failed (BackoffLimitExceeded)",
        ),
        (
            "Error: UPGRADE FAILED: post-upgrade hooks failed: 1 error:\n\t* timed out waiting for the condition\n",
            TargetFailed,
            "a post-upgrade hook did not succeed",
        ),
        (
            'Error: INSTALLATION FAILED: Kubernetes cluster unreachable: Get "http://127.0.0.1:1/version": dial tcp '
            "127.0.0.1:1: connect: connection refused\n",
            CannotSee,
            "cannot reach the cluster",
        ),
        (
            'Error: Kubernetes cluster unreachable: context "nope" does not exist\n',
            UsageError,
            "the kubeconfig has no context `nope`",
        ),
        (
            "Error: INSTALLATION FAILED: Kubernetes cluster unreachable: stat /x/config: no such file or directory\n",
            UsageError,
            "cannot read /x/config",
        ),
        (
            "Error: INSTALLATION FAILED: cannot re-use a name that is still in use\n",
            UsageError,
            "already a release `airflow` in namespace ns",
        ),
        (
            "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress\n",
            UsageError,
            "another Helm operation on release `airflow`",
        ),
        (
            'Error: INSTALLATION FAILED: secrets is forbidden: User "u" cannot create resource "secrets"\n',
            CannotSee,
            "forbids",
        ),
        (
            'Error: INSTALLATION FAILED: pods "x" is forbidden: exceeded quota: small, requested: cpu=1\n',
            TargetFailed,
            "exceeded quota",
        ),
        ('Error: INSTALLATION FAILED: create: namespaces "ns" not found\n', UsageError, "no namespace ns"),
        (
            "Error: INSTALLATION FAILED: Unable to continue with install: ConfigMap c in namespace ns exists and "
            "cannot be imported into the current release: invalid ownership metadata; label validation error\n",
            UsageError,
            "belongs to something else",
        ),
        ("Error: release: not found\n", NoRelease, "no Helm release `airflow`"),
        ("Error: something nobody foresaw\n", HarnessError, "something nobody foresaw"),
    ],
)  # fmt: skip
def test_helms_errors_are_turned_into_ours(stderr: str, kind: type[ConformanceError], cause: str) -> None:
    error = explain(process.Result(("helm", *INSTALL), 1, "", stderr), INSTALL)
    assert type(error) is kind or (kind is HarnessError and isinstance(error, HarnessError))
    assert cause in error.cause
    assert error.remedy and "{" not in error.remedy


def test_a_failed_hook_names_the_component() -> None:
    stderr = "Error: INSTALLATION FAILED: failed post-install: job airflow-create-user failed: DeadlineExceeded"
    error = explain(process.Result(("helm",), 1, "", stderr), INSTALL)
    assert isinstance(error, TargetFailed)
    assert error.component == "create-user"


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A program in Helm's place that writes down how it was called and does what the file `script` says."""
    path = tmp_path / "helm"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/argv\n. {tmp_path}/script\n')
    path.chmod(0o755)
    (tmp_path / "script").write_text("")
    return path


def calls(fake: Path) -> list[str]:
    return (fake.parent / "argv").read_text().splitlines()


def test_install_names_cluster_timeout_and_files(fake: Path, tmp_path: Path, small_chart: Chart) -> None:
    helm = Helm(fake, tmp_path / "kubeconfig", "kind-x")
    helm.install("r", "ns", small_chart, [Path("a.yaml"), Path("b.yaml")], timeout=90)
    argv = calls(fake)
    assert argv[:3] == ["install", "r", str(small_chart.path)]
    words = " ".join(argv)
    for expected in ("-n ns", "--timeout 90s", "-f a.yaml -f b.yaml", "--kube-context kind-x"):
        assert expected in words
    assert f"--kubeconfig {tmp_path / 'kubeconfig'}" in words
    assert "--wait" not in words, "would wait for pods that wait for a hook that waits for the pods"


def test_a_cancelled_install_is_no_error(fake: Path, tmp_path: Path, small_chart: Chart) -> None:
    (tmp_path / "script").write_text("exec sleep 60\n")
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    Helm(fake).install("r", "ns", small_chart, [], timeout=60, cancelled=cancelled)
    assert cancelled.is_set(), "it returned although nobody had cancelled it"


def test_a_failure_is_raised(fake: Path, tmp_path: Path, small_chart: Chart) -> None:
    (tmp_path / "script").write_text("echo 'Error: cannot re-use a name that is still in use' >&2; exit 1\n")
    with pytest.raises(UsageError, match="already a release `r` in namespace ns"):
        Helm(fake).install("r", "ns", small_chart, [], timeout=60)


def test_values_are_all_computed_values(fake: Path, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("""echo '{"executor": "CeleryExecutor"}'\n""")
    assert Helm(fake).values("r", "ns") == {"executor": "CeleryExecutor"}
    assert calls(fake) == ["get", "values", "r", "-n", "ns", "--all", "-o", "json"]
    (tmp_path / "script").write_text("echo 'Error: release: not found' >&2; exit 1\n")
    with pytest.raises(NoRelease, match="no Helm release `r` in namespace ns"):
        Helm(fake).values("r", "ns")
    (tmp_path / "script").write_text("echo oops\n")
    with pytest.raises(HarnessError, match="did not print JSON"):
        Helm(fake).values("r", "ns")


def test_status_of_a_release(fake: Path, tmp_path: Path) -> None:
    entry = {"name": "r", "status": "failed", "revision": "2", "chart": "airflow-1.15.0"}
    entry["updated"] = "2026-11-22 19:00:00.123456789 +0000 UTC"
    (tmp_path / "script").write_text(f"echo '{json.dumps([entry])}'\n")
    assert Helm(fake).status("r", "ns") == Status("failed", 2, "airflow-1.15.0", datetime(2026, 11, 22, 19, tzinfo=UTC))
    (tmp_path / "script").write_text("echo '[]'\n")
    assert Helm(fake).status("r", "ns") is None


def test_a_missing_program_is_the_harness_fault(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="cannot start"):
        Helm(tmp_path / "nothing").status("r", "ns")


@pytest.mark.needs_helm
def test_a_real_helm_renders_and_refuses(helm_binary: Path, published_chart: Chart, tmp_path: Path) -> None:
    helm = Helm(helm_binary)
    good = tmp_path / "good.yaml"
    good.write_text("executor: KubernetesExecutor\npostgresql: {enabled: false}\n")
    kinds = [entry["kind"] for entry in yaml.safe_load_all(helm.template("r", "ns", published_chart, [good])) if entry]
    assert "Deployment" in kinds and "Job" in kinds
    bad = tmp_path / "bad.yaml"
    bad.write_text("executor: {podTemplate: x}\n")
    with pytest.raises(UsageError, match="executor"):
        helm.template("r", "ns", published_chart, [bad])
    with pytest.raises(UsageError, match=r"cannot read .*missing\.yaml"):
        helm.template("r", "ns", published_chart, [tmp_path / "missing.yaml"])


@pytest.mark.needs_helm
def test_a_real_helm_without_a_cluster(helm_binary: Path, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "contexts: [{name: here, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n"
    )
    with pytest.raises(CannotSee, match="cannot reach the cluster"):
        Helm(helm_binary, kubeconfig, "here").values("r", "ns")
    with pytest.raises(UsageError, match="no context `there`"):
        Helm(helm_binary, kubeconfig, "there").values("r", "ns")
    with pytest.raises(UsageError, match="cannot read"):
        Helm(helm_binary, tmp_path / "nothing", None).values("r", "ns")
