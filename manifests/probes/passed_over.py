"""Prints as JSON the Python files of a DAG folder that Airflow does not parse, each with what keeps it from that.

Argument: the folder. Airflow itself tells which files it parses (.airflowignore, safe mode).
"""

import json
import pathlib
import sys

from airflow.utils.file import list_py_file_paths

folder = sys.argv[1]
present = [str(path) for path in pathlib.Path(folder).rglob("*.py")]  # first, as the checkout may be exchanged
parsed = set(list_py_file_paths(folder, include_examples=False))
allowed = set(list_py_file_paths(folder, safe_mode=False, include_examples=False))
hidden = [path for path in present if path not in parsed]
print(json.dumps({path: "[core] dag_discovery_safe_mode" if path in allowed else ".airflowignore" for path in hidden}))
