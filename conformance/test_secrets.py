"""Credentials from Secrets (README: Security, Secrets Management)."""

from fixtures.catalogue import requirement
from fixtures.observations.clear_text import (
    clear_text,
    shown_as_variable,
    shown_by_airflow,
    shown_in_code,
    strong_credentials,
)
from fixtures.observations.credentials import DSN, holders, lost_sessions, metadata_problems, webserver_key_problems
from fixtures.observations.references import absent_objects, doomed_claims, not_taken_again
from fixtures.observations.secret_hosts import unreachable_hosts
from fixtures.observations.stored_secrets import fernet_problems, undecrypted_in_a_task
from fixtures.observations.task_environment import missing_backend, missing_files, missing_names
from fixtures.subject import Subject


@requirement("AF-SCR-001")
def test_the_database_connection_comes_from_the_secret(subject: Subject) -> None:
    """Every component MUST take the metadata database's connection from the Secret that the release declares."""
    problems = metadata_problems(subject)
    assert not problems, "\n".join(problems)
    used = {holder.credentials[DSN].reference for holder in subject.see(holders)}
    if used != {"secret/airflow-secrets#sql_alchemy_conn"}:
        subject.note("AF-SCR-001", f"the README names Secret airflow-secrets, this release uses {', '.join(used)}")


@requirement("AF-SCR-002")
def test_no_credential_stands_in_clear(subject: Subject) -> None:
    """No credential MUST stand in clear text in an object of the release, or in what Airflow shows of itself."""
    subject.settle(holders)  # by then the pods of the first tasks have been seen
    stored = subject.cluster.secrets()
    found = clear_text(subject, stored)
    assert not found, "\n".join(found) + "\nput it into a Secret and refer to that with secretKeyRef"
    strong = strong_credentials(subject, stored)
    shown = shown_by_airflow(subject, strong)
    assert not shown, "\n".join(shown) + "\nset it to non-sensitive-only"
    if subject.only_looks("AF-SCR-002", "the code of DAGs, and whether the list of variables masks a secret"):
        return
    written = shown_in_code(subject, strong)
    assert not written, "\n".join(written) + "\nread it from a connection or a variable, and change what was shown"
    unmasked = shown_as_variable(subject)
    assert not unmasked, unmasked


@requirement("AF-SCR-003")
def test_the_webserver_key_is_one_and_stays(subject: Subject) -> None:
    """All components MUST share one webserver secret key, and an upgrade MUST NOT change it."""
    problems = webserver_key_problems(subject)
    assert not problems, "\n".join(problems)
    refused = lost_sessions(subject)
    assert not refused, (
        f"a user who logged in at another webserver is asked for the password by {', '.join(refused)}: each signs "
        "sessions with a key of its own; is one made up at each start, or set in webserverConfig?"
    )


@requirement("AF-SCR-004")
def test_stored_credentials_can_be_read(subject: Subject) -> None:
    """All components and tasks MUST share the declared Fernet key, and all that is stored MUST be readable with it."""
    problems = fernet_problems(subject)
    assert not problems, "\n".join(problems)
    log = undecrypted_in_a_task(subject)
    assert not log, f"a task cannot decrypt the stored connection postgres_default:\n{log}"


@requirement("AF-SCR-005")
def test_secrets_in_use_exist_and_their_servers_answer(subject: Subject) -> None:
    """Pods SHOULD be able to start again as they are, and servers that Secrets name SHOULD answer their readers."""
    absent = absent_objects(subject)
    assert not absent, "\n".join(absent) + "\nmake it again, or take it out of the values"
    doomed = doomed_claims(subject)
    assert not doomed, "\n".join(doomed)
    refused = not_taken_again(subject)
    assert not refused, (
        "\n".join(refused) + "\nmake again what was deleted, or have the values and the namespace's labels agree"
    )
    found = unreachable_hosts(subject)
    assert not found, "\n".join(found) + "\ncorrect the host name in the values from which the Secret is made"


@requirement("AF-SCR-006")
def test_connections_of_the_environment_reach_the_tasks(subject: Subject) -> None:
    """Connections and variables that the scheduler's environment defines MUST be defined where tasks run."""
    missing = missing_names(subject) + missing_files(subject) + missing_backend(subject)
    assert not missing, "\n".join(missing)
