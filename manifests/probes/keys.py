"""Prints as JSON fingerprints of this container's keys and, given a connection's id, of the password it decrypts to."""

import hashlib
import json
import sys

from airflow.configuration import conf


def fingerprint(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else None


found = {
    "[core] fernet_key": fingerprint(conf.get("core", "fernet_key", fallback="")),
    "[webserver] secret_key": fingerprint(conf.get("webserver", "secret_key", fallback="")),
}
for connection_id in sys.argv[1:]:
    from airflow.exceptions import AirflowException
    from airflow.hooks.base import BaseHook

    try:
        found["password"] = fingerprint(BaseHook.get_connection(connection_id).password)
    except AirflowException as error:
        found["error"] = str(error)
print(json.dumps(found))
