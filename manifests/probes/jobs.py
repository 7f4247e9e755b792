"""Prints as JSON the schedulers that the metadata database knows: id, hostname, seconds, seconds, state, type.

Arguments: types of jobs that are wanted instead, as Airflow calls them.
The first seconds are those since the latest heartbeat, the second those from the start to the latest heartbeat.
Runs in an Airflow container with that image's SQLAlchemy; imports no Airflow, which would take seconds.
"""

import json
import sys

import sqlalchemy
from database_engine import engine

jobs = sqlalchemy.text(
    "select id, hostname, extract(epoch from now() - latest_heartbeat),"
    " extract(epoch from latest_heartbeat - start_date), state, job_type"
    " from job where job_type in :types and latest_heartbeat is not null order by id"
).bindparams(sqlalchemy.bindparam("types", sys.argv[1:] or ["SchedulerJob"], expanding=True))
with engine.connect() as database:
    print(json.dumps([[*row[:2], float(row[2]), float(row[3]), *row[4:]] for row in database.execute(jobs)]))
