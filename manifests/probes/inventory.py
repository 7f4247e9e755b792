"""Prints as JSON what the metadata database holds: by table, fingerprints of every value by column and primary key.

Beside that the server's own name of the database, which PgBouncer calls otherwise, and the identity of its data
directory, where PostgreSQL tells them.

Two inventories tell what was lost or changed between them, also when the schema was migrated meanwhile, and hold no
secret. Runs in an Airflow container with that image's SQLAlchemy; imports no Airflow, which would take seconds.
"""

import contextlib
import hashlib
import json

import sqlalchemy
from database_engine import engine


def fingerprint(value):
    raw = bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
    return hashlib.sha256(raw).hexdigest()[:8]


found, server, name = {}, None, None
with engine.connect() as database:
    inspector = sqlalchemy.inspect(database)
    for table in inspector.get_table_names():
        keys = inspector.get_pk_constraint(table)["constrained_columns"]
        columns = [column["name"] for column in inspector.get_columns(table)]
        quoted = ", ".join(f'"{column}"' for column in columns)
        rows = {}
        # As text, so that a column whose type was migrated still has the same fingerprint for the same value.
        for row in database.execute(sqlalchemy.text(f'select {quoted} from "{table}"')):
            values = dict(zip(columns, row, strict=True))
            key = " ".join(str(values[column]) for column in keys or columns)
            rows[key] = [None if value is None else fingerprint(value) for value in row]
        found[table] = {"columns": columns, "keys": keys, "rows": rows}
    with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):  # not PostgreSQL, or not allowed
        name = database.execute(sqlalchemy.text("select current_database()")).scalar()
        server = database.execute(sqlalchemy.text("select system_identifier::text from pg_control_system()")).scalar()
print(json.dumps({"server": server, "database": name, "tables": found}))
