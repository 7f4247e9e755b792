"""Prints as JSON the schedulers that the metadata database knows: id, hostname, seconds, seconds, state.

The first seconds are those since the latest heartbeat, the second those from the start to the latest heartbeat.
Runs in an Airflow container with that image's SQLAlchemy; imports no Airflow, which would take seconds.
"""

import configparser
import json
import os
import pathlib

import sqlalchemy

home = os.environ.get("AIRFLOW_HOME", "/opt/airflow")
config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(pathlib.Path(home, "airflow.cfg"))
url = (
    os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    or os.environ.get("AIRFLOW__CORE__SQL_ALCHEMY_CONN")
    or config.get("database", "sql_alchemy_conn", fallback="")
)
jobs = sqlalchemy.text(
    "select id, hostname, extract(epoch from now() - latest_heartbeat),"
    " extract(epoch from latest_heartbeat - start_date), state"
    " from job where job_type = 'SchedulerJob' order by id"
)
with sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool).connect() as database:
    print(json.dumps([[row[0], row[1], float(row[2]), float(row[3]), row[4]] for row in database.execute(jobs)]))
