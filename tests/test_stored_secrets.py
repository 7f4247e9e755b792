"""The probe stored_secrets on a real Airflow's database: what it calls clear, and what it leaves alone."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fixtures import process
from fixtures.subject import PROBES
from tests.real_airflow import COLD_SECONDS, FERNET_KEY, environment

pytestmark = pytest.mark.timeout(COLD_SECONDS)

CONNECTION = "insert into connection (conn_id, conn_type, password, extra, is_encrypted, is_extra_encrypted) values "
ROWS = (
    CONNECTION + "('warehouse', 'postgres', 'readable', null, false, false)",
    CONNECTION
    + """('lake', 'aws', '', '{"region": "x", "deep": [{"secret": "readable"}], "port": 1}', false, false)""",
    CONNECTION + """('redis', 'redis', null, '{"db": 5}', false, false)""",
    CONNECTION + "('old', 'http', null, 'no JSON', null, null)",
    "insert into variable (key, val, is_encrypted) values ('api_token', 'readable', false), ('none', '', false)",
)


@pytest.mark.parametrize("hidden", [False, True], ids=["given", "by a command"])
def test_what_is_stored_in_clear_is_told(tmp_path: Path, hidden: bool) -> None:
    place, file = environment(), tmp_path / "airflow.db"
    shutil.copy(place / "home" / "airflow.db", file)
    with closing(sqlite3.connect(file)) as database, database:
        for row in ROWS:
            database.execute(row)
    given = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{file}", "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY}
    if hidden:
        given = {f"{name}_CMD": f"printf %s {value}" for name, value in given.items()}
    answer = process.run(
        [place / "bin" / "python", PROBES / "stored_secrets.py", "key"],
        env={"AIRFLOW_HOME": str(tmp_path), **given},
        deadline=60,
    )
    seen = json.loads(answer.stdout.splitlines()[-1])
    assert seen["clear"] == ["connection warehouse", "variable api_token"]
    assert seen["extras"] == {"lake": ["region", "secret"], "redis": [], "old": []}
    assert seen["unreadable"] == []
