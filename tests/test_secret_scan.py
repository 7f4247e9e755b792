"""What counts as a credential in clear."""

import pytest

from fixtures import secret_scan
from fixtures.secret_scan import Known

STORED = {
    "airflow-secrets": {"sql_alchemy_conn": "postgresql://postgres:gr%40ss-hopper9@db:5432/airflow"},
    "airflow-postgresql": {"postgres-password": "postgres"},
    "airflow-fernet": {"fernet-key": "ZmVybmV0LWtleS1mZXJuZXQta2V5LWZlcm5ldC1rZXk="},
    "misc": {"environment": "production", "host": "db.example.com", "ca.crt": "-----BEGIN CERTIFICATE-----"},
    "airflow-webserver-secret": {"admin-password": "k2j4h5k2j4h52kj4h5"},
}
KNOWN = secret_scan.known_credentials(STORED, but="airflow-webserver-secret/admin-password")


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
    assert secret_scan.known_credentials({"rds": {key: value}}) == []


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
    assert len(secret_scan.known_credentials({"site": {key: value}})) == 1


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
    (finding,) = secret_scan.in_clear("env X", name, text, KNOWN)
    assert found in finding and "hopper" not in finding and "hunter2" not in finding


OF_THE_SITE = secret_scan.known_credentials(
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
    assert secret_scan.in_code(code, [one for one in OF_THE_SITE if not one.weak]) == where


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
    assert secret_scan.in_clear("env X", name, text, KNOWN, STORED) == []


def test_a_clear_extra_counts_by_the_names_in_it() -> None:
    """What leads to a credential, and options, may stand in clear."""
    names = {"lake": ["aws_secret_access_key", "region_name"], "gcp": ["key_path", "token_url"], "cache": []}
    assert secret_scan.readable_extras(names) == ["extra of connection lake (aws_secret_access_key)"]
