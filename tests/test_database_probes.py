"""Probes that look at the metadata database, and the task that tells of it, in a real Airflow's environment."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures import process
from fixtures.dagfiles import DAGS
from fixtures.faults import VARIATIONS
from fixtures.subject import PROBES
from tests.real_airflow import COLD_SECONDS, environment

pytestmark = pytest.mark.timeout(COLD_SECONDS)

APP = """
from types import SimpleNamespace
class Options(dict):
    __getattr__ = dict.get
app = SimpleNamespace(conf=Options(
    broker_url="redis://r", result_backend="{backend}", task_time_limit=None, task_soft_time_limit=None))
"""

SETTINGS = """
from sqlalchemy import event
from sqlalchemy.engine import Engine
arguments = {{"timeout": 5}}
@event.listens_for(Engine, "do_connect")
def lead(dialect, record, words, named):
    words[0] = "{real}"
"""


def told(home: Path, probe: str, *arguments: str, **options: str) -> Any:
    """What a probe says in a container with these options."""
    answer = process.run(
        [environment() / "bin" / "python", PROBES / f"{probe}.py", *arguments],
        env={"AIRFLOW_HOME": str(home), **options},
        deadline=120,
    )
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("place", "host", "database"),
    [
        ("u:p#w?d/s@LocalHost:1/airflow", "localhost", "airflow"),
        ("u:p@/airflow?host=/nowhere", "/nowhere", "airflow"),
        ("u:p@/airflow?host=127.0.0.1:1&host=127.0.0.2:1", "127.0.0.1:1,127.0.0.2:1", "airflow"),
    ],
)
def test_a_task_and_a_component_tell_the_same_place(tmp_path: Path, place: str, host: str, database: str) -> None:
    options = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql://{place}"}
    component = told(tmp_path, "metadata_db", "a run", **options)
    task = told(tmp_path, "as_a_task_sees", (DAGS / "conformance_facts.py").read_text(), "{}", **options)
    assert (component["host"], component["database"]) == (host, database)
    assert (task["metadata_host"], task["metadata_database"]) == (host, database)
    assert "p#w" not in str((component, task))


@pytest.mark.parametrize("scheme", ["postgres", "postgres+psycopg2", "postgresql+psycopg2"])
def test_an_address_of_the_database_that_airflow_corrects_is_corrected(tmp_path: Path, scheme: str) -> None:
    component = told(
        tmp_path, "metadata_db", "a run", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"{scheme}://u@127.0.0.1:1/a"
    )
    assert component["dialect"] == "postgresql" and "refused" in component["error"]


@pytest.mark.parametrize(
    ("place", "options"),
    [
        ("nowhere/airflow.db", {}),
        ("other.db", {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "airflow_local_settings.arguments"}),
    ],
    ids=["refused without", "arguments of the driver"],
)
def test_what_the_site_does_at_each_connection_is_done(tmp_path: Path, place: str, options: dict[str, str]) -> None:
    (tmp_path / "config").mkdir()
    real = environment() / "home" / "airflow.db"
    (tmp_path / "config" / "airflow_local_settings.py").write_text(SETTINGS.format(real=real))
    address = f"sqlite:///{tmp_path / place}"
    component = told(tmp_path, "metadata_db", "a run", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=address, **options)
    assert component["heads"] and "error" not in component


@pytest.mark.parametrize(
    ("backend", "results"),
    [
        ("db+postgresql://u:p#w/d@PG:5432/airflow?sslmode=disable", "postgresql://pg:5432/airflow"),
        ("db+postgresql://u:p@pg/airflow", "postgresql://pg:/airflow"),
        ("redis://:p@r:6379/1", "redis://r:6379/1"),
    ],
)
def test_where_results_are_kept_is_told_without_a_password(tmp_path: Path, backend: str, results: str) -> None:
    utils = tmp_path / "airflow" / "providers" / "celery" / "executors" / "celery_executor_utils.py"
    utils.parent.mkdir(parents=True)
    utils.write_text(APP.format(backend=backend))
    assert told(tmp_path, "celery_options", PYTHONPATH=str(tmp_path))["results"] == results


def test_what_an_xcom_backend_keeps_elsewhere_is_fetched(tmp_path: Path) -> None:
    """With the backend of variation B-123, in whose place Airflow's API shows where a value is."""
    (before,) = yaml.safe_load((VARIATIONS / "B-123.yaml").read_text())["inject"]["before"]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "site_xcom.py").write_text(before["apply"]["data"]["site_xcom.py"])
    shutil.copy(environment() / "home" / "airflow.db", tmp_path / "airflow.db")
    stored = json.dumps(f"ref:{base64.b64encode(json.dumps([1, 'a']).encode()).decode()}").encode()
    with closing(sqlite3.connect(tmp_path / "airflow.db")) as database, database:
        database.execute(
            "insert into dag_run (id, dag_id, run_id, run_type, execution_date, clear_number)"
            " values (1, 'd', 'r', 'manual', '2024-01-01 00:00:00.000000', 0)"
        )
        database.execute(
            "insert into xcom (dag_run_id, dag_id, run_id, task_id, map_index, key, timestamp, value)"
            " values (1, 'd', 'r', 't', -1, 'return_value', '2024-01-01 00:00:00.000000', ?)",
            [stored],
        )
    options = {
        "AIRFLOW__CORE__XCOM_BACKEND": "site_xcom.Referring",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
    }
    assert told(tmp_path, "xcom", "d", "r", "t", **options) == "[1, 'a']"
    assert told(tmp_path, "xcom", "d", "r", "other", **options) is None


