"""How this container reaches its metadata database, as Airflow itself would: `engine`.

No probe of its own: `Subject.ask_in` puts this text in the place of the line with which other probes import it. Imports
no Airflow, which would take seconds, unless the address is hidden in a command or a secrets backend, or more than the
address counts: arguments of the driver, or what the site does at each connection (tokens of a cloud, certificates),
without which the database refuses.
"""

import configparser
import os
import pathlib
import re

import sqlalchemy

config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(pathlib.Path(os.environ.get("AIRFLOW_HOME", "/opt/airflow"), "airflow.cfg"))


def option(name):
    """An option of [database], which was in [core] once."""
    variables = (f"AIRFLOW__{section}__{name.upper()}" for section in ("DATABASE", "CORE"))
    given = next(filter(None, map(os.environ.get, variables)), "")
    return given or config.get("database", name, fallback="")


def opens(engine):
    """Whether the database lets this container in; the connection is kept for whoever is next."""
    try:
        engine.connect().close()
    except sqlalchemy.exc.SQLAlchemyError:
        return False
    return True


url = option("sql_alchemy_conn")
if not url:
    from airflow.configuration import conf

    url = conf.get("database", "sql_alchemy_conn")
# As Airflow does (`_upgrade_postgres_metastore_conn`): SQLAlchemy 1.4 no longer knows the old names.
engine = sqlalchemy.create_engine(re.sub(r"^postgres(\+psycopg2)?://", "postgresql://", url))
if option("sql_alchemy_connect_args") or not opens(engine):
    from airflow.settings import engine
