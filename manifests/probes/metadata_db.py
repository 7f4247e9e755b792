"""Prints as JSON which metadata database this container uses, and what it finds there.

Arguments: a DAG run id to look for, then ids of connections whose stored form is reported.
Runs in an Airflow container with that image's SQLAlchemy; imports no Airflow, which would take seconds.
"""

import json
import sys

import sqlalchemy
from database_engine import engine

run_id, connection_ids = sys.argv[1], sys.argv[2:]
asked = engine.url.query.get("host", "")
host = (engine.url.host or (asked if isinstance(asked, str) else ",".join(asked))).lower()  # as conformance_facts does
found = {"dialect": engine.dialect.name, "host": host, "database": engine.url.database}
try:
    with engine.connect() as database:

        def rows(statement, **values):
            return [list(row) for row in database.execute(sqlalchemy.text(statement), values)]

        if engine.dialect.name == "postgresql":
            server = rows("select host(inet_server_addr()), inet_server_port(), pg_postmaster_start_time()::text")
            found["server"] = server[0]
        found["heads"] = [head for (head,) in rows("select version_num from alembic_version")]
        found["run"] = [state for (state,) in rows("select state from dag_run where run_id = :id", id=run_id)]
        stored = "select is_encrypted, password is not null and password <> '' from connection where conn_id = :id"
        found["connections"] = {id: rows(stored, id=id) for id in connection_ids}
except sqlalchemy.exc.SQLAlchemyError as error:
    found["error"] = str(error).splitlines()[0]
print(json.dumps(found))
