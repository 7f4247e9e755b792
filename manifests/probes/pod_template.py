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
path = os.environ.get("AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE") or config.get(
    "kubernetes_executor", "pod_template_file", fallback=config.get("kubernetes", "pod_template_file", fallback="")
)
file = pathlib.Path(path)
kind = "none" if not path else "file" if file.is_file() else "directory" if file.is_dir() else "missing"
print(json.dumps({"path": path, "kind": kind, "text": file.read_text() if kind == "file" else ""}))
