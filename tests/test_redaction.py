"""A planted secret must not survive, whatever form it takes and whichever file it reaches."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import string
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fixtures.outcome import Outcome, Verdict
from fixtures.printed import write
from fixtures.redaction import MARK, Redactor, names_secret
from fixtures.report import Check, Evidence, Image, Phase, Report, Subject, Wait

CANARY = 'cAn4ry/+ "quoted" & <späth>\\pass=w0rd'
FERNET = base64.urlsafe_b64encode(bytes(range(200, 232))).decode()

FORMS = {
    "plain": CANARY,
    "base64": base64.b64encode(CANARY.encode()).decode(),
    "base64 with a trailing newline": base64.b64encode(f"{CANARY}\n".encode()).decode(),
    "base64 without padding": base64.b64encode(CANARY.encode()).decode().rstrip("="),
    "base64 for URLs": base64.urlsafe_b64encode(CANARY.encode()).decode(),
    "base64 behind one character": base64.b64encode(f"a{CANARY}".encode()).decode(),
    "base64 in the middle": base64.b64encode(f"ab{CANARY}cd".encode()).decode(),
    "basic auth": base64.b64encode(f"admin:{CANARY}".encode()).decode(),
    "percent-encoded": quote(CANARY, safe=""),
    "percent-encoded path": quote(CANARY),
    "percent-encoded form": quote_plus(CANARY),
    "percent-encoded in lower case": re.sub("%..", lambda match: match[0].lower(), quote(CANARY, safe="")),
    "percent-encoded by SQLAlchemy": re.sub("[:@/]", lambda match: quote(match[0], safe=""), CANARY),
    "JSON": json.dumps(CANARY),
    "JSON in UTF-8": json.dumps(CANARY, ensure_ascii=False),
    "JSON in JSON": json.dumps(json.dumps({"k": CANARY})),
    "Python": repr({"k": CANARY}),
    "HTML": html.escape(CANARY),
    "shell": shlex.quote(CANARY),
}


def survives(text: str) -> list[str]:
    """Pieces of the canary, in whatever spelling, that can still be read in a text."""
    pieces = ["cAn4ry", "w0rd", *(FORMS[name][4:20] for name in ("base64", "basic auth"))]
    pieces += [base64.b64encode(b"\0" * offset + CANARY.encode()).decode()[8:24] for offset in range(3)]
    return [piece for piece in pieces if piece in text]


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.add(CANARY)
    return redactor


@pytest.mark.parametrize("form", FORMS)
def test_a_known_secret_is_found_in_every_spelling(redactor: Redactor, form: str) -> None:
    text = redactor.text(f"before {FORMS[form]} after")
    assert survives(text) == []
    assert text.startswith("before ") and text.endswith(" after")


def test_the_canary_would_be_noticed() -> None:
    unaware = Redactor()
    assert all(survives(unaware.text(f"before {form} after")) for name, form in FORMS.items() if "percent" not in name)


def test_no_planted_secret_reaches_any_written_file(redactor: Redactor, tmp_path: Path) -> None:
    directory = tmp_path / "results" / "run-1"
    directory.mkdir(parents=True)
    everything = "\n".join(FORMS.values())
    manifest = yaml.safe_dump({"kind": "Secret", "data": {"password": FORMS["base64"]}, "stringData": {"p": CANARY}})
    (directory / "pod.log").write_text(f"{everything}\n{manifest}")
    (directory / "long.log").write_text("x" * 70_000 + everything)
    evidence = [
        Evidence(title=everything, kind="log", path="pod.log", look_again=f"curl -u admin:{shlex.quote(CANARY)}"),
        Evidence(title="long", kind="log", path="long.log"),
        Evidence(title="missing", kind="text", path=f"{FORMS['percent-encoded']}.txt"),
    ]
    texts = {everything: everything, "AIRFLOW_PASSWORD": "unknown-to-the-redactor"}
    checks = [
        Check(
            id=f"AF-TST-00{number}", requirement=everything, level="MUST", executor="celery", outcome=outcome,
            reason=everything, remedy=everything, blocked_by=everything, seconds=1, evidence=evidence, area=everything,
            notes=[everything], waits=[Wait(name=everything, used=1, allowed=2)],
        )
        for number, outcome in enumerate(Outcome)
    ]  # fmt: skip
    image = Image(name=everything, digest=everything, origin="built")
    subject = Subject(
        executor="celery", namespace=everything, release=everything, chart=everything, airflow=everything,
        kubernetes=everything, images=[image],
    )  # fmt: skip
    report = Report(
        run="run-1", verdict=Verdict.NON_CONFORMANT, exit_code=1, reason=everything, started="2025-11-22T16:15:02Z",
        seconds=3, phases=[Phase(name=everything, seconds=1)], subjects=[subject], checks=checks, environment=texts,
        options=texts, warnings=[everything],
    )  # fmt: skip
    write(report, directory, redactor)
    for name in ("report.json", "junit.xml", "report.html", "summary.md"):
        written = (directory / name).read_text()
        assert MARK in written or html.escape(MARK) in written or r"\[redacted\]" in written, name
        assert survives(written) == [], name
        assert "unknown-to-the-redactor" not in written, name
    assert CANARY in (directory / "pod.log").read_text(), "evidence files are not rewritten"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://airflow:hunter2@airflow-postgresql:5432/airflow", "hunter2"),
        ("redis://:hunter2@airflow-redis:6379/0", "hunter2"),
        ("amqp://user:hun@ter2@host/", "ter2"),
        ("https://hunter2@github.com/team/dags.git", "hunter2"),
        ("https://hunter2:x-oauth-basic@github.com/team/dags.git", "hunter2"),
        ("https://hunter2:@api.example.com/", "hunter2"),
        ("ssh://0123456789abcdef0123@git.example.com/dags.git", "0123456789abcdef0123"),
        ("remote: ghp_hunter2hunter2hunter2hunter2hunter2x", "hunter2"),
        ("remote: ghs_hunter2hunter2hunter2hunter2hunter2x", "hunter2"),
        ("used github_pat_11ABCDEFG0_hunter2hunter2 here", "hunter2"),
        ("used glpat-hunter2-hunter2-hu here", "hunter2"),
        ("used xoxb-123456789012-hunter2 here", "hunter2"),
        ("POST https://hooks.slack.com/services/T0001/B0002/hunter2", "hunter2"),
        ('{"auth_type": "approle", "role_id": "r", "secret_id": "hunter2"}', "hunter2"),
        ('backend_kwargs: "{\\"role_id\\": \\"r\\", \\"secret_id\\": \\"hunter2\\"}"', "hunter2"),
        ("flower_basic_auth = admin:other,user:hunter2", "hunter2"),
        ("AIRFLOW__CELERY__FLOWER_BASIC_AUTH=admin:hunter2", "hunter2"),
        ("  flowerBasicAuth: admin:hunter2", "hunter2"),
        ("- name: VAULT_SECRET_ID\n  value: hunter2\n", "hunter2"),
        ("- name: GITHUB_PAT\n  value: hunter2\n", "hunter2"),
        ('{"name": "DB_PWD", "value": "hunter2"}', "hunter2"),
        ("GITHUB_PAT=hunter2", "hunter2"),
        ("  githubPat: hunter2", "hunter2"),
        ("DB_PWD=/hunter2", "hunter2"),
        ("Server=db;Uid=flow;Pwd=hunter2;", "hunter2"),
        ("Authorization: Basic YWRtaW46aHVudGVyMg==", "YWRtaW4"),
        ('{"authorization": "Bearer abc.def"}', "abc.def"),
        ("{'Cookie': 'a=\"b\"; session=hunter2', 'Accept': '*/*'}", "hunter2"),
        ('{"headers": "{\\"Cookie\\": \\"session=hunter2\\"}"}', "hunter2"),
        ("Set-Cookie: session=.eJwlzjkOwjAQRe; HttpOnly; Path=/", "eJwlzjk"),
        ("cookie jar: session=.eJwlzjkOwjAQReabc", "eJwlzjk"),
        ('<input id="csrf_token" name="csrf_token" type="hidden" value="IjQ1hunter2">', "hunter2"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzYSJ9.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        (f"key {FERNET} end", FERNET),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2hunter2\n-----END OPENSSH PRIVATE KEY-----", "hunter2"),
        ("-----BEGIN RSA PRIVATE KEY-----\nhunter2, and then the log ends", "hunter2"),
        ("fernet_key = hunter2", "hunter2"),
        ("AIRFLOW__WEBSERVER__SECRET_KEY=hunter2", "hunter2"),
        ("PGPASSWORD=hunter2 psql", "hunter2"),
        ("PGPASSWORD='hunter2 and more' psql", "and more"),
        ('{"password": "hunter2", "user": "admin"}', "hunter2"),
        ("  adminPassword: hunter2\n  user: admin", "hunter2"),
        ("- name: POSTGRES_PASSWORD\n  value: hunter2\n", "hunter2"),
        ('{"name": "POSTGRES_PASSWORD", "value": "hunter2"}', "hunter2"),
        ("apiVersion: v1\ndata:\n  admin: aHVudGVyMg==\nkind: Secret\n", "aHVudGVyMg"),
        ("kind: Secret\nstringData:\n  key: |-\n    first line\n    hunter2\n\n    last\ntype: Opaque\n", "hunter2"),
        ("kind: Secret\nstringData:\n# a remark\n  key: hunter2\n", "hunter2"),
        ("kind: Secret\ndata: {admin: aHVudGVyMg==}\n", "aHVudGVyMg"),
        ('kind: "Secret"\ndata:\n  "admin": aHVudGVyMg==\n', "aHVudGVyMg"),
        ("items:\n- apiVersion: v1\n  data:\n    a: aHVudGVyMg==\n  kind: Secret\n", "aHVudGVyMg"),
        ('{"kind": "Secret", "data": {"a": "eHh4", "b": "aHVudGVyMg=="}}', "aHVudGVyMg"),
        ('{"kind": "Secret", "stringData": {"a": "hunter2 {x}"}}', "hunter2"),
        ('{\n "data": {\n  "a": "aHVudGVyMg=="\n },\n "kind": "Secret"\n}', "aHVudGVyMg"),
        (json.dumps(json.dumps({"kind": "Secret", "data": {"a": "aHVudGVyMg=="}})), "aHVudGVyMg"),
        (json.dumps(json.dumps({"kind": "Secret", "data": {"a": "eA==", "b": "aHVudGVyMg"}}, indent=1)), "aHVudGVyMg"),
    ],
)  # fmt: skip
def test_an_unknown_secret_is_recognised_by_its_surroundings(text: str, secret: str) -> None:
    assert secret in text
    clean = Redactor().text(text)
    assert secret not in clean
    assert MARK in clean


@pytest.mark.parametrize(
    "text",
    [
        "kubectl get pods -n airflow -l component=scheduler -o wide",
        "http://airflow-webserver.airflow.svc:8080/health answered 200",
        "docker.io/apache/airflow@sha256:" + "4f7a" * 16,
        "user admin was sent back to /login/ with the password of Secret airflow/airflow-webserver-secret",
        "the password: it must not be empty",
        "passwordSecretName: airflow-redis-password",
        "PWD=/opt/airflow OLDPWD=/",
        '{"PWD": "/opt/airflow"}',
        "ssh://git@git.example.com/dags.git and git@git.example.com:dags.git",
        "postgresql://airflow@airflow-postgresql:5432/airflow",
        "path: /opt/airflow\npatch: merge\npattern: airflow_*\ncompat: strict\nsubPath: dags/\n",
        "PATH=/usr/bin COMPAT=strict PATTERN=a",
        "auth_backends = airflow.api.auth.backend.basic_auth,airflow.api.auth.backend.session",
        "https://airflow.apache.org/docs/@latest and https://host/~user@example.com",
        "https://docs.slack.dev/hooks.slack.com the token ghp_ of GitHub",
        "apiVersion: rbac.authorization.k8s.io/v1",
        "kind: ConfigMap\ndata:\n  airflow.cfg: |\n    [core]\n    executor = CeleryExecutor\n",
        "metadata:\n  name: x\nspec:\n  secret:\n    secretName: airflow-secrets\n",
        "FailedMount: MountVolume.SetUp failed: secret \"airflow-git-ssh\" not found",
    ],
)  # fmt: skip
def test_what_a_reader_needs_stays(text: str) -> None:
    assert Redactor().text(text) == text


def test_a_list_hides_its_secrets_and_shows_its_config_maps() -> None:
    text = yaml.safe_dump(
        {
            "kind": "List",
            "items": [
                {"kind": "ConfigMap", "data": {"airflow.cfg": "executor = CeleryExecutor"}},
                {"kind": "Secret", "data": {"a": "aHVudGVyMg=="}},
                {"kind": "ConfigMap", "data": {"script": "exec airflow"}},
            ],
        },
        sort_keys=True,
    )
    clean = yaml.safe_load(Redactor().text(text))
    assert [item["data"] for item in clean["items"]] == [
        {"airflow.cfg": "executor = CeleryExecutor"},
        {"a": [MARK[1:-1]]},  # YAML reads the mark's brackets as a list
        {"script": "exec airflow"},
    ]


def test_secrets_that_overlap_leave_no_tail() -> None:
    redactor = Redactor()
    redactor.add("abcdefgh")
    redactor.add("ghijklmn")
    assert redactor.text("-abcdefghijklmn-") == f"-{MARK}-"


def test_lines_of_a_long_secret_are_hidden_where_yaml_indents_them() -> None:
    redactor = Redactor()
    redactor.add("first-line-of-the-key\nsecond-line-of-the-key\n")
    clean = redactor.text("key: |\n    first-line-of-the-key\n    second-line-of-the-key\n")
    assert clean == f"key: |\n    {MARK}\n    {MARK}\n"


def test_short_values_are_no_secrets() -> None:
    redactor = Redactor()
    redactor.add("air")
    redactor.add("")
    assert redactor.text("airflow") == "airflow"


def test_data_is_redacted_by_key_and_by_value(redactor: Redactor) -> None:
    values = {
        "webserver": {"defaultUser": {"username": "admin", "password": "hunter2"}, "replicas": 1},
        "fernetKey": FERNET,
        "fernetKeySecretName": "airflow-fernet-key",
        "redis": {"passwordSecretName": "airflow-redis-password", "enabled": True},
        "secret": [{"envName": "X", "secretName": "airflow-secrets", "secretKey": "sql_alchemy_conn"}],
        "env": [{"name": "API_TOKEN", "value": "hunter2"}, {"name": "TZ", "value": "UTC"}],
        "data": {"metadataConnection": {"pass": None, "host": f"say {CANARY}"}},
        "ports": (8080, 9102),
        "token": 123456,
        "automountServiceAccountToken": True,
        "extra": {"kind": "Secret", "data": {"a": "b"}, "metadata": {"name": "n"}},
        CANARY: "as a key",
    }
    assert redactor.data(values) == {
        "webserver": {"defaultUser": {"username": "admin", "password": MARK}, "replicas": 1},
        "fernetKey": MARK,
        "fernetKeySecretName": "airflow-fernet-key",
        "redis": {"passwordSecretName": "airflow-redis-password", "enabled": True},
        "secret": [{"envName": "X", "secretName": "airflow-secrets", "secretKey": "sql_alchemy_conn"}],
        "env": [{"name": "API_TOKEN", "value": MARK}, {"name": "TZ", "value": "UTC"}],
        "data": {"metadataConnection": {"pass": None, "host": f"say {MARK}"}},
        "ports": [8080, 9102],
        "token": MARK,
        "automountServiceAccountToken": True,
        "extra": {"kind": "Secret", "data": {"a": MARK}, "metadata": {"name": "n"}},
        MARK: "as a key",
    }


@pytest.mark.parametrize(
    "key",
    [
        "VAULT_SECRET_ID",
        "secretId",
        "flower_basic_auth",
        "basicAuth",
        "GITHUB_PAT",
        "githubPat",
        "pat",
        "DB_PWD",
        "dbPwd",
    ],
)
def test_a_key_names_a_secret(key: str) -> None:
    assert names_secret(key)


@pytest.mark.parametrize(
    "key", ["path", "subPath", "patch", "pattern", "compat", "COMPAT", "spat", "secretIds", "pwdPath"]
)
def test_a_key_names_no_secret(key: str) -> None:
    assert not names_secret(key)


@given(
    secret=st.text(string.ascii_letters + string.digits + string.punctuation, min_size=8, max_size=60),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_any_secret_is_removed_from_any_text(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.add(secret)
    for spelled in (secret, base64.b64encode(secret.encode()).decode(), quote_plus(secret), json.dumps(secret)[1:-1]):
        assert spelled not in redactor.text(f"{before}{spelled}{after}").replace(MARK, "")


@pytest.mark.timeout(60)  # a bound on hanging: quadratic patterns need hours for this, linear ones a second or two
@pytest.mark.parametrize(
    "piece",
    [
        "[2025-11-22T16:15:33.123+0000] {scheduler_job_runner.py:417} INFO - 3 tasks up for execution\n",
        "a",
        "\\",
        '\\"',
        " ",
        "://",
        "://a:b",
        "https://a",
        "ghp_",
        "glpat-",
        "hooks.slack.com/services/",
        "pat",
        "_pwd:",
        "basic_auth=,",
        "password: ",
        "password ",
        'password": "',
        "cookie: '",
        "eyJaaaaaaaa.",
        "QUJD",
        "-----BEGIN PRIVATE KEY-----",
        "csrf_token'",
        "kind: Secret\n",
        '"kind": "Secret", "data": {"a": "b"',
        "- - - a: ",
    ],
)
def test_big_and_malicious_logs_take_linear_time(piece: str) -> None:
    redactor = Redactor()
    redactor.add(CANARY)
    text = piece * (1_000_000 // len(piece)) + " kind: Secret\n" + CANARY
    assert survives(redactor.text(text)) == []
