"""Prints as JSON how people log in here, and what they become.

`type` is the number that AUTH_TYPE has in webserver_config.py; 1 is the database. `registers` is the role of all who
come from elsewhere for the first time, empty where none does. `chosen` tells whether something else may decide who may.

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
way = int(getattr(module, "AUTH_TYPE", 1))
# The form by which users of the database register does not work without more packages and keys.
registers = way != 1 and getattr(module, "AUTH_USER_REGISTRATION", False)
by_rule = way == 4 and getattr(module, "AUTH_USER_REGISTRATION_ROLE_JMESPATH", None)
found = {
    "type": way,
    "registers": str(getattr(module, "AUTH_USER_REGISTRATION_ROLE", "")) if registers and not by_rule else "",
    "chosen": way != 2 or bool(getattr(module, "AUTH_LDAP_SEARCH_FILTER", "")),
}
print(json.dumps(found))
