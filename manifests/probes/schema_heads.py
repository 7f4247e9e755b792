"""Prints as JSON the schema heads that this image's own migrations lead to, and the Airflow version it carries.

Parses the migration files: importing Airflow would take seconds.
"""

import ast
import importlib.metadata
import importlib.util
import json
import pathlib

package = pathlib.Path(importlib.util.find_spec("airflow").origin).parent
revisions, parents = set(), set()
for path in (package / "migrations" / "versions").glob("*.py"):
    for node in ast.parse(path.read_text()).body:
        name = getattr(node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None), "id", "")
        if name in ("revision", "down_revision"):  # the latter is a tuple where two lines of migrations meet
            ids = {part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant) and part.value}
            (revisions if name == "revision" else parents).update(ids)
print(json.dumps({"heads": sorted(revisions - parents), "airflow": importlib.metadata.version("apache-airflow")}))
