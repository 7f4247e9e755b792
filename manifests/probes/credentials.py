"""Prints as JSON which credentials this container uses, as fingerprints; never a value.

Arguments: the key of the fingerprints, then options as `section.option`.
Reads the environment and airflow.cfg in Airflow's order; imports Airflow only where a secrets backend is asked.
"""

import base64
import binascii
import configparser
import hashlib
import hmac
import json
import os
import pathlib
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

key, options = sys.argv[1], sys.argv[2:]
config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(pathlib.Path(os.environ.get("AIRFLOW_HOME", "/opt/airflow"), "airflow.cfg"))
DEPRECATED = {"database.sql_alchemy_conn": "core.sql_alchemy_conn"}


def effective(name):
    """An option's value and where it comes from."""
    section, option = name.split(".")
    variable = f"AIRFLOW__{section.upper()}__{option.upper()}"
    if variable in os.environ:
        return os.environ[variable], variable
    if command := os.environ.get(f"{variable}_CMD"):
        return subprocess.run(command, shell=True, capture_output=True, text=True).stdout, f"{variable}_CMD"
    if f"{variable}_SECRET" in os.environ:
        from airflow.configuration import conf

        return conf.get(section, option), f"{variable}_SECRET"
    if name in DEPRECATED:
        value, source = effective(DEPRECATED[name])
        if source:
            return value, source
    if config.has_option(section, option):
        return config.get(section, option), f"airflow.cfg [{section}]"
    for hidden in (f"{option}_cmd", f"{option}_secret"):
        if config.has_option(section, hidden):
            from airflow.configuration import conf

            return conf.get(section, option), f"airflow.cfg [{section}] {hidden}"
    return "", ""


def is_fernet(text):
    """Whether a text is a Fernet key, or several, the newest one first."""
    try:
        return all(len(base64.urlsafe_b64decode(part.strip())) == 32 for part in text.split(","))
    except (binascii.Error, ValueError):
        return False


def fingerprint(text):
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:12]


found = {}
for name in options:
    value, source = effective(name)
    parts = urlsplit(value) if "://" in value else urlsplit("")
    found[name] = {
        "fingerprint": fingerprint(value) if value else "",
        "source": source,
        "application_name": parse_qs(parts.query).get("application_name", [""])[0],
        "is_fernet": is_fernet(value),
        # As the DAG conformance_facts tells it.
        "sha256": hashlib.sha256(value.encode()).hexdigest()[:8] if name == "core.fernet_key" else "",
    }
prefixes = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")
names = {name: fingerprint(value) for name, value in os.environ.items() if name.startswith(prefixes)}
print(json.dumps({"options": found, "names": names}))
