"""Prints as JSON the schedulers that the metadata database knows: id, hostname, seconds, seconds, state.

The first seconds are those since the latest heartbeat, the second those from the start to the latest heartbeat.
Runs in an Airflow container with that image's SQLAlchemy; imports no Airflow, which would take seconds.
"""

import json

import sqlalchemy
from database_url import url

jobs = sqlalchemy.text(
    "select id, hostname, extract(epoch from now() - latest_heartbeat),"
    " extract(epoch from latest_heartbeat - start_date), state"
    " from job where job_type = 'SchedulerJob' order by id"
)
with sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool).connect() as database:
    print(json.dumps([[row[0], row[1], float(row[2]), float(row[3]), row[4]] for row in database.execute(jobs)]))
