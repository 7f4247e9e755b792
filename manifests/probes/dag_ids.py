"""Prints as JSON the files of a DAG folder that define a DAG, by its id; only ids that are written as a text are seen.

Argument: the folder. Airflow itself tells which files it parses (.airflowignore, safe mode).
"""

import ast
import json
import pathlib
import sys

from airflow.utils.file import list_py_file_paths

found = {}
for path in list_py_file_paths(sys.argv[1], include_examples=False):
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
print(json.dumps({dag_id: sorted(paths) for dag_id, paths in found.items()}))
