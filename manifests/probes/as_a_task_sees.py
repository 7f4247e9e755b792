"""Prints what the task of conformance_facts would tell if it ran in this container.

Arguments: the DAG file's source, and the run's configuration as JSON.
"""

import json
import sys
import types

source, conf = sys.argv[1], json.loads(sys.argv[2])
space = {"__name__": "conformance_facts", "__file__": "conformance_facts.py"}
exec(compile(source, "conformance_facts.py", "exec"), space)
print(space["facts"](dag_run=types.SimpleNamespace(conf=conf)))
