"""Where credentials in clear are looked for."""

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.observations import clear_text, stored_secrets
from fixtures.secret_scan import Known
from fixtures.session import Answer


def test_the_code_of_dags_is_told_once_for_each_file() -> None:
    parsed = [
        SimpleNamespace(dag=SimpleNamespace(dag_id=id, fileloc="/dags/x.py"), source="T = 'wJalrXUtnFEMI7K7MDENG'")
        for id in ("first", "second")
    ]
    token = Known("site#token", "wJalrXUtnFEMI7K7MDENG", weak=False)
    subject: Any = SimpleNamespace(see=lambda _: parsed)
    (found,) = clear_text.shown_in_code(subject, [token])
    assert "(/dags/x.py)" in found and "Secret site#token" in found and token.value not in found


def test_what_is_looked_for_in_what_may_become_evidence_is_hidden_from_the_report() -> None:
    """What is too weak to be looked for there is not: it would hide half of the report."""
    learnt: list[str] = []
    subject: Any = SimpleNamespace(settings=SimpleNamespace(ADMIN_SECRET="a/b"), learn=learnt.append)
    stored = {"site": {"token": "wJalrXUtnFEMI7K7MDENG", "password": "postgres"}, "a": {"b": "wJalrXUtnFEMI7K7MDENH"}}
    strong = clear_text.strong_credentials(subject, stored)
    assert [one.where for one in strong] == ["site#token"] and learnt == ["wJalrXUtnFEMI7K7MDENG"]


def test_variables_of_a_config_map_are_looked_at() -> None:
    """Those of a name of its own too, which a container takes by envFrom; other texts there have no names."""
    container = {
        "name": "scheduler",
        "envFrom": [{"configMapRef": {"name": "site"}}, {"secretRef": {"name": "x"}}],
        "env": [
            {"name": "SMTP_TOKEN", "valueFrom": {"configMapKeyRef": {"name": "other", "key": "token"}}},
            {"name": "GONE_TOKEN", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "token"}}},
        ],
    }
    labels = {"release": "airflow"}
    volumes = [
        {"name": "k", "projected": {"sources": [{"configMap": {"name": "keys"}}]}},
        {"name": "e", "emptyDir": {}},
    ]
    deployment = {"metadata": {"name": "s", "labels": labels}, "spec": {"containers": [container], "volumes": volumes}}
    maps = {
        "keys": {"id_rsa": "-----BEGIN OPENSSH PRIVATE KEY-----"},
        "foreign": {"id_rsa": "-----BEGIN OPENSSH PRIVATE KEY-----"},
        "site": {"SMTP_PASS": "hunter2", "REGION": "north"},
        "other": {"SMTP_PASS": "theirs", "token": "hunter2"},
    }
    cluster = SimpleNamespace(
        ever_pods=list,
        config_map_data=lambda: maps,
        recorder=SimpleNamespace(objects=lambda kind: [deployment] if kind == "deployments" else [], ever=lambda _: []),
    )
    settings = SimpleNamespace(ADMIN_SECRET="airflow-webserver-secret/admin-password")
    subject = SimpleNamespace(cluster=cluster, release="airflow", fullname="airflow", settings=settings)
    assert clear_text.clear_text(subject, {}) == [  # type: ignore[arg-type]
        "ConfigMap/keys, id_rsa holds a private key",
        "ConfigMap/site, SMTP_PASS holds a credential",
        "Deployment/s, container scheduler, env SMTP_TOKEN (ConfigMap other) holds a credential",
    ]


@pytest.mark.parametrize(
    ("row", "shown", "noted"),
    [("{key} ********", "", 0), ("{key} readable", "[core] hide_sensitive_var_conn_fields is False", 0), ("", "", 1)],
)
def test_a_list_of_variables_that_does_not_mask_is_told(row: str, shown: str, noted: int) -> None:
    name, notes = stored_secrets.Stored("conformance_secret_x", "readable"), []
    session = SimpleNamespace(get=lambda *_, **__: Answer("GET", "/", 200, "", "", row.format(key=name.key)))
    subject = SimpleNamespace(
        see=lambda _: (name, {}),
        airflow=SimpleNamespace(login=lambda: session),
        option=lambda *_: "False",
        note=lambda *words: notes.append(words),
    )
    told = clear_text.shown_as_variable(subject)  # type: ignore[arg-type]
    assert shown in told and bool(told) == bool(shown) and "readable" not in told
    assert len(notes) == noted
