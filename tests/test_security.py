"""What counts as a credential in clear, and which servers a connection URL names."""

import contextlib
from collections import defaultdict
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.test_access import test_port_forward_reaches_the_ui as judge_ui
from conformance.test_access import test_the_documented_password_opens_the_ui as judge_login
from fixtures.airflow import NotThere
from fixtures.objects import Json, Pod
from fixtures.observations import COMPOSE_LOGIN, DEFAULT_LOGIN, csrf_time_limit, other_default_login, roles, security
from fixtures.observations.security import Credential, Holder, Known
from fixtures.session import Answer, ApiDenied, Credentials, WrongCredentials
from fixtures.settings import Executor

STORED = {
    "airflow-secrets": {"sql_alchemy_conn": "postgresql://postgres:gr%40ss-hopper9@db:5432/airflow"},
    "airflow-postgresql": {"postgres-password": "postgres"},
    "airflow-fernet": {"fernet-key": "ZmVybmV0LWtleS1mZXJuZXQta2V5LWZlcm5ldC1rZXk="},
    "misc": {"environment": "production", "host": "db.example.com", "ca.crt": "-----BEGIN CERTIFICATE-----"},
    "airflow-webserver-secret": {"admin-password": "k2j4h5k2j4h52kj4h5"},
}
KNOWN = security.known_credentials(STORED, but="airflow-webserver-secret/admin-password")


def test_what_secrets_hold_is_known_by_its_value() -> None:
    assert [
        Known("airflow-secrets#sql_alchemy_conn", "gr@ss-hopper9", weak=False),
        Known("airflow-postgresql#postgres-password", "postgres", weak=True),
        Known("airflow-fernet#fernet-key", STORED["airflow-fernet"]["fernet-key"], weak=False),
    ] == KNOWN


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("host", "orders-7.c1x2y3.eu-west-1.rds.amazonaws.com"),
        ("bucket", "acme-airflow-logs-eu-west-1"),
        ("smtp_mail_from", "airflow-2@data.example.com"),
        ("connection_name", "acme-1:europe-west1:orders"),
        ("redis_url", "redis:6379"),
        ("orders", "orders-7.c1x2y3.rds.amazonaws.com:5432/sales"),
        ("AZURE_TENANT_ID", "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"),
        ("KEYCLOAK_REALM", "data-platform"),
        ("VAULT_SECRET_MOUNT", "airflow-kv"),
        ("CASSANDRA_KEYSPACE", "airflow-production-2024"),
        ("KEY_PREFIX", "airflow-production-2024"),
        ("PASSWORD_POLICY", "nist-800-63b"),
    ],
)
def test_what_names_a_place_or_a_person_is_no_credential(key: str, value: str) -> None:
    assert security.known_credentials({"rds": {key: value}}) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("password", "correct.horse.battery"),
        ("postgres-password-2", "correct.horse.battery"),
        ("token.txt", "correct.horse.battery"),
        ("PGPASSWORD", "correct.horse.battery"),
        ("password_of_last_year", "cOrrect1horse2battery3"),
        ("sendgrid", "SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf09kqeF8tAmbihYzrnopKc"),
        ("secret_id", "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"),
        ("dsn", "host=db password=hunter2"),
        ("host", "postgresql://airflow:hunter2@db/airflow"),
    ],
)
def test_a_credential_in_a_secret_is_known_by_its_key_or_its_look(key: str, value: str) -> None:
    assert len(security.known_credentials({"site": {key: value}})) == 1


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("X", "gr@ss-hopper9", "Secret airflow-secrets#sql_alchemy_conn"),
        ("X", "run --password=gr@ss-hopper9", "Secret airflow-secrets#sql_alchemy_conn"),
        ("", "postgresql://airflow:airflow@pg/airflow", "an address with a password"),
        ("", "redis://:postgres@redis:6379/0", "Secret airflow-postgresql#postgres-password"),
        ("POSTGRES_PASSWORD", "postgres", "Secret airflow-postgresql#postgres-password"),
        ("AIRFLOW__WEBSERVER__SECRET_KEY", "other", "holds a credential"),
        ("smtp_password", "hunter2", "holds a credential"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfihunter2", "holds a credential"),
        ("AZURE_CLIENT_SECRET", "Qx~8Q~hunter2", "holds a credential"),
        ("AIRFLOW_VAR_STRIPE_SECRET", "sk_live_hunter2", "holds a credential"),
        ("SMTP_PASS", "hunter2", "holds a credential"),
        ("AIRFLOW_CONN_X", '{"conn_type": "http", "password": "hunter2"}', "holds a credential (password)"),
        ("AIRFLOW_CONN_X", '{"extra": {"aws_secret_access_key": "hunter2"}}', "(aws_secret_access_key)"),
        ("AIRFLOW_CONN_X", '{"extra": "{\\"token\\": \\"hunter2\\"}"}', "holds a credential (token)"),
        ("AIRFLOW_CONN_X", "aws://?region_name=eu-west-1&aws_secret_access_key=hunter2", "(aws_secret_access_key)"),
        ("backend_kwargs", '{"url": "http://vault:8200", "token": "hvs.hunter2"}', "holds a credential (token)"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", '{"role_id": "r", "secret_id": "hunter2"}', "(secret_id)"),
        ("DBT_REPO", "https://ghp_hunter2hunter2@github.com/a/b.git", "holds an address with a token"),
        ("", "git clone https://glpat-hunter2hunter2:x@gitlab.com/a/b.git", "holds an address with a token"),
        ("PG_DSN", "host=warehouse user=etl password=hunter2", "a connection string with a password"),
        ("PG_DSN", "host=warehouse password='hunter2' user=etl", "a connection string with a password"),
        ("ODBC", "Driver={ODBC Driver 18};Server=dwh;UID=etl;PWD=hunter2", "a connection string with a password"),
        ("DATABASE_URL", "postgresql://db/app?user=a&password=hunter2", "a connection string with a password"),
        ("AZURE", "AccountName=lake;AccountKey=aHVudGVyMg==", "a connection string with a password"),
        ("AIRFLOW_VAR_CONFIG", '{"db_password": "hunter2", "secret": "x"}', "holds a credential (db_password)"),
        ("AIRFLOW__CELERY__FLOWER_BASIC_AUTH", "admin:hunter2", "holds a credential"),
        ("GCP", '{"key": "-----BEGIN PRIVATE KEY-----\\nhunter2"}', "holds a private key"),
    ],
)
def test_credentials_are_found(name: str, text: str, found: str) -> None:
    (finding,) = security.in_clear("env X", name, text, KNOWN)
    assert found in finding and "hopper" not in finding and "hunter2" not in finding


