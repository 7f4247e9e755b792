"""Prints as JSON how the metadata database serves this container's own connection.

Runs in an Airflow container with that image's SQLAlchemy; imports no Airflow, which would take seconds. Needs no more
rights than Airflow's own role has. Times are in milliseconds (limits) and seconds (waits).
"""

import json

import sqlalchemy
from database_engine import engine

LIMITS = "select name, setting::bigint from pg_settings where name = any(:names)"
SETTINGS = "select name, setting from pg_settings where name = any(:names)"
WAITERS = """
select waiting.pid, extract(epoch from clock_timestamp() - waiting.query_start)::float, left(waiting.query, 200),
       holder.pid, holder.state, left(holder.query, 200)
from pg_stat_activity waiting
cross join lateral unnest(pg_blocking_pids(waiting.pid)) as blocking(pid)
join pg_stat_activity holder on holder.pid = blocking.pid
where waiting.wait_event_type = 'Lock' and waiting.datname = current_database()
order by 2 desc
"""
# How many sessions there are and may be, by what limits them; a superuser is subject to the server's limit only.
ROOM = """
select 'the server (max_connections)', count(*),
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
from pg_stat_activity where datid is not null
union all
select 'role ' || rolname, (select count(*) from pg_stat_activity where usename = rolname), rolconnlimit
from pg_roles where rolname = current_user and rolconnlimit >= 0 and not rolsuper
union all
select 'database ' || d.datname, (select count(*) from pg_stat_activity a where a.datname = d.datname), datconnlimit
from pg_database d join pg_roles on rolname = current_user
where d.datname = current_database() and datconnlimit >= 0 and not rolsuper
"""
# Why this role could not run a migration, which alters the tables that are there and makes others beside them.
CANNOT_MIGRATE = """
with schema as (select relnamespace as id from pg_class where oid = to_regclass('alembic_version'))
select 'may not create tables in schema ' || nspname from pg_namespace join schema on pg_namespace.oid = id
where not has_schema_privilege(id, 'create')
union all
select 'does not own ' || string_agg(relname, ', ' order by relname) from pg_class join schema on relnamespace = id
where relkind in ('r', 'p') and relname in ('alembic_version', 'dag_run', 'task_instance')
and not pg_has_role(relowner, 'usage')
having count(*) > 0
"""
# What a restore or a replication left out that Airflow does without until two rows are alike. `log` is not among the
# tables, as some sites keep it in partitions of their own.
UNGUARDED = """
with schema as (select relnamespace as id from pg_class where oid = to_regclass('alembic_version'))
select relname || ' has no primary key' from pg_class join schema on relnamespace = id
where relkind in ('r', 'p') and relname = any(array['dag', 'dag_run', 'task_instance', 'job', 'xcom', 'serialized_dag',
    'connection', 'variable', 'slot_pool', 'ab_user', 'ab_role'])
and not exists (select from pg_index where indrelid = pg_class.oid and indisprimary)
order by relname
"""
# Sequences of Airflow's tables with their columns. Copies of rows only, as logical replication makes them, leave a
# sequence where it was, and the next row then gets a number that is taken.
SEQUENCES = """
with schema as (select relnamespace as id from pg_class where oid = to_regclass('alembic_version'))
select counter.oid::regclass::text, owner.oid::regclass::text, quote_ident(attname)
from pg_depend join pg_class counter on counter.oid = objid and counter.relkind = 'S'
join pg_class owner on owner.oid = refobjid join schema on owner.relnamespace = id
join pg_attribute on attrelid = refobjid and attnum = refobjsubid
where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass and deptype in ('a', 'i')
and owner.relname = any(array['dag_run', 'job', 'log', 'log_template', 'trigger', 'task_reschedule', 'task_fail',
    'import_error', 'callback_request', 'connection', 'variable', 'slot_pool', 'dataset', 'dataset_event', 'session',
    'ab_user', 'ab_user_role', 'ab_role', 'ab_permission', 'ab_permission_view', 'ab_permission_view_role',
    'ab_view_menu'])
and has_table_privilege(owner.oid, 'select') and has_table_privilege(counter.oid, 'select')
order by 1
"""
SOON = 1000  # numbers ahead of a sequence; a row further on was given its number by hand
READ_ONLY = "select current_setting('transaction_read_only') = 'on'"

limits = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
settings = ["default_transaction_isolation", "server_encoding", "client_encoding"]
found = {
    "dialect": engine.dialect.name,
    "role": engine.url.username,
    "host": engine.url.host,
    "sslmode": engine.url.query.get("sslmode", ""),
}
if engine.dialect.name == "postgresql":
    try:
        with engine.connect() as database:

            def rows(statement, **values):
                return [list(row) for row in database.execute(sqlalchemy.text(statement), values)]

            found["limits"] = dict(rows(LIMITS, names=limits))
            found["settings"] = dict(rows(SETTINGS, names=settings))
            # Of this end, as TLS may end at a pooler; none where the driver does not tell.
            socket = getattr(database.connection.dbapi_connection, "info", None)
            found["encrypted"] = getattr(socket, "ssl_in_use", None)
            found["room"] = rows(ROOM)
            found["read_only"] = rows(READ_ONLY)[0][0]
            found["cannot_migrate"] = [reason for (reason,) in rows(CANNOT_MIGRATE)]
            found["waiters"] = rows(WAITERS)
            found["damaged"] = [reason for (reason,) in rows(UNGUARDED)]
            for sequence, table, column in rows(SEQUENCES):
                # In this order: who adds a row takes its number first.
                ((highest,),) = rows(f"select coalesce(max({column}), 0) from {table}")
                ((last,),) = rows(f"select case when is_called then last_value else last_value - 1 end from {sequence}")
                near = f"{column} > {last} and {column} <= {last + SOON}"
                ((taken,),) = rows(f"select min({column}) from {table} where {near}") if last < highest else ((None,),)
                if taken is not None:
                    found["damaged"].append(f"{sequence} is at {last}, and {table} holds {column} {taken} already")
    except sqlalchemy.exc.SQLAlchemyError as error:
        found["error"] = str(error).splitlines()[0]
print(json.dumps(found))
