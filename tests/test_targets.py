"""The list of deployments for `make fleet`: what it says, and every mistake in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fixtures import settings, targets
from fixtures.errors import UsageError
from fixtures.paths import ROOT

TWO = """
options: {BUDGET_SCALE: 2, DISRUPTIVE: true}
targets:
  - {name: eu, context: staging-eu, namespace: data, executor: celery}
  - name: us
    context: staging-us
    options: {BUDGET_SCALE: 1.5, ADMIN_SECRET: login/password}
"""


def put(directory: Path, text: str) -> Path:
    path = directory / "targets.yaml"
    path.write_text(text)
    return path


def test_each_target_has_options_of_its_own(tmp_path: Path) -> None:
    listed = targets.load(put(tmp_path, TWO), {})
    eu, us = (settings.load(target.environment(listed.options)) for target in listed.targets)
    assert (eu.PROVIDER, eu.CONTEXT, eu.NAMESPACE, eu.RELEASE, eu.EXECUTOR) == (
        "existing", "staging-eu", "data", "airflow", ("celery",),
    )  # fmt: skip
    assert (eu.BUDGET_SCALE, eu.DISRUPTIVE, eu.target) == (2, True, "eu")
    assert (us.BUDGET_SCALE, us.ADMIN_SECRET, us.EXECUTOR) == (1.5, "login/password", ())


def test_options_of_the_shell_reach_no_target(tmp_path: Path) -> None:
    [target, _] = targets.load(put(tmp_path, TWO)).targets
    shell = {"ID": "AF-POD-002", "RELEASE": "other", "MAKEFLAGS": "-- TARGETS=targets.yaml", "AIRFLOW_PASSWORD": "pw"}
    found = settings.load({**shell, **target.environment({})})
    assert (found.ID, found.RELEASE) == ((), "airflow")
    assert found.AIRFLOW_PASSWORD == "pw"  # secrets have no other way


def test_a_kubeconfig_lies_beside_the_list(tmp_path: Path) -> None:
    (tmp_path / "eu.kubeconfig").touch()
    listed = targets.load(put(tmp_path, "targets: [{name: eu, context: c, kubeconfig: eu.kubeconfig}]"), {})
    assert listed.targets[0].environment({})["KUBECONFIG"] == str(tmp_path / "eu.kubeconfig")
    assert "KUBECONFIG" not in targets.load(put(tmp_path, TWO), {}).targets[0].environment({})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("targets: &a [*a]", r"targets\.yaml:1:10: what an alias stands for holds the alias"),
        ("options: {BUDGET_SCALE: 0x_}\ntargets: []", r"targets\.yaml:1:25: `0x_` is no int"),
        ("targets: []", r"targets\.yaml:1: targets: Tuple should have at least 1 item"),
        ("", "targets: Field required"),
        ("targets:\n- {name: a}", r"targets\.yaml:2: targets\.0\.context: Field required"),
        ("targets:\n- {name: a, contxt: c}", r"targets\.yaml:2: targets\.0\.contxt: Extra inputs"),
        ("targets:\n- {name: a, context: ''}", r"targets\.0\.context: String should have at least 1"),
        ("targets:\n- {name: ../a, context: c}", r"targets\.0\.name: String should match"),
        ("targets:\n- {name: a, context: c, executor: local}", r"targets\.0\.executor: Input should be 'kubernetes'"),
        ("targets:\n- {name: a, context: c, options: [x]}", r"targets\.0\.options: Input should be a valid dict"),
        ("targets:\n- {name: a, name: b, context: c}", "the key `name` is set twice"),
        ("targets:\n- {name: a, context: c}\n- {name: a, context: d}", r":3: targets\.1\.name: the name of targets\.0"),
        ("targets:\n- {name: a, context: c}\n- {name: b, context: c}", r":3: targets\.1\.context: the release of targ"),
        ("targets:\n- {name: a, context: c, kubeconfig: no-file}", r"targets\.0\.kubeconfig: there is no file /.*"),
        ("targets:\n- {name: a, context: c, options: {NAMESPACE: x}}", r"options\.NAMESPACE: NAMESPACE has a key"),
        ("targets:\n- {name: a, context: c, options: {BUDGET: 2}}", "BUDGET is not an option"),
        ("targets:\n- {name: a, context: c, options: {AIRFLOW_PASSWORD: x}}", "a password does not belong"),
        ("targets:\n- {name: a, context: c, options: {BUDGET_SCALE: 0}}", r":2: targets\.0: BUDGET_SCALE=0"),
        ("targets:\n- {name: a, context: c, options: {SCENARIO: upgrade}}", "SCENARIO goes with PROVIDER=kind"),
        ("targets:\n- {name: a, context: prod-eu}", r":2: targets\.0: 'prod-eu' looks like production; if it is meant"),
        ("targets:\n- {name: a, context: c, namespace: live}", r"targets\.0: 'live' looks like production"),
        ("options: {METRICS_FILE: /a.prom}\ntargets:\n- {name: a, context: c}", "one file for each target"),
    ],
)  # fmt: skip
def test_every_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        targets.load(put(tmp_path, text), {})


def test_the_example_of_the_guide_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "us.kubeconfig").touch()
    [example] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(), re.DOTALL)
    assert [target.name for target in targets.load(put(tmp_path, example), {}).targets] == ["eu", "us", "live"]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = "targets:\n- {name: a, context: c, x: 1}\n- {context: d}\n- {name: c, context: e, executor: both}\n"
    with pytest.raises(UsageError) as refused:
        targets.load(put(tmp_path, text), {})
    assert [f":{line}: " in refused.value.cause for line in (2, 3, 4)] == [True] * 3


def test_two_targets_do_not_write_one_file(tmp_path: Path) -> None:
    options = f"options: {{METRICS_FILE: {tmp_path}/a.prom}}"
    text = f"targets:\n- {{name: a, context: c, {options}}}\n- {{name: b, context: d, {options}}}\n"
    with pytest.raises(UsageError, match=r"targets\.1\.options: the METRICS_FILE of targets\.0 again"):
        targets.load(put(tmp_path, text), {})


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"TARGETS: there is no .*/targets\.yaml"):
        targets.load(tmp_path / "targets.yaml", {})


KUBECONFIG = """
contexts:
- {name: admin, context: {cluster: one, user: admin}}
- {name: reader, context: {cluster: one, user: reader}}
- {name: broken}
clusters:
- {name: one, cluster: {server: "https://one.example:6443"}}
"""


def test_targets_of_one_namespace_are_judged_in_turn(tmp_path: Path) -> None:
    usual, other = tmp_path / "config", tmp_path / "other"
    usual.write_text(KUBECONFIG)
    other.write_text(KUBECONFIG.replace("https://one", "https://two"))
    text = f"""
targets:
- {{name: a, context: admin}}
- {{name: other-namespace, context: admin, namespace: data}}
- {{name: b, context: admin, release: second}}
- {{name: other-context, context: reader, release: third}}
- {{name: other-file, context: admin, kubeconfig: {usual}, release: fourth}}
- {{name: other-cluster, context: admin, kubeconfig: {other}}}
- {{name: unknown, context: unknown}}
- {{name: broken, context: broken}}
- {{name: unknown-again, context: unknown, release: second}}
"""
    listed = targets.load(put(tmp_path, text), {})
    groups = targets.in_turn(listed.targets, {"KUBECONFIG": f"{tmp_path}/none:{usual}"})
    assert [[target.name for target in group] for group in groups] == [
        ["a", "b", "other-context", "other-file"],
        ["other-namespace"],
        ["other-cluster"],
        ["unknown", "unknown-again"],
        ["broken"],
    ]
