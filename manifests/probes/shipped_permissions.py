"""Prints as JSON the permissions that this image's Airflow gives to the roles Viewer, User, Op and Admin.

Each is `can_read on DAGs`. Parses the security manager's file: importing Airflow would take seconds. Prints an empty
object where that file is not where Airflow 2.8 to 2.10 have it.
"""

import ast
import importlib.util
import json
import pathlib

ROLES = ("VIEWER", "USER", "OP", "ADMIN")

package = pathlib.Path(importlib.util.find_spec("airflow").origin).parent
words = {}
for node in ast.parse((package / "security" / "permissions.py").read_text()).body:
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
        words[node.targets[0].id] = node.value.value
lists = {}
for folder in ("providers/fab/auth_manager", "auth/managers/fab"):  # since 2.9, before
    path = package / folder / "security_manager" / "override.py"
    for node in ast.walk(ast.parse(path.read_text() if path.exists() else "")):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.List):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = getattr(target, "id", "")
            if name in [f"{role}_PERMISSIONS" for role in ROLES]:
                pairs = [[words.get(getattr(part, "attr", "")) for part in pair.elts] for pair in node.value.elts]
                lists[name] = [f"{action} on {resource}" for action, resource in pairs if action and resource]
shipped, held = {}, []
for role in ROLES:  # each role holds what the one before it holds
    held = held + lists.get(f"{role}_PERMISSIONS", [])
    shipped[role.title()] = held
print(json.dumps(shipped if all(f"{role}_PERMISSIONS" in lists for role in ROLES) else {}))
