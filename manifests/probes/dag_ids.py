"""Prints as JSON `files` of a DAG folder that define a DAG, by its id; only ids that are written as a text are seen.

And which Python files Airflow does not parse, with the option or file that keeps it from that, as `passed_over`.
Argument: the folder. Airflow itself tells which files it parses (.airflowignore, safe mode).
"""

import ast
import json
import pathlib
import sys

from airflow.utils.file import list_py_file_paths

folder = sys.argv[1]
present = [str(path) for path in pathlib.Path(folder).rglob("*.py")]  # first, as the checkout may be exchanged
parsed = set(list_py_file_paths(folder, include_examples=False))
allowed = set(list_py_file_paths(folder, safe_mode=False, include_examples=False))
found = {}
for path in parsed:
    try:
        tree = ast.parse(pathlib.Path(path).read_text())
    except (OSError, SyntaxError, ValueError):
        continue
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("DAG", "dag"):
            given = [word.value for word in node.keywords if word.arg == "dag_id"] or node.args[:1]
            for one in given:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    found.setdefault(one.value, set()).add(path)
passed_over = {
    path: "[core] dag_discovery_safe_mode" if path in allowed else ".airflowignore"
    for path in present
    if path not in parsed
}
print(json.dumps({"files": {dag_id: sorted(paths) for dag_id, paths in found.items()}, "passed_over": passed_over}))
