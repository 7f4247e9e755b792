"""Options: what is accepted, what is refused, and whether the refusal helps."""

from pathlib import Path

import pytest

from fixtures import settings
from fixtures.errors import UsageError
from fixtures.settings import Executor


def test_both_executors_by_default() -> None:
    assert settings.load({}).executors == (Executor.KUBERNETES, Executor.CELERY)


def test_the_second_release_lives_beside_the_first() -> None:
    loaded = settings.load({"NAMESPACE": "data"})
    assert loaded.namespace_of(Executor.KUBERNETES) == "data"
    assert loaded.namespace_of(Executor.CELERY) == "data-celery"


def test_an_existing_deployment_keeps_its_namespace() -> None:
    loaded = settings.load({"PROVIDER": "existing", "CONTEXT": "c", "NAMESPACE": "data", "EXECUTOR": "celery"})
    assert loaded.namespace_of(Executor.CELERY) == "data"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"PROVIDER": "existing"}, "needs CONTEXT"),
        ({"PROVIDER": "existing", "CONTEXT": "c", "EXECUTOR": "kubernetes,celery"}, "one EXECUTOR"),
        ({"PROVIDER": "existing", "CONTEXT": "c", "CHART": "x"}, "CHART goes with PROVIDER=kind"),
        ({"CONTEXT": "c"}, "CONTEXT goes with PROVIDER=existing"),
        ({"PROVIDER": "minikube"}, "PROVIDER=minikube"),
        ({"EXECUTOR": "local"}, "EXECUTOR=local"),
        ({"VALUES": "no/such/file.yaml"}, "there is no no/such/file.yaml"),
        ({"VALUES": "x" * 5000}, "it cannot be looked at: File name too long"),
        ({"VALUES": "~nobody-is-called-so/x"}, "it cannot be looked at: Could not determine home"),
        ({"KUSTOMIZE": "x" * 5000, "EXECUTOR": "celery"}, "it cannot be looked at: File name too long"),
        ({"DAG": "no/such/dag.py"}, "DAG=no/such/dag.py: there is no"),
        ({"DAG": "README.md"}, "is no file that is named like a module"),
        ({"DAG": "manifests/dags/hello_world.py"}, "there is a hello_world.py in the DAG repository already"),
        ({"DAG": "conftest.py", "PROVIDER": "existing", "CONTEXT": "c"}, "DAG goes with PROVIDER=kind"),
        ({"KEEP": "maybe"}, "KEEP=maybe"),
        ({"BUDGET_SCALE": "0"}, "BUDGET_SCALE=0"),
        ({"ADMIN_SECRET": "no-key"}, "secret/key"),
        ({"MAKEFLAGS": "-- EXECUTER=celery"}, "EXECUTER is not an option"),
        ({"KUSTOMIZE": "no/such/overlay", "EXECUTOR": "celery"}, "there is no no/such/overlay"),
        ({"KUSTOMIZE": "tests", "EXECUTOR": "celery"}, r"holds no kustomization\.yaml"),
        ({"PUSH_URL": "ftp://host/"}, "neither http"),
        ({"PUSH_URL": "results"}, "not an address"),
        ({"PUSH_URL": "https://h:port/"}, "not an address"),
        ({"PUSH_URL": "https://host/?signature=1"}, "without user, password, query"),
        ({"PUSHGATEWAY": "s3://bucket"}, "neither http:// nor https://"),
        ({"PUSHGATEWAY": "localhost:9091"}, "not an address"),
        ({"METRICS_FILE": "verdict.txt"}, r"end with \.prom"),
        ({"METRICS_FILE": "/no/such/directory/a.prom"}, "no directory"),
        ({"KEEP_RUNS": "-1"}, "KEEP_RUNS=-1"),
        ({"TARGET": "two words"}, "TARGET=two words"),
        ({"FROM": "1.11.0/2.7.1"}, "FROM goes with SCENARIO"),
        ({"WAY": "kustomize"}, "WAY goes with SCENARIO"),
        ({"SCENARIO": "upgrade", "WAY": "flux"}, "WAY=flux"),
        ({"AIRFLOW": "3.0.1"}, "AIRFLOW: Airflow 3.0.1 is not of Airflow 2"),
        ({"SCENARIO": "upgrade", "AIRFLOW": "2.8.0"}, "AIRFLOW names one version"),
        ({"SCENARIO": "upgrade", "CHART_VERSION": "1.11.0"}, "CHART_VERSION names one version"),
        ({"SCENARIO": "upgrade", "PROVIDER": "existing", "CONTEXT": "c"}, "SCENARIO goes with PROVIDER=kind"),
        ({"SCENARIO": "upgrade", "TO_VALUES": "no/such/file.yaml"}, "there is no no/such/file.yaml"),
    ],
)
def test_bad_options_are_named(given: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        settings.load(given)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="without user, password") as refused:
        settings.load({"PUSH_URL": "https://me:very-secret@host/"})
    assert "very-secret" not in str(refused.value)


def test_a_mistyped_option_is_corrected() -> None:
    with pytest.raises(UsageError) as refused:
        settings.load({"MAKEFLAGS": "w -- EXECUTER=celery"})
    assert "did you mean EXECUTOR?" in refused.value.remedy


