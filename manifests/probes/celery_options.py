"""Prints as JSON how the Celery app of this container talks to its broker, as it is when everything is read.

`results` tells where results of tasks are kept, without user and password; `time_limits` after how many seconds Celery
ends a task, null for never.
"""

import json
from urllib.parse import urlsplit

from airflow.providers.celery.executors.celery_executor_utils import app

options = app.conf.broker_transport_options or {}
backend = urlsplit((app.conf.result_backend or "").removeprefix("db+"))
found = {
    "broker": (app.conf.broker_url or "").split("://")[0],
    "visibility_timeout": options.get("visibility_timeout"),
    "acks_late": app.conf.task_acks_late,
    "time_limits": {name: app.conf[name] for name in ("task_time_limit", "task_soft_time_limit")},
    "ignores_results": app.conf.task_ignore_result,
    "results": f"{backend.scheme.split('+')[0]}://{backend.hostname or ''}:{backend.port or ''}{backend.path}",
}
print(json.dumps(found))
