"""Prints as JSON the pod template that this scheduler uses for task pods: where it is, whether it is there, its text.

Reads the option as Airflow does, from the environment first; imports no Airflow, which would take seconds.
"""

import configparser
import json
import os
import pathlib

home = os.environ.get("AIRFLOW_HOME", "/opt/airflow")
config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(os.environ.get("AIRFLOW_CONFIG") or pathlib.Path(home, "airflow.cfg"))
sections, key = ("kubernetes_executor", "kubernetes"), "pod_template_file"  # the older name comes second
given = [os.environ.get(f"AIRFLOW__{section}__{key}".upper()) for section in sections]
path = next(filter(None, [*given, *(config.get(section, key, fallback="") for section in sections)]), "")
file = pathlib.Path(path)
kind = "none" if not path else "file" if file.is_file() else "directory" if file.is_dir() else "missing"
print(json.dumps({"path": path, "kind": kind, "text": file.read_text() if kind == "file" else ""}))