OF_THE_SITE = security.known_credentials(
    {
        "site": {
            "dsn": "postgresql://etl:Wander!lust@warehouse/sales",
            "password": "correct.horse.battery",
            "token": "wJalrXUtnFEMI7K7MDENG",
            "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/1b9d6bcd",
            "key_alias": "alias/airflow-production1",
            "key_of": "site_report",
            "weak_password": "postgres",
            "secret_dataset": "sales-warehouse-2024",
        }
    }
)


@pytest.mark.parametrize(
    ("code", "where"),
    [
        ('connect("postgresql://etl:Wander%21lust@elsewhere/sales")', ["site#dsn"]),
        ('PASSWORD = "correct.horse.battery"', ["site#password"]),
        ('HEADERS = {"Authorization": "Bearer wJalrXUtnFEMI7K7MDENG"}', ["site#token"]),
        ('TITLE = "Wander!lust"', []),
        ('DAG("site_report", user_defined_macros={"kms": "arn:aws:kms:eu-west-1:123456789012:key/1b9d6bcd"})', []),
        ('ALIAS = "alias/airflow-production1"', []),
        ('DATASET = "sales-warehouse-2024"', []),
        ('connect("postgresql://postgres:postgres@localhost/test")', []),
        ('connect("postgresql://a:hunter2hunter2@of-nobody/x")', []),
    ],
)
def test_a_credential_of_a_secret_in_the_code_of_a_dag_is_found(code: str, where: list[str]) -> None:
    assert security.in_code(code, [one for one in OF_THE_SITE if not one.weak]) == where