def test_values_files_are_found(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.touch()
    second.touch()
    assert (first, second) == settings.load({"VALUES": f"{first},{second}"}).VALUES


def test_a_chart_may_be_named_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = settings.load({"CHART": "1.11.0"})
    assert (loaded.CHART, loaded.CHART_VERSION) == ("", "1.11.0")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1.11.0").mkdir()
    assert settings.load({"CHART": "1.11.0"}).CHART == "1.11.0"
    assert settings.load({"CHART": "mine.tgz"}).CHART == "mine.tgz"


def test_two_versions_of_the_chart_are_one_too_many() -> None:
    loaded = settings.load({"CHART": "1.18.0", "CHART_VERSION": "1.15.0"})
    assert loaded.CHART == "1.18.0"  # a path, which nobody finds


def test_dag_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.py", tmp_path / "binary.py"
    large.write_text("#" * 600_000)
    binary.write_bytes(b"\xff")
    (tmp_path / "again").mkdir()
    (tmp_path / "mine.py").touch()
    (tmp_path / "again" / "mine.py").touch()
    for given, told in (
        (f"{large}", "more than the"),
        (f"{binary}", "cannot be read as text"),
        (f"{tmp_path}/mine.py,{tmp_path}/again/mine.py", "there is a mine.py"),
    ):
        with pytest.raises(UsageError, match=told):
            settings.load({"DAG": given})


def test_every_option_is_described() -> None:
    assert all(option.description for option in settings.options())


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    return tmp_path


def test_an_overlay_is_one_release(overlay: Path) -> None:
    with pytest.raises(UsageError, match="one EXECUTOR"):
        settings.load({"KUSTOMIZE": str(overlay)})
    loaded = settings.load({"KUSTOMIZE": str(overlay), "EXECUTOR": "celery", "NAMESPACE": "data"})
    assert overlay == loaded.KUSTOMIZE
    assert loaded.namespace_of(Executor.CELERY) == "data"  # where the overlay says, not beside another release


def test_an_overlay_of_before_is_one_release_too(overlay: Path) -> None:
    given = {"SCENARIO": "upgrade", "WAY": "kustomize", "KUSTOMIZE_FROM": str(overlay)}
    with pytest.raises(UsageError, match="KUSTOMIZE_FROM is one release"):
        settings.load(given)
    loaded = settings.load(given | {"EXECUTOR": "celery", "FROM": "1.11.0/2.7.1"})
    assert loaded.namespace_of(Executor.CELERY) == "airflow"
    with pytest.raises(UsageError, match="KUSTOMIZE_FROM and KUSTOMIZE are both"):
        settings.load(given | {"EXECUTOR": "celery", "KUSTOMIZE": str(overlay)})
    with pytest.raises(UsageError, match="FROM_VALUES says what Helm installs, and KUSTOMIZE_FROM"):
        values = overlay / "kustomization.yaml"
        settings.load(given | {"EXECUTOR": "celery", "FROM_VALUES": str(values)})


def test_an_overlay_takes_no_values_of_helm(overlay: Path) -> None:
    values = overlay / "values.yaml"
    values.write_text("a: 1\n")
    with pytest.raises(UsageError, match="VALUES says what Helm installs"):
        settings.load({"KUSTOMIZE": str(overlay), "EXECUTOR": "celery", "VALUES": str(values)})


def test_an_overlay_is_upgraded_with_kubectl(overlay: Path) -> None:
    given = {"SCENARIO": "upgrade", "KUSTOMIZE": str(overlay), "EXECUTOR": "celery"}
    with pytest.raises(UsageError, match="add WAY=kustomize"):
        settings.load(given)
    assert overlay == settings.load(given | {"WAY": "kustomize"}).KUSTOMIZE
    assert settings.load(given | {"WAY": "kustomize", "TO": "1.18.0/2.9.0"}).TO == "1.18.0/2.9.0"  # what it holds


EXISTING = {"PROVIDER": "existing", "CONTEXT": "staging"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"READONLY": "1"}, "READONLY goes with PROVIDER=existing only"),
        ({"AIRFLOW_URL": "http://airflow.example.org"}, "AIRFLOW_URL goes with PROVIDER=existing only"),
        ({**EXISTING, "AUDIT": "1"}, "AUDIT goes with PROVIDER=kind only"),
        ({**EXISTING, "NETWORK_POLICIES": "1"}, "NETWORK_POLICIES goes with PROVIDER=kind only"),
        ({**EXISTING, "READONLY": "1", "DISRUPTIVE": "1"}, "READONLY only looks"),
        ({**EXISTING, "AIRFLOW_URL": "airflow.example.org"}, "not an address"),
        ({**EXISTING, "AIRFLOW_URL": "https://me:secret@airflow"}, "an address without user, password"),
        ({**EXISTING, "AIRFLOW_CA": __file__}, "goes with an AIRFLOW_URL that begins with https"),
        ({**EXISTING, "AIRFLOW_CA": "/nowhere.pem", "AIRFLOW_URL": "https://a"}, "there is no /nowhere.pem"),
        ({**EXISTING, "AIRFLOW_PASSWORD": "a", "AIRFLOW_PASSWORD_FILE": __file__}, "both hold the password"),
        ({**EXISTING, "AIRFLOW_PASSWORD_FILE": "/dev/null"}, "is empty"),
        ({**EXISTING, "REQUESTS": "-1"}, "REQUESTS=-1"),
    ],
)
def test_access_to_a_deployment_is_checked_beforehand(given: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        settings.load(given)


def test_the_password_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret with spaces \n")
    assert settings.load({**EXISTING, "AIRFLOW_PASSWORD_FILE": str(file)}).password() == "s3cret with spaces "


def test_in_a_pod_no_context_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="needs CONTEXT"):
        settings.load({"PROVIDER": "existing"})
    token = tmp_path / "token"
    token.touch()
    monkeypatch.setattr(settings, "SERVICE_ACCOUNT", token)
    assert settings.load({"PROVIDER": "existing"}).CONTEXT == ""
