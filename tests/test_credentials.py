"""Whether all holders of a credential have the same one, and from where."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.environment import Environments
from fixtures.errors import CannotSee
from fixtures.objects import Pod
from fixtures.observations import credentials
from fixtures.observations.credentials import Credential, Holder
from tests.pods import syncing_with


def holder(who: str, print_: str, reference: str = "secret/a#b") -> Holder:
    used = {credentials.FERNET: Credential(print_, "AIRFLOW__CORE__FERNET_KEY", reference)}
    return Holder(who, who, "", used, {})


def test_the_odd_one_is_named() -> None:
    (text,) = credentials.differences(
        [holder("a", "1"), holder("b", "1"), holder("worker", "2", "")], credentials.FERNET
    )
    assert "worker has #2 from AIRFLOW__CORE__FERNET_KEY;" in text and "a, b #1" in text
    assert credentials.differences([holder("a", "1"), holder("b", "1")], credentials.FERNET) == []
    assert "not set in b" in credentials.differences([holder("a", "1"), holder("b", "")], credentials.FERNET)[0]
    assert credentials.not_from_a_secret([holder("a", "1", "")], credentials.FERNET)
    assert not credentials.not_from_a_secret([holder("a", "1")], credentials.FERNET)


@pytest.mark.parametrize(
    ("variable", "source", "told"),
    [
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", False),
        ("AIRFLOW__CORE__SQL_ALCHEMY_CONN_SECRET", "AIRFLOW__CORE__SQL_ALCHEMY_CONN_SECRET", False),
        ("OTHER", "airflow.cfg [database] sql_alchemy_conn_cmd", False),
        ("OTHER", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", True),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", True),
    ],
)
def test_a_job_may_have_its_database_from_elsewhere(variable: str, source: str, told: bool) -> None:
    """Its container may also be the second one, behind a proxy that somebody's webhook puts into all pods."""
    containers = [{"name": "proxy"}, {"name": "run-airflow-migrations", "env": [{"name": variable, "value": "other"}]}]
    labels = {"component": "run-airflow-migrations", "release": "airflow"}
    job = Pod({"metadata": {"name": "m", "labels": labels}, "spec": {"containers": containers}, "status": {}})
    subject = SimpleNamespace(
        release="airflow", cluster=SimpleNamespace(ever_pods=lambda: [job]), component_value=lambda *_: None
    )
    standing = Holder("the scheduler", "scheduler", "", {credentials.DSN: Credential("1", source, "")}, {})
    found = [standing, *credentials._jobs(subject)]  # type: ignore[arg-type]
    assert bool(credentials.differences(found, credentials.DSN)) is told
    if not told:
        assert credentials.not_from_a_secret(found, credentials.DSN) == []


