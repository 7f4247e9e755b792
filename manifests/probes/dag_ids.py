"""Prints as JSON `files` of a DAG folder that define a DAG, by its id; only ids that are written as a text are seen.

And `imports`: by module, a file with a DAG that imports it in any case, without modules that come with Python, and
without files whose tasks may run where others do not, by a queue or in an image of their own.
Argument: the folder. Airflow itself tells which files it parses (.airflowignore, safe mode).
"""

import ast
import json
import pathlib
import sys

from airflow.utils.file import list_py_file_paths

found, imports = {}, {}
ELSEWHERE = {"queue", "executor_config"}
WITH_PYTHON = {"__future__", *getattr(sys, "stdlib_module_names", ())}


def imported(tree):
    """Modules that the statements of a file's first level import."""
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            yield statement.module


for path in sorted(list_py_file_paths(sys.argv[1], include_examples=False)):
    try:
        tree = ast.parse(pathlib.Path(path).read_text())
    except (OSError, SyntaxError, ValueError):
        continue
    defines = elsewhere = False
    for node in ast.walk(tree):
        if getattr(node, "arg", "") in ELSEWHERE or (isinstance(node, ast.Constant) and node.value in ELSEWHERE):
            elsewhere = True
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("DAG", "dag"):
            defines = True
            given = [word.value for word in node.keywords if word.arg == "dag_id"] or node.args[:1]
            for one in given:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    found.setdefault(one.value, set()).add(path)
    for name in imported(tree) if defines and not elsewhere else ():
        if name.partition(".")[0] not in WITH_PYTHON:
            imports.setdefault(name, path)
print(json.dumps({"files": {dag_id: sorted(paths) for dag_id, paths in found.items()}, "imports": imports}))
