"""Prints as JSON how the Celery app of this container talks to its broker, as it is when everything is read.

`results` tells where results of tasks are kept, without user and password; `time_limits` after how many seconds Celery
ends a task, null for never.
"""

import json
from urllib.parse import urlsplit

import sqlalchemy
from airflow.providers.celery.executors.celery_executor_utils import app

options = app.conf.broker_transport_options or {}
stored = app.conf.result_backend or ""
if stored.startswith("db+"):  # Celery hands it to SQLAlchemy, which lets a password hold what splits other addresses
    url = sqlalchemy.engine.make_url(stored.removeprefix("db+"))
    scheme, host, port, path = url.drivername, (url.host or "").lower(), url.port, f"/{url.database or ''}"
else:
    url = urlsplit(stored)
    scheme, host, port, path = url.scheme, url.hostname or "", url.port, url.path
found = {
    "broker": (app.conf.broker_url or "").split("://")[0],
    "visibility_timeout": options.get("visibility_timeout"),
    "acks_late": app.conf.task_acks_late,
    "time_limits": {name: app.conf[name] for name in ("task_time_limit", "task_soft_time_limit")},
    "ignores_results": app.conf.task_ignore_result,
    "results": f"{scheme.split('+')[0]}://{host}:{port or ''}{path}",
}
print(json.dumps(found))