def test_a_job_that_the_values_give_an_address_of_its_own_is_not_compared() -> None:
    """Newer charts have `migrateDatabaseJob.env`, for a role that owns the tables or a way past the pooler."""
    job = Pod({"metadata": {"name": "m", "labels": {"component": "run-airflow-migrations", "release": "airflow"}},
               "spec": {"containers": [{"name": "run-airflow-migrations"}]}, "status": {}})  # fmt: skip
    given: dict[str, Any] = {}
    subject: Any = SimpleNamespace(
        release="airflow",
        cluster=SimpleNamespace(ever_pods=lambda: [job]),
        component_value=lambda component, path: given.get(f"{component}.{path}"),
    )
    assert len(credentials._jobs(subject)) == 1
    given["run-airflow-migrations.env"] = [{"name": "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "value": "cat x"}]
    assert credentials._jobs(subject) == []


def test_entries_that_are_no_yaml_before_helm_has_read_them_are_left_out() -> None:
    given = [SimpleNamespace(value=lambda key, it=it: it) for it in ("- {name: A}", "- {name: R, value: {{ .x }}}", "")]
    assert [credentials._extra_env(one) for one in given] == [[{"name": "A"}], [], []]  # type: ignore[arg-type]


NEW, OLD = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN"


@pytest.mark.parametrize(
    ("values", "declared"),
    [
        ({"enableBuiltInSecretEnvVars": {OLD: False}}, "secret/airflow-metadata#connection"),
        ({}, ""),
        ({"extraEnvFrom": "- secretRef: {name: s}"}, ""),
        ({"extraEnv": f"- {{name: {OLD}, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}"}, "secret/s#k"),
        ({"secret": [{"envName": NEW, "secretName": "s", "secretKey": "k"}]}, "secret/s#k"),
        ({"extraEnv": f"- {{name: {NEW}, value: 'postgresql://u:$(P)@h/d'}}"}, ""),
        ({"extraEnv": f"- {{name: {NEW}, value: 'postgresql://u:$(P)@{{{{ .Release.Name }}}}-db/d'}}"}, ""),
        ({"env": [{"name": NEW, "value": "postgresql://u:$(P)@h/d"}]}, ""),
    ],
)
def test_an_address_from_elsewhere_is_not_compared_with_the_charts_own_secret(
    values: dict[str, Any], declared: str
) -> None:
    """As a rule, only the newer one of the option's two names is switched off, which is enough."""
    values = {"enableBuiltInSecretEnvVars": {NEW: False}, **values}
    subject: Any = SimpleNamespace(
        values=values,
        fullname="airflow",
        value=lambda path, default=None: (
            values["enableBuiltInSecretEnvVars"].get(path.rpartition(".")[2], default)
            if "." in path
            else values.get(path, default)
        ),
    )
    subject.release = "airflow"
    assert credentials.declared_reference(subject, credentials.DSN) == declared


def test_an_address_that_is_composed_of_a_secret_is_taken_from_it() -> None:
    """Of a task pod, which may be gone, the spec tells the same as a component tells of its environment."""
    part = {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    cluster: Any = SimpleNamespace(secret=lambda name: {"k": "pass"})

    def task(text: str) -> Holder:
        containers = [{"name": "base", "env": [part, {"name": NEW, "value": text}]}]
        pod = Pod({"metadata": {"name": "t"}, "spec": {"containers": containers}, "status": {}})
        return credentials._read(Environments(cluster), "a task", "task", pod, "base")

    asked = Credential(credentials.fingerprint("db://u:pass@h/d"), NEW, "secret/s#k", composed=True)
    scheduler = Holder("the scheduler", "scheduler", "", {credentials.DSN: asked}, {})
    found = [scheduler, task("db://u:$(P)@h/d")]
    assert not credentials.differences(found, credentials.DSN) + credentials.not_from_a_secret(found, credentials.DSN)
    assert credentials.stale(SimpleNamespace(cluster=cluster), found, credentials.DSN) == []  # type: ignore[arg-type]
    assert credentials.differences([scheduler, task("db://u:$(P)@other/d")], credentials.DSN)
    assert not credentials.differences([scheduler, task("db://u:$(P)@$(NODE)/d")], credentials.DSN)
    assert credentials.not_from_a_secret([task("db://u:pass@h/d")], credentials.DSN)


def test_variables_that_a_secret_or_config_map_defines_otherwise_by_now_are_named() -> None:
    """Not those of the credentials with requirements of their own, of what is gone, or is no text."""
    now = {"same": "1", "new": "2", "binary": "\N{REPLACEMENT CHARACTER}"}
    env = [{"name": key, "valueFrom": {"secretKeyRef": {"name": "team", "key": key}}} for key in (*now, "gone")]
    env += [
        {"name": "AIRFLOW__CORE__FERNET_KEY", "valueFrom": {"secretKeyRef": {"name": "fernet", "key": "new"}}},
        {"name": "CLEAR", "value": "x"},
    ]
    pod = Pod({"metadata": {"name": "s", "uid": "s"}, "spec": {"containers": [{"name": "scheduler", "env": env}]}})
    asked: list[str] = []

    def ask_in(host: None, where: str, probe: str, key: str, *names: str) -> dict[str, str]:
        asked.extend(names)
        return {name: credentials.fingerprint("1") for name in names}

    cluster = SimpleNamespace(secret=lambda _: now, inside=lambda *_: None)
    subject: Any = SimpleNamespace(cluster=cluster, ask_in=ask_in)
    assert credentials.outdated_variables(subject, Environments(cluster), pod, "scheduler") == {"secret/team": ["new"]}
    assert asked == ["new", "same"]


def in_a_shell(env: dict[str, str]) -> Any:
    """What runs commands in a container with this environment, and sees that none of its values is told."""

    def run(command: str) -> Any:
        done = subprocess.run(
            ["/bin/sh", "-c", command], env={"PATH": os.defpath, **env}, capture_output=True, text=True, check=False
        )
        assert not any(value in done.stdout for value in env.values())
        return SimpleNamespace(rc=done.returncode, stdout=done.stdout, stderr=done.stderr)

    return run


@pytest.mark.parametrize(
    ("used", "older"),
    [
        ({"USER": "me", "TOKEN": "it's $new\n"}, []),
        ({"USER": "me", "TOKEN": "old"}, ["TOKEN"]),
        ({"TOKEN": "it's $new\n"}, ["USER"]),
    ],
)
def test_git_sync_tells_by_its_shell_whether_it_has_what_its_secret_holds(
    used: dict[str, str], older: list[str]
) -> None:
    """Whatever signs the values hold, which are not told."""

    cluster = SimpleNamespace(
        secret=lambda _: {"USER": "me", "TOKEN": "it's $new\n", "site.key": "no name for a shell"},
        inside=lambda *_: SimpleNamespace(run=in_a_shell(used)),
    )
    subject: Any = SimpleNamespace(cluster=cluster, git_sync="git-sync")
    found = credentials.outdated_in_git_sync(subject, Environments(cluster), syncing_with("USER", "TOKEN", "site.key"))
    assert found == ({"secret/git": older} if older else {})


@pytest.mark.parametrize(("text", "older"), [("key\n", False), ("an older key\n", True), (None, False)])
def test_a_file_of_a_secret_that_is_mounted_by_subpath_is_compared(
    tmp_path: Path, text: str | None, older: bool
) -> None:
    """Of git-sync and of any other container; one that cannot be read accuses nobody."""
    file = tmp_path / "ssh"
    if text is not None:
        file.write_text(text)
    pod = syncing_with()
    pod.raw["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "deploy-key"}}]
    pod.raw["spec"]["containers"][0]["volumeMounts"] = [
        {"name": "v", "mountPath": str(file), "subPath": "gitSshKey"},
        {"name": "v", "mountPath": "/binary", "subPath": "binary"},
        {"name": "v", "mountPath": "/gone", "subPath": "gone"},
    ]
    held = {"gitSshKey": "key\n", "binary": "\N{REPLACEMENT CHARACTER}"}
    cluster = SimpleNamespace(
        secret=lambda _: held, inside=lambda *_: SimpleNamespace(run=in_a_shell({"UNUSED": "nobody tells it"}))
    )
    subject: Any = SimpleNamespace(cluster=cluster, git_sync="git-sync")
    found = {"secret/deploy-key": [str(file)]} if older else {}
    assert credentials.outdated_in_git_sync(subject, Environments(cluster), pod) == found
    assert credentials.outdated_files(subject, Environments(cluster), pod, "git-sync") == found


@pytest.mark.parametrize("failing", [True, False])
def test_an_image_that_makes_no_fingerprints_is_noted(failing: bool) -> None:
    """It may have no shell, and then nothing can be run in it at all."""

    def run(command: str) -> Any:
        if failing:
            raise CannotSee("sh: not found")
        return SimpleNamespace(rc=127, stdout="", stderr="sha256sum: not found")

    notes: list[str] = []
    cluster = SimpleNamespace(secret=lambda _: {"TOKEN": "new"}, inside=lambda *_: SimpleNamespace(run=run))
    subject: Any = SimpleNamespace(
        cluster=cluster, git_sync="git-sync", note=lambda row, text: notes.append(f"{row}: {text}")
    )
    pod = syncing_with("TOKEN")
    pod.raw["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "deploy-key"}}]
    pod.raw["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/token", "subPath": "TOKEN"}]
    assert credentials.outdated_in_git_sync(subject, Environments(cluster), pod) == {}
    assert credentials.outdated_files(subject, Environments(cluster), pod, "git-sync") == {}
    assert [note.partition(":")[0] for note in notes] == ["AF-GIT-006", "AF-POD-007"]
    assert all(note.endswith("not found") for note in notes)