def test_the_code_of_dags_is_told_once_for_each_file() -> None:
    parsed = [
        SimpleNamespace(dag=SimpleNamespace(dag_id=id, fileloc="/dags/x.py"), source="T = 'wJalrXUtnFEMI7K7MDENG'")
        for id in ("first", "second")
    ]
    learnt: list[str] = []
    subject: Any = SimpleNamespace(
        see=lambda _: parsed,
        cluster=SimpleNamespace(secrets=lambda: {"site": {"token": "wJalrXUtnFEMI7K7MDENG"}}),
        settings=SimpleNamespace(ADMIN_SECRET="a/b"),
        learn=learnt.append,
    )
    (found,) = security.shown_in_code(subject)
    assert "(/dags/x.py)" in found and "Secret site#token" in found and learnt == ["wJalrXUtnFEMI7K7MDENG"]
    assert learnt[0] not in found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("POSTGRES_USER", "postgres"),
        ("", "pg_isready -U postgres -h 127.0.0.1"),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://postgres:$(PASSWORD)@db/airflow"),
        ("", "postgresql://postgres:<password>@db/airflow"),
        ("smtp_password", ""),
        ("AIRFLOW__KUBERNETES_SECRETS__AIRFLOW__SMTP__SMTP_PASSWORD", "my-smtp=password"),
        ("VAULT_AGENT_RENEW_TOKEN", "true"),
        ("fernet_key", "{FERNET}"),
        ("GITSYNC_REPO", "git://git-server/airflow-dags.git"),
        ("", "http://airflow-statsd:9102/metrics, mail@example.com"),
        ("AIRFLOW__SMTP__SMTP_PASSWORD_SECRET", "smtp"),
        ("fernet_key_secret", "fernet"),
        ("DB_SECRET_NAME", "db-credentials"),
        ("STRIPE_SECRET_FILE", "stripe"),
        ("AIRFLOW_VAR_STRIPE_SECRET", "/run/secrets/Stripe"),
        ("AIRFLOW_VAR_STRIPE_SECRET", "airflow/variables/stripe"),
        ("AIRFLOW_VAR_STRIPE_SECRET", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:stripe-AbCdEf"),
        ("DB_SECRET", "airflow-postgresql"),
        ("DB_SECRET", "airflow-postgresql#postgres-password"),
        ("IMAGE_PULL_SECRET", "elsewhere"),
        ("MINIO_ACCESS_KEY", "somebody"),
        ("OLDPWD", "/opt/airflow"),
        ("AIRFLOW_CONN_X", '{"conn_type": "http", "password": "$(PASSWORD)", "extra": {"token_url": "https://a.b"}}'),
        ("AIRFLOW_CONN_X", "http://example.com"),
        ("backend_kwargs", '{"connections_path": "connections", "token_path": "/run/token", "auth_type": "token"}'),
        ("", "https://ghp_xxxxxxxxxxxx@github.com/a/b.git"),
        ("", "https://<token>@github.com/a/b.git"),
        ("PG_DSN", "host=warehouse user=etl password=$(PASSWORD)"),
        ("PG_DSN", "host=warehouse passfile=/run/secrets/pgpass password=''"),
        ("FORM", "https://idp.example.com/?reset_password=true"),
        ("JAVA_OPTS", "-Djavax.net.ssl.trustStore=/etc/trust -Djavax.net.ssl.trustStorePassword=changeit"),
        (
            "AIRFLOW_VAR_CONFIG",
            '{"image_pull_secret": "registry", "password_key": "x", "url": "https://a?page_token=b"}',
        ),
        ("AIRFLOW_VAR_HOOK", "https://example.com/?page_token=b"),
        ("KEY", "-----BEGIN ENCRYPTED PRIVATE KEY-----"),
    ],
)
def test_what_is_no_credential_is_left_alone(name: str, text: str) -> None:
    assert security.in_clear("env X", name, text, KNOWN, STORED) == []


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
        secrets=lambda: STORED,
        ever_pods=list,
        config_map_data=lambda: maps,
        recorder=SimpleNamespace(objects=lambda kind: [deployment] if kind == "deployments" else [], ever=lambda _: []),
    )
    settings = SimpleNamespace(ADMIN_SECRET="airflow-webserver-secret/admin-password")
    subject = SimpleNamespace(cluster=cluster, release="airflow", fullname="airflow", settings=settings)
    assert security.clear_text(subject) == [  # type: ignore[arg-type]
        "ConfigMap/keys, id_rsa holds a private key",
        "ConfigMap/site, SMTP_PASS holds a credential",
        "Deployment/s, container scheduler, env SMTP_TOKEN (ConfigMap other) holds a credential",
    ]


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql://u:p@db.infra:5433/airflow?sslmode=disable", ["db.infra:5433"]),
        ("db+postgresql://u:p@prod-pgbouncer/airflow", ["prod-pgbouncer:5432"]),
        ("postgresql+psycopg2://u:p%40x@a:1,b:2/airflow", ["a:1", "b:2"]),
        ("postgresql://u:p#w@pg/airflow", ["pg:5432"]),
        ("postgresql://u:p?w@PG/airflow?sslmode=disable", ["PG:5432"]),
        ("postgresql://u:p/w@pg:5433/airflow", ["pg:5433"]),
        ("postgresql://u:p@s/w@pg/airflow?application_name=a@b", ["pg:5432"]),
        ("postgresql://u:p@/airflow?host=pg-0,pg-1", []),
        ("postgresql://u@pg/airflow", ["pg:5432"]),
        ("redis://:p@airflow-redis:6379/0", ["airflow-redis:6379"]),
        ("postgresql:///airflow", []),
        ("postgresql://u:p@127.0.0.1:6543/pgbouncer", []),
        ("https://example.com/hook", []),
        ("no address at all", []),
    ],
)
def test_servers_named_in_a_url(url: str, named: list[str]) -> None:
    assert security.addresses(url) == named


