"""Prints as JSON how the Celery app of this container talks to its broker, as it is when everything is read."""

import json

from airflow.providers.celery.executors.celery_executor_utils import app

options = app.conf.broker_transport_options or {}
found = {
    "broker": (app.conf.broker_url or "").split("://")[0],
    "visibility_timeout": options.get("visibility_timeout"),
    "acks_late": app.conf.task_acks_late,
}
print(json.dumps(found))
