"""Prints as JSON how many times a task was at work for longer than some seconds, the first argument, in one go.

A task that waits without a worker, as a deferred or rescheduled sensor does, has a duration that spans the waiting;
each time that it is on a worker has a row of its own in table `job`. Runs in an Airflow container with that image's
SQLAlchemy; imports no Airflow, which would take seconds.
"""

import json
import sys

import sqlalchemy
from database_engine import engine

held = sqlalchemy.text(
    "select count(*) from job where job_type = 'LocalTaskJob'"
    " and coalesce(end_date, latest_heartbeat) - start_date > make_interval(secs => :seconds)"
)
with engine.connect() as database:
    print(json.dumps(database.execute(held, {"seconds": float(sys.argv[1])}).scalar()))