def holder(who: str, print_: str, reference: str = "secret/a#b") -> Holder:
    used = {security.FERNET: Credential(print_, "AIRFLOW__CORE__FERNET_KEY", reference)}
    return Holder(who, who, "", used, {})


def test_the_odd_one_is_named() -> None:
    (text,) = security.differences([holder("a", "1"), holder("b", "1"), holder("worker", "2", "")], security.FERNET)
    assert "worker has #2 from AIRFLOW__CORE__FERNET_KEY;" in text and "a, b #1" in text
    assert security.differences([holder("a", "1"), holder("b", "1")], security.FERNET) == []
    assert "not set in b" in security.differences([holder("a", "1"), holder("b", "")], security.FERNET)[0]
    assert security.not_from_a_secret([holder("a", "1", "")], security.FERNET)
    assert not security.not_from_a_secret([holder("a", "1")], security.FERNET)


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
    subject = SimpleNamespace(release="airflow", cluster=SimpleNamespace(ever_pods=lambda: [job]))
    standing = Holder("the scheduler", "scheduler", "", {security.DSN: Credential("1", source, "")}, {})
    found = [standing, *security._jobs(subject)]  # type: ignore[arg-type]
    assert bool(security.differences(found, security.DSN)) is told
    if not told:
        assert security.not_from_a_secret(found, security.DSN) == []


def test_of_two_variables_with_one_name_the_last_one_counts() -> None:
    reference = {"name": "s", "key": "k"}
    spec: Json = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": reference}}, {"name": "A", "value": "literal"}]}

    class Cluster:
        def secret(self, name: str) -> dict[str, str]:
            return {"k": f"value of {name}"}

    environments = security.Environments(Cluster())  # type: ignore[arg-type]
    assert environments.of(spec) == {"A": security.Variable("literal")}
    spec["env"].reverse()
    assert environments.of(spec) == {"A": security.Variable("value of s", "secret/s#k")}


def test_a_right_too_many_and_one_too_few_are_told() -> None:
    deed = roles.Deed("Viewer", "trigger a DAG", "POST /x", "can_create on DAG Runs", "403", "200", True)
    assert deed.problem == (
        "role Viewer may trigger a DAG: POST /x answered 200, promised is 403; "
        "take away the permission `can_create on DAG Runs`"
    )
    deed = roles.Deed("User", "trigger a DAG", "POST /x", "can_create on DAG Runs", "200", "403", False)
    assert "may not" in deed.problem and "add the permission" in deed.problem
    assert "all the same" in roles.Deed("Viewer", "w", "r", "p", "403", "403", True).problem
    assert roles.Deed("Viewer", "w", "r", "p", "403", "403", False).problem == ""


