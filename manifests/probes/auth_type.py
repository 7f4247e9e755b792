"""Prints as JSON how people log in here, by the number that AUTH_TYPE has in webserver_config.py; 1 is the database.

Reads that file as Flask does; imports no more of Airflow than the file itself.
"""

import configparser
import json
import os
import pathlib
import types

home = os.environ.get("AIRFLOW_HOME", "/opt/airflow")
config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(pathlib.Path(home, "airflow.cfg"))
given = os.environ.get("AIRFLOW__WEBSERVER__CONFIG_FILE") or config.get("webserver", "config_file", fallback="")
path = pathlib.Path(given or pathlib.Path(home, "webserver_config.py"))
module = types.ModuleType("config")
module.__file__ = str(path)
if path.is_file():
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
print(json.dumps(int(getattr(module, "AUTH_TYPE", 1))))
