"""The probe broker without a broker: which app it asks through, and how it reads addresses.

In the place of Celery, kombu, redis-py and Airflow are a few lines that tell who was asked.
"""

import json
import sys
from pathlib import Path

import pytest

from fixtures import process
from fixtures.subject import PROBES

MODULES = {
    "celery.py": """
from types import SimpleNamespace
class Celery:
    def __init__(self, broker, whose="an app of the suite's"):
        self.conf, self.whose = SimpleNamespace(broker_transport_options={}), whose
    def connection_for_write(self, connect_timeout):
        raise OSError(f"{self.whose} with {self.conf.broker_transport_options}")
""",
    "kombu.py": "class exceptions:\n    class KombuError(Exception): ...\n",
    "redis.py": "class exceptions:\n    class RedisError(Exception): ...\n    NoPermissionError = RedisError\n",
    "airflow/providers/celery/executors/celery_executor_utils.py": (
        "import celery\napp = celery.Celery('', whose='the app of Airflow')\n"
    ),
}
TLS = {"AIRFLOW__CELERY__SSL_ACTIVE": "True"}
PREFIX = {"AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__GLOBAL_KEYPREFIX": "team_"}


REFUSING = """
from types import SimpleNamespace
from redis.exceptions import NoPermissionError
def refuse(*_):
    raise NoPermissionError("this user has no permissions to run the 'info' command")
kept = {}
client = SimpleNamespace(info=refuse, set=lambda key, value, ex: kept.update({key: value.encode()}), get=kept.get,
                         delete=kept.pop)
channel = SimpleNamespace(default_channel=SimpleNamespace(client=client))
class Celery:
    def __init__(self, broker):
        self.conf = SimpleNamespace()
    def connection_for_write(self, connect_timeout):
        return channel
"""
PLAIN = {
    "kombu.py": MODULES["kombu.py"],
    "redis/__init__.py": "from redis import exceptions\n",
    "redis/exceptions.py": "class RedisError(Exception): ...\nclass NoPermissionError(RedisError): ...\n",
}


def install(modules: dict[str, str], folder: Path) -> None:
    for name, text in modules.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_a_user_who_may_not_ask_for_info_writes_all_the_same(tmp_path: Path) -> None:
    install({"celery.py": REFUSING, **PLAIN}, tmp_path)
    given = {"AIRFLOW__CELERY__BROKER_URL": "redis://r", "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    seen = json.loads(process.run([sys.executable, PROBES / "broker.py", "0", "0"], env=given, deadline=30).stdout)
    assert seen["writable"] is True and not {"error", "server", "role"} & set(seen)


@pytest.mark.parametrize(
    ("memory", "clients", "told"),
    [
        (
            {"maxmemory": 100, "used_memory": 70, "maxmemory_policy": "noeviction"},
            {"connected_clients": 9, "maxclients": 20},
            {"evicts": "noeviction", "free_bytes": 30, "free_connections": 11},
        ),
        ({"maxmemory": 100, "used_memory": 99, "maxmemory_policy": "volatile-lru"}, {}, {"evicts": "volatile-lru"}),
        ({"maxmemory": 0, "used_memory": 99, "maxmemory_policy": "noeviction"}, {}, {"evicts": ""}),
    ],
)
def test_what_room_a_broker_has_is_told(
    tmp_path: Path, memory: dict[str, object], clients: dict[str, int], told: dict[str, object]
) -> None:
    info = {"server": {"run_id": "one"}, "replication": {"role": "master"}, "memory": memory, "clients": clients}
    install({"celery.py": REFUSING.replace("info=refuse", f"info={info!r}.get"), **PLAIN}, tmp_path)
    given = {"AIRFLOW__CELERY__BROKER_URL": "redis://r", "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    seen = json.loads(process.run([sys.executable, PROBES / "broker.py", "0", "0"], env=given, deadline=30).stdout)
    assert {name: seen[name] for name in ("evicts", "free_bytes", "free_connections") if name in seen} == told


@pytest.mark.parametrize(
    ("url", "options", "address", "database", "asked"),
    [
        ("redis://:p@r/7", {}, "r:6379", "7", "an app of the suite's with {}"),
        ("redis://r:1", PREFIX, "r:1", "0", "an app of the suite's with {'global_keyprefix': 'team_'}"),
        ("rediss://r:1/0", TLS, "r:1", "0", "the app of Airflow"),
        ("sentinel://:p@s:26379/2", {}, "s:26379", "2", "the app of Airflow"),
        ("sentinel://a;sentinel://b:1/2", {}, "a:26379, b:1", "0", "the app of Airflow"),
    ],
)
def test_sentinels_and_keys_of_its_own_are_left_to_airflows_app(
    tmp_path: Path, url: str, options: dict[str, str], address: str, database: str, asked: str
) -> None:
    install(MODULES, tmp_path)
    given = {"AIRFLOW__CELERY__BROKER_URL": url, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    answer = process.run([sys.executable, PROBES / "broker.py", "0", "0"], env={**given, **options}, deadline=30)
    seen = json.loads(answer.stdout)
    assert (seen["scheme"], seen["address"], seen["database"]) == (url.partition(":")[0], address, database)
    assert asked in seen["error"]
