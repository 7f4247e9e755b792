"""Prints a fingerprint of the key with which this container signs requests for logs ([webserver] secret_key)."""

import configparser
import hashlib
import json
import os
import pathlib

config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(pathlib.Path(os.environ.get("AIRFLOW_HOME", "/opt/airflow"), "airflow.cfg"))
key = os.environ.get("AIRFLOW__WEBSERVER__SECRET_KEY") or config.get("webserver", "secret_key", fallback="")
print(json.dumps(hashlib.sha256(key.encode()).hexdigest()[:8] if key else ""))
