"""Prints as JSON which encrypted connections and variables of the metadata database this container cannot decrypt.

Also which connections have a password that is not encrypted (`clear`).

Arguments: the key of fingerprints, then the names of variables whose decrypted value is reported as a fingerprint.
Uses the Fernet key of the environment; imports no Airflow, which would take seconds.
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

key, wanted = sys.argv[1], sys.argv[2:]
config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(pathlib.Path(os.environ.get("AIRFLOW_HOME", "/opt/airflow"), "airflow.cfg"))


def option(section, name):
    return os.environ.get(f"AIRFLOW__{section.upper()}__{name.upper()}") or config.get(section, name, fallback="")


url = option("database", "sql_alchemy_conn") or option("core", "sql_alchemy_conn")
fernet = MultiFernet([Fernet(part.strip().encode()) for part in option("core", "fernet_key").split(",")])
stored = {
    "connection": "select conn_id, password from connection where is_encrypted",
    "connection (extra)": "select conn_id, extra from connection where is_extra_encrypted",
    "variable": "select key, val from variable where is_encrypted",
}
CLEAR = "select conn_id from connection where coalesce(password, '') <> '' and is_encrypted is not true order by 1"
engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
found = {"unreadable": [], "read": 0, "variables": {}}
with engine.connect() as database:
    found["clear"] = [row[0] for row in database.execute(sqlalchemy.text(CLEAR))]
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