def test_what_no_permission_decides_has_a_remedy_of_its_own() -> None:
    def deed(got: str, made: bool) -> roles.Deed:
        return roles.Deed(
            "Viewer", "trigger a DAG", "POST /x", "can_create on DAG Runs", "absent", got, made, "turn it off"
        )

    assert deed("absent", False).problem == ""
    assert deed("200", True).problem == (
        "role Viewer may trigger a DAG: POST /x answered 200, promised is absent; turn it off"
    )


@pytest.mark.parametrize(
    ("status", "verdict"), [(404, "absent"), (403, "absent"), (200, "200"), (401, "401"), (302, "302")]
)
def test_what_nobody_serves_is_absent(status: int, verdict: str) -> None:
    answer = Answer("POST", "http://airflow/api/experimental", status, "", "", "")
    assert roles._verdict(answer, "absent") == verdict
    assert roles._verdict(answer, "403") == str(status)


def test_every_action_says_what_each_role_gets() -> None:
    for action in roles.actions():
        assert set(action.answers) == {"anonymous", "Viewer", "User", "Op", "Admin"}, action.what


def test_entries_that_only_helm_can_read_are_left_out() -> None:
    """`extraEnv` is a template: what is none, and what is no YAML, declares nothing that can be compared."""
    own = "- {name: A, value: b}\n- {name: R, value: '{{ .Release.Name }}'}"
    given = [SimpleNamespace(value=lambda key, it=text: it) for text in (own, "- {name: R, value: {{ .x }}}", "")]
    assert [security._extra_env(one) for one in given] == [[{"name": "A", "value": "b"}], [], []]  # type: ignore[arg-type]


SHIPPED = {"Viewer": ["can_read on DAGs"], "Admin": ["can_read on DAGs"]}


def test_permissions_that_airflow_does_not_give_are_named() -> None:
    """Roles of a site's own, single DAGs, and what a user may do with what is his, are nobody else's business."""
    held = {
        "Public": frozenset({"menu_access on DAGs"}),
        "Viewer": frozenset(
            {"can_read on DAGs", "can_edit on Variables", "can_edit on DAG:mine", "can_edit on My Profile"}
        ),
        "Admin": frozenset({"can_edit on Variables"}),
        "Site": frozenset({"can_edit on Variables"}),
    }
    seen = {roles.known_roles.name: held, roles.shipped_permissions.name: SHIPPED}
    public, viewer = roles.excessive_permissions(SimpleNamespace(see=lambda one: seen[one.name]))  # type: ignore[arg-type]
    assert public.startswith("role Public holds menu_access on DAGs, which")
    assert viewer.startswith("role Viewer holds can_edit on Variables, which")


def test_a_clear_extra_counts_by_the_names_in_it() -> None:
    """What leads to a credential, and options, may stand in clear."""
    names = {"lake": ["aws_secret_access_key", "region_name"], "gcp": ["key_path", "token_url"], "cache": []}
    assert security.readable_extras(names) == ["extra of connection lake (aws_secret_access_key)"]


@pytest.mark.parametrize(
    ("row", "shown", "noted"),
    [("{key} ********", "", 0), ("{key} readable", "[core] hide_sensitive_var_conn_fields is False", 0), ("", "", 1)],
)
def test_a_list_of_variables_that_does_not_mask_is_told(row: str, shown: str, noted: int) -> None:
    name, notes = security.Stored("conformance_secret_x", "readable"), []
    session = SimpleNamespace(get=lambda *_, **__: Answer("GET", "/", 200, "", "", row.format(key=name.key)))
    subject = SimpleNamespace(
        see=lambda _: (name, {}),
        airflow=SimpleNamespace(login=lambda: session),
        option=lambda *_: "False",
        note=lambda *words: notes.append(words),
    )
    told = security.shown_as_variable(subject)  # type: ignore[arg-type]
    assert shown in told and bool(told) == bool(shown) and "readable" not in told
    assert len(notes) == noted


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("WTF_CSRF_TIME_LIMIT = None", None),
        ("WTF_CSRF_TIME_LIMIT = int(os.environ['LIMIT'])", None),
        ("WTF_CSRF_ENABLED = True", None),
        ("", None),
        ("WTF_CSRF_TIME_LIMIT = 3600", 3600),
        ("WTF_CSRF_TIME_LIMIT = 60\nWTF_CSRF_TIME_LIMIT = 60 * 10", 600),
    ],
)
def test_how_long_a_form_may_be_open(text: str, seconds: int | None) -> None:
    assert csrf_time_limit(text) == (None if seconds is None else timedelta(seconds=seconds))