def packages(home: Path, *files: str) -> str:
    """A folder with these files, for modules."""
    for file in files:
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).touch()
    return str(home)


def test_a_task_tells_which_modules_are_there_and_imports_none(tmp_path: Path) -> None:
    """In plugins too, and below packages, also those of several places; of what code makes itself nothing is known."""
    site = tmp_path / "site"
    path = packages(site, "own/__init__.py", "own/tables.py", "spread/one/two.py", "single.py")
    (site / "own" / "__init__.py").write_text("raise SystemExit")
    packages(tmp_path / "plugins", "team_library.py")
    there = [
        "own",
        "own.tables",
        "spread",
        "single",
        "single.made",
        "team_library",
        "airflow.providers.http.hooks.http",
    ]
    missing = ["own.reports", "gone", "gone.tables", "spread.other", "airflow.providers.of_nobody"]
    source, conf = (DAGS / "conformance_facts.py").read_text(), json.dumps({"modules": [*there, *missing]})
    address = "postgresql://u@127.0.0.1:1/a"
    told_of = told(
        tmp_path, "as_a_task_sees", source, conf, PYTHONPATH=path, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=address
    )["modules"]
    assert told_of == {**dict.fromkeys(there, True), **dict.fromkeys(missing, False)}


SOURCE = """
import os, team.tables
from __future__ import annotations
from team_library import EURO
from airflow import DAG
from . import beside
try:
    import perhaps
except ImportError:
    perhaps = None
def later():
    import at_work
"""


def test_what_dag_files_import_in_any_case_is_told(tmp_path: Path) -> None:
    """Not what comes with Python, what a file can do without, nor what one imports that defines no DAG.

    Nor what only tasks need that go to other workers, or have an image of their own.
    """
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "report.py").write_text(f"{SOURCE}with DAG('report'):\n    pass\n")
    (dags / "gpu.py").write_text("import torch\nwith DAG('gpu', default_args={'queue': 'gpu'}):\n    pass  # airflow\n")
    (dags / "own.py").write_text("import own\nwith DAG('own'):\n    airflow(executor_config={'pod_override': x})\n")
    (dags / "helper.py").write_text("import of_a_helper  # of a dag for airflow\n")
    found = told(tmp_path, "dag_ids", str(dags))
    assert found["files"] == {name: [f"{dags}/{name}.py"] for name in ("gpu", "own", "report")}
    assert found["imports"] == dict.fromkeys(["team.tables", "team_library", "airflow"], f"{dags}/report.py")


def test_only_tasks_that_are_dead_for_long_count_as_dead_at_work(tmp_path: Path) -> None:
    shutil.copy(environment() / "home" / "airflow.db", tmp_path / "airflow.db")
    now = datetime.now(UTC)
    with closing(sqlite3.connect(tmp_path / "airflow.db")) as database, database:
        database.execute(
            "insert into dag_run (id, dag_id, run_id, run_type, execution_date, clear_number)"
            " values (1, 'd', 'r', 'backfill', '2024-01-01 00:00:00.000000', 0)"
        )
        for job, (task, state, hours) in enumerate(
            [("old", "running", 3), ("older", "running", 4), ("ended", "success", 3), ("alive", "running", 0)], start=1
        ):
            beat = (now - timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S.%f")
            database.execute(
                "insert into job (id, job_type, state, latest_heartbeat) values (?, 'LocalTaskJob', 'running', ?)",
                [job, beat],
            )
            database.execute(
                "insert into task_instance (dag_id, task_id, run_id, map_index, state, job_id, hostname, pool,"
                " pool_slots) values ('d', ?, 'r', -1, ?, ?, 'host', 'default_pool', 1)",
                [task, state, job],
            )
        database.execute(
            "insert into task_instance (dag_id, task_id, run_id, map_index, state, pool, pool_slots)"
            " values ('d', 'by hand', 'r', -1, 'running', 'default_pool', 1)"
        )
    address = f"sqlite:///{tmp_path / 'airflow.db'}"
    dead = told(tmp_path, "dead_at_work", "7200", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=address)
    assert [row[1] for row in dead] == ["older", "old"]
    assert dead[0][2:5] == ["r", "host", "default_pool"]
    assert dead[0][5] == (now - timedelta(hours=4)).strftime("%Y-%m-%d %H:%M:%S")
