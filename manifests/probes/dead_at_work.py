"""Prints as JSON the tasks that count as running and have sent no heartbeat for some seconds, the first argument.

Each as [id of the DAG, id of the task, id of the run, host, pool, last heartbeat], the oldest first. A task without a
job is none of them: `airflow dags test` runs it so. Runs in an Airflow container with that image's SQLAlchemy; imports
no Airflow, which would take seconds.
"""

import datetime
import json
import sys

import sqlalchemy
from database_engine import engine

dead = sqlalchemy.text(
    "select ti.dag_id, ti.task_id, ti.run_id, ti.hostname, ti.pool, job.latest_heartbeat"
    " from task_instance ti join job on job.id = ti.job_id"
    " where ti.state = 'running' and job.job_type = 'LocalTaskJob' and job.latest_heartbeat < :before"
    " order by job.latest_heartbeat"
)
# By this clock Airflow itself judges; `datetime.UTC` is only in Python 3.11, and images have older ones.
now = datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017
with engine.connect() as database:
    rows = database.execute(dead, {"before": now - datetime.timedelta(seconds=float(sys.argv[1]))})
    print(json.dumps([[*row[:5], str(row[5])[:19]] for row in rows]))
