"""Where this container's metadata database is, as Airflow itself would find it: `url`.

No probe of its own: `Subject.ask_in` puts this text in the place of the other probes' `from database_url import url`.
Imports no Airflow, which would take seconds, unless the address is hidden in a command or a secrets backend.
"""

import configparser
import os
import pathlib
import re

config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(pathlib.Path(os.environ.get("AIRFLOW_HOME", "/opt/airflow"), "airflow.cfg"))
url = (
    os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    or os.environ.get("AIRFLOW__CORE__SQL_ALCHEMY_CONN")
    or config.get("database", "sql_alchemy_conn", fallback="")
)
if not url:
    from airflow.configuration import conf

    url = conf.get("database", "sql_alchemy_conn")
# As Airflow does (`_upgrade_postgres_metastore_conn`): SQLAlchemy 1.4 no longer knows the old names.
url = re.sub(r"^postgres(\+psycopg2)?://", "postgresql://", url)
