"""The Role that `make rbac` prints follows from what the selected rows ask for."""

from typing import Any

import pytest
import yaml

from fixtures import catalogue, rbac
from fixtures.rbac import Permission


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **options: str) -> dict[str, Any]:
    for name in ("MAKEFLAGS", *rbac.Options.model_fields):
        monkeypatch.delenv(name, raising=False)
    for name, value in options.items():
        monkeypatch.setenv(name, value)
    assert rbac.main() == 0
    return {document["kind"]: document for document in yaml.safe_load_all(capsys.readouterr().out)}


def granted(role: dict[str, Any]) -> set[tuple[str, str]]:
    return {(verb, name) for rule in role["rules"] for name in rule["resources"] for verb in rule["verbs"]}


def test_rows_of_permissions_are_in_the_catalogue() -> None:
    known = set(catalogue.load())
    for one in rbac.permissions():
        assert set(one.rows) <= known, one


def test_who_only_looks_gets_no_right_to_change(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    made = printed(monkeypatch, capsys, READONLY="1")
    changing = {"update", "patch", "delete"}
    assert not changing & {verb for verb, _ in granted(made["Role"])}
    assert not {what for what in granted(made["Role"]) if what[0] == "create"}
    assert not granted(made["ClusterRole"]) & {("create", "subjectaccessreviews")}


def test_a_row_that_is_not_selected_adds_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    few = printed(monkeypatch, capsys, ID="AF-UI-001")
    all_of_them = printed(monkeypatch, capsys)
    assert ("create", "pods") not in granted(few["Role"])
    assert ("create", "pods") in granted(all_of_them["Role"])
    assert granted(few["ClusterRole"]) == {("get", "namespaces")}


def test_disturbing_needs_more(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert ("patch", "deployments") in granted(printed(monkeypatch, capsys, DISRUPTIVE="1")["Role"])
    assert ("patch", "deployments") not in granted(printed(monkeypatch, capsys)["Role"])


def test_the_account_may_live_elsewhere(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    made = printed(monkeypatch, capsys, ACCOUNT="ci/nightly", NAMESPACE="data")
    assert made["RoleBinding"]["subjects"] == [{"kind": "ServiceAccount", "name": "nightly", "namespace": "ci"}]
    assert made["Role"]["metadata"]["namespace"] == "data"
    assert made["ClusterRoleBinding"]["metadata"]["name"] == "airflow-conformance-data-nightly"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ID": "AF-NONE-1"}, "matches no requirement"),
        ({"ACCOUNT": "a/b/c"}, "not of the form"),
        ({"READONLY": "1", "DISRUPTIVE": "1"}, "drop one"),
        ({"EXECUTOR": "local"}, "EXECUTOR"),
    ],
)
def test_bad_options_are_told(monkeypatch: pytest.MonkeyPatch, capsys: Any, options: dict[str, str], said: str) -> None:
    for name in ("MAKEFLAGS", *rbac.Options.model_fields):
        monkeypatch.delenv(name, raising=False)
    for name, value in options.items():
        monkeypatch.setenv(name, value)
    assert rbac.main() == 2
    assert said in capsys.readouterr().err


def test_the_options_of_the_run_may_be_given_as_they_are(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    options = {"PROVIDER": "existing", "CONTEXT": "staging", "AIRFLOW_URL": "https://a.example.org", "READONLY": "1"}
    assert printed(monkeypatch, capsys, **options) == printed(monkeypatch, capsys, READONLY="1")


def test_each_resource_has_one_rule() -> None:
    one = Permission(needs="look", resources=("pods",), verbs=("get", "list"))
    two = Permission(needs="act", resources=("pods", "events"), verbs=("delete",))
    (role, _) = rbac.roles("a/b", "airflow", [one, two])
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["events"], "verbs": ["delete"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "delete"]},
    ]
