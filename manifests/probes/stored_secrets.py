"""Prints as JSON which encrypted connections and variables of the metadata database this container cannot decrypt.

Also what is stored without encryption: variables and passwords of connections (`clear`), and by connection the names of
the texts in its extra (`extras`).

Arguments: the key of fingerprints, then the names of variables whose decrypted value is reported as a fingerprint.
Imports no Airflow, which would take seconds, unless the Fernet key is hidden in a command or a secrets backend.
"""

import configparser
import hashlib
import hmac
import json
import os
import pathlib
import sys

import sqlalchemy
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from database_engine import engine

key, wanted = sys.argv[1], sys.argv[2:]
config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(pathlib.Path(os.environ.get("AIRFLOW_HOME", "/opt/airflow"), "airflow.cfg"))
keys = os.environ.get("AIRFLOW__CORE__FERNET_KEY") or config.get("core", "fernet_key", fallback="")
if not keys:
    from airflow.configuration import conf

    keys = conf.get("core", "fernet_key")
fernet = MultiFernet([Fernet(part.strip().encode()) for part in keys.split(",")])
stored = {
    "connection": "select conn_id, password from connection where is_encrypted",
    "connection (extra)": "select conn_id, extra from connection where is_extra_encrypted",
    "variable": "select key, val from variable where is_encrypted",
}
clear = {
    "connection": "select conn_id from connection where coalesce(password, '') <> '' and is_encrypted is not true",
    "variable": "select key from variable where coalesce(val, '') <> '' and is_encrypted is not true",
}
CLEAR_EXTRAS = (
    "select conn_id, extra from connection where coalesce(extra, '') <> '' and is_extra_encrypted is not true"
)


def names(extra):
    """Of the texts in JSON, however deep; none in what is no JSON."""
    try:
        return sorted(_named(json.loads(extra)))
    except ValueError:
        return []


def _named(value, name=""):
    if isinstance(value, str):
        return {name} if value else set()
    inside = (
        value.items() if isinstance(value, dict) else [(name, one) for one in value] if isinstance(value, list) else ()
    )
    return {found for key, one in inside for found in _named(one, key)}


found = {"unreadable": [], "read": 0, "variables": {}}
with engine.connect() as database:
    found["clear"] = sorted(
        f"{kind} {row[0]}" for kind, statement in clear.items() for row in database.execute(sqlalchemy.text(statement))
    )
    found["extras"] = {name: names(extra) for name, extra in database.execute(sqlalchemy.text(CLEAR_EXTRAS))}
    for kind, statement in stored.items():
        for name, secret in database.execute(sqlalchemy.text(statement)):
            if not secret:
                continue
            try:
                value = fernet.decrypt(secret.encode())
            except InvalidToken:
                found["unreadable"].append(f"{kind} {name}")
                continue
            found["read"] += 1
            if kind == "variable" and name in wanted:
                found["variables"][name] = hmac.new(key.encode(), value, hashlib.sha256).hexdigest()[:12]
print(json.dumps(found))
