"""Prints as JSON the text of a value that a task pushed, as this container's XCom backend fetches it; null for none.

Arguments: the ids of the DAG, of the run and of the task.
"""

import json
import sys

from airflow.models.xcom import XCom

dag_id, run_id, task_id = sys.argv[1:]
value = XCom.get_one(key="return_value", dag_id=dag_id, run_id=run_id, task_id=task_id)
print(json.dumps(None if value is None else str(value)))