def nobody(username: str) -> frozenset[str]:
    """As Airflow answers that has no such user."""
    raise NotThere(username)


def logging_in(webserver_config: str, *, readonly: bool = False) -> Any:
    """A subject into which the documented user can log in, with a webserver_config.py."""
    container = {"name": "webserver", "env": [{"name": "AIRFLOW_HOME", "value": "/srv/airflow"}]}
    pod = Pod({"metadata": {"name": "w", "uid": "w"}, "spec": {"containers": [container]}})
    host = SimpleNamespace(run=lambda _, path: SimpleNamespace(stdout={WEBSERVER_CONFIG: webserver_config}[path]))
    session = SimpleNamespace(get=lambda _: Answer("GET", "/users/list/", 200, "", "", ""))
    return SimpleNamespace(
        see=lambda _: None,
        documented_credentials=lambda: DEFAULT_LOGIN,
        airflow=SimpleNamespace(open_session=lambda _: session, roles=nobody),
        option=lambda section, key, default, component: default,
        only_looks=lambda *_: readonly,
        pod=lambda _: pod,
        inside=lambda _: host,
    )


WEBSERVER_CONFIG = "/srv/airflow/webserver_config.py"


@pytest.mark.parametrize(
    ("user", "refusal", "told"),
    [
        ("airflow", None, "airflow"),
        ("airflow", ApiDenied("no right at all"), "airflow"),
        ("airflow", WrongCredentials("airflow"), ""),
        ("somebody", None, ""),
    ],
)
def test_a_second_user_with_a_known_password_is_told(user: str, refusal: Exception | None, told: str) -> None:
    """One that is not there is not tried, and neither is the documented one."""
    tried: list[Credentials] = []

    def open_session(credentials: Credentials) -> None:
        tried.append(credentials)
        if refusal:
            raise refusal

    def roles_of(username: str) -> frozenset[str]:
        return frozenset({"Admin"}) if username == user else nobody(username)

    subject: Any = SimpleNamespace(airflow=SimpleNamespace(open_session=open_session, roles=roles_of))
    assert other_default_login(subject, Credentials("admin", "documented")) == told
    assert tried == [COMPOSE_LOGIN][: user == "airflow"]
    assert other_default_login(subject, Credentials("airflow", "documented")) == ""


@pytest.mark.parametrize("subject", [logging_in(""), logging_in("WTF_CSRF_TIME_LIMIT = 300")])
def test_forms_that_may_be_open_for_minutes_are_left_alone(subject: Any) -> None:
    judge_login(subject)


def test_forms_that_expire_soon_are_told() -> None:
    judge_login(logging_in("WTF_CSRF_TIME_LIMIT = 60", readonly=True))
    with pytest.raises(AssertionError, match=r"longer than 60 s is refused, .*WTF_CSRF_TIME_LIMIT"):
        judge_login(logging_in("WTF_CSRF_TIME_LIMIT = 60"))


@pytest.mark.parametrize(
    ("port", "noted"),
    [(8080, []), (80, ["Service airflow-webserver has port 80: the README's command needs 8080:80 here"])],
)
def test_another_port_of_the_ui_is_noted_with_the_command_that_it_needs(port: int, noted: list[str]) -> None:
    notes: list[str] = []
    pages = {
        "/health": Answer("GET", "/health", 200, "application/json", "", '{"scheduler": {}}'),
        "/login/": Answer("GET", "/login/", 200, "text/html", "", "csrf_token"),
    }
    subject: Any = SimpleNamespace(
        see=lambda _: None,
        note=lambda _, finding: notes.append(finding),
        webserver_service=lambda: ("airflow-webserver", port),
        cluster=SimpleNamespace(port_forward=lambda *_: contextlib.nullcontext(12345)),
        airflow=SimpleNamespace(anonymous=lambda _: SimpleNamespace(get=lambda path: pages[path])),
        path_prefix="",
    )
    judge_ui(subject)
    assert notes == noted


