"""Prints as JSON who is connected to this container's PostgreSQL database: [client address, application name].

Sessions that this database user may not look into are left out. Imports no Airflow, which would take seconds.
"""

import json

import sqlalchemy
from database_engine import engine

sessions = sqlalchemy.text(
    "select distinct host(client_addr), application_name from pg_stat_activity"
    " where datname = current_database() and client_addr is not null and pid <> pg_backend_pid()"
)
with engine.connect() as database:
    print(json.dumps([list(row) for row in database.execute(sessions)]))
