"""Prints as JSON who is connected to this container's PostgreSQL database: [client address, application name].

Sessions that this database user may not look into are left out. Imports no Airflow, which would take seconds.
"""

import configparser
import json
import os
import pathlib

import sqlalchemy

config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(pathlib.Path(os.environ.get("AIRFLOW_HOME", "/opt/airflow"), "airflow.cfg"))
url = (
    os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    or os.environ.get("AIRFLOW__CORE__SQL_ALCHEMY_CONN")
    or config.get("database", "sql_alchemy_conn", fallback="")
)
sessions = sqlalchemy.text(
    "select distinct host(client_addr), application_name from pg_stat_activity"
    " where datname = current_database() and client_addr is not null and pid <> pg_backend_pid()"
)
engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
with engine.connect() as database:
    print(json.dumps([list(row) for row in database.execute(sessions)]))