def with_names(built_in: bool, stored: dict[str, str] | None = None, /, **of_tasks: str) -> Any:
    """A release whose scheduler has two connections in its environment, and whose task pod has these.

    Args:
        built_in: whether the chart defines one of them.
        stored: connections in the metadata database, with their descriptions.
        of_tasks: value by name.
    """
    stored = defaultdict(str, stored or {})
    parser = {"AIRFLOW_CONN_AIRFLOW_DB": "1", "AIRFLOW_CONN_LAKE": "2"}
    found = [
        Holder("the scheduler", "scheduler", "", {}, parser),
        Holder("task pod x", "task", "", {}, of_tasks, runs_tasks=True),
    ]
    return SimpleNamespace(
        see=lambda one: found if one.name == security.holders.name else None,
        executor=Executor.CELERY,
        running=lambda _: [],
        parser="scheduler",
        value=lambda path, default: built_in,
        run_id="r1",
        airflow=SimpleNamespace(has_connection=lambda name: name in stored, description=lambda _, name: stored[name]),
    )


def test_the_charts_own_connection_need_not_reach_the_tasks() -> None:
    """A template that is written out does without it; a connection of the site's must be there."""
    assert security.missing_names(with_names(True, AIRFLOW_CONN_LAKE="2")) == []
    (missing,) = security.missing_names(with_names(True))
    assert missing.startswith("AIRFLOW_CONN_LAKE is defined in the scheduler and missing in task pod x")


def test_the_sites_own_connection_of_that_name_must_reach_the_tasks() -> None:
    (missing,) = security.missing_names(with_names(False, AIRFLOW_CONN_LAKE="2"))
    assert missing.startswith("AIRFLOW_CONN_AIRFLOW_DB is defined")


def test_a_connection_of_the_suites_own_replaces_none_that_tasks_lack() -> None:
    assert security.missing_names(with_names(True, {"lake": "of the team"})) == []
    assert len(security.missing_names(with_names(True, {"lake": "conformance run r1"}))) == 1


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
        return {name: security.fingerprint("1") for name in names}

    cluster = SimpleNamespace(secret=lambda _: now, inside=lambda *_: None)
    subject: Any = SimpleNamespace(cluster=cluster, ask_in=ask_in)
    assert security.outdated_variables(subject, security.Environments(cluster), pod, "scheduler") == {
        "secret/team": ["new"]
    }
    assert asked == ["new", "same"]


def of_volumes(container: str, env: list[Json], *paths: str) -> Pod:
    """A pod with such an environment, and volumes at these paths; one at /etc/site is of a ConfigMap."""
    mounts = [{"name": path, "mountPath": path} for path in paths]
    kinds = {"/etc/site": "configMap"}
    volumes = [{"name": path, kinds.get(path, "secret"): {"name": "x"}} for path in paths]
    spec = {"containers": [{"name": container, "env": env, "volumeMounts": mounts}], "volumes": volumes}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return Pod({"metadata": {"name": container, "uid": container}, "spec": spec, "status": ready})


def scheduler_and_worker(scheduler: Pod, worker: Pod, **options: str) -> Any:
    """A release of these two pods; options of `[secrets]` are by `<pod>_<option>`."""
    return SimpleNamespace(
        parser="scheduler",
        pod=lambda _: scheduler,
        running=lambda _: [worker],
        executor=Executor.CELERY,
        cluster=None,
        option=lambda _, key, component: options.get(f"{component}_{key}", ""),
        option_in=lambda pod, _, section, key: options.get(f"{pod.name}_{key}", ""),
        notes=(notes := []),
        note=lambda _, finding: notes.append(finding),
    )


@pytest.mark.parametrize(
    ("name", "value", "mounted", "told"),
    [
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            "/var/secrets/google/key.json",
            "/other",
            "/var/secrets/google/key.json, which",
        ),
        ("AIRFLOW_CONN_X", "gcp://?key_path=%2Fvar%2Fsecrets%2Fgoogle%2Fkey.json", "/other", "/key.json, which"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/var/secrets/google/key.json", "/var/secrets", ""),
        ("ELSEWHERE", "/var/secrets/google-too/key.json", "/other", ""),
        ("OF_A_CONFIG_MAP", "/etc/site/file", "/other", ""),
        ("KUBECONFIG", "/var/secrets/google/kubeconfig", "/other", ""),
    ],
)
def test_a_secret_that_only_the_parser_mounts_is_told_if_tasks_are_led_there(
    name: str, value: str, mounted: str, told: str
) -> None:
    scheduler = of_volumes("scheduler", [], "/var/secrets/google", "/etc/site")
    worker = of_volumes("worker", [{"name": name, "value": value}], mounted)
    found = security.missing_files(scheduler_and_worker(scheduler, worker))
    assert [told in one for one in found] == [True] * bool(told)


FILES = "airflow.secrets.local_filesystem.LocalFilesystemBackend"


@pytest.mark.parametrize(
    ("options", "mounted", "told"),
    [
        ({"worker_backend": FILES, "worker_backend_kwargs": '{"connections_file_path": "/etc/site/c"}'}, "/other", 1),
        ({"worker_backend": FILES, "scheduler_backend_kwargs": '{"connections_file_path": "/etc/site/c"}'}, "/x", 1),
        ({"worker_backend": FILES, "worker_backend_kwargs": '{"connections_file_path": "/etc/site/c"}'}, "/etc", 0),
        ({"worker_backend": FILES, "worker_backend_kwargs": '{"connections_file_path": "/opt/image/c"}'}, "/other", 0),
        ({"worker_backend": "Ssm", "worker_backend_kwargs": '{"connections_prefix": "/airflow"}'}, "/other", 0),
        ({"worker_backend_kwargs": '{"connections_file_path": "/etc/site/c"}'}, "/other", 0),
    ],
)
def test_a_file_of_a_secrets_backend_must_be_mounted_where_tasks_run(
    options: dict[str, str], mounted: str, told: int
) -> None:
    of_both = of_volumes("scheduler", [], "/etc/site"), of_volumes("worker", [], mounted)
    found = security.missing_files(scheduler_and_worker(*of_both, **options))
    says = "[secrets] backend_kwargs leads to /etc/site/c, which the scheduler mounts and worker does not"
    assert [one.startswith(says) for one in found] == [True] * told


@pytest.mark.parametrize(
    ("parser", "tasks", "told", "noted"),
    [(FILES, "", 1, 0), (FILES, FILES, 0, 0), ("", FILES, 0, 0), (FILES, "B", 0, 1)],
)
def test_a_secrets_backend_of_the_parser_must_be_there_for_tasks(
    parser: str, tasks: str, told: int, noted: int
) -> None:
    pods = of_volumes("scheduler", []), of_volumes("worker", [])
    subject = scheduler_and_worker(*pods, scheduler_backend=parser, worker_backend=tasks)
    assert (len(security.missing_backend(subject)), len(subject.notes)) == (told, noted)


@pytest.mark.parametrize(
    ("readers", "nobody_from", "told"),
    [
        ({"worker"}, {"scheduler"}, []),
        ({"worker"}, {"worker"}, ["secret/lake#url names warehouse:5432, and from the worker it does not resolve"]),
        ({"scheduler", "worker"}, {"scheduler"}, ["from the scheduler"]),
        ({"create-user-job"}, {"scheduler"}, []),
    ],
)
def test_a_server_is_asked_for_where_its_name_is_read(
    readers: set[str], nobody_from: set[str], told: list[str]
) -> None:
    source = {"secretKeyRef": {"name": "lake", "key": "url"}}
    workloads = [
        {
            "metadata": {"name": name, "labels": {"release": "airflow", "component": name}},
            "spec": {
                "template": {"spec": {"containers": [{"name": name, "env": [{"name": "U", "valueFrom": source}]}]}}
            },
        }
        for name in readers
    ]
    recorder = SimpleNamespace(objects=lambda kind: workloads if kind == "deployments" else [], ever=lambda _: [])
    subject: Any = SimpleNamespace(
        see=lambda _: None,
        release="airflow",
        cluster=SimpleNamespace(recorder=recorder, secret=lambda _: {"url": "postgresql://u:p@warehouse/x"}),
        running=lambda component: [component],
        ask=lambda component, *asked: dict.fromkeys(
            asked[2:], "it does not resolve" if component in nobody_from else ""
        ),
    )
    found = security.unreachable_hosts(subject)
    assert len(found) == len(told) and all(text in one for text, one in zip(told, found, strict=True))
