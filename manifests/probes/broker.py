"""Prints as JSON which Celery broker this container uses, whether it can be written, and which workers are behind it.

Arguments: how many workers to wait for (0: none are asked), seconds to wait for them.
Imports no Airflow, which would take seconds, unless the address is hidden in a command or a secrets backend, or more
than the address counts: sentinels, and TLS with keys of its own.
"""

import configparser
import contextlib
import json
import os
import pathlib
import sys
import uuid
from urllib.parse import urlsplit

import celery
import kombu
import redis

OTHERS_SECONDS = 3.0

workers, seconds = int(sys.argv[1]), float(sys.argv[2])
config = configparser.ConfigParser(interpolation=None, strict=False)
config.read(pathlib.Path(os.environ.get("AIRFLOW_HOME", "/opt/airflow"), "airflow.cfg"))


def option(section, key, default=""):
    variable = f"AIRFLOW__{section.upper()}__{key.upper()}"
    return os.environ.get(variable) or config.get(section, key, fallback=default)


url = option("celery", "broker_url")
if not url:
    from airflow.configuration import conf

    url = conf.get("celery", "broker_url")
servers = [urlsplit(one) for one in url.split(";")]  # several sentinels, or servers that stand in for each other
scheme, database = servers[0].scheme, servers[0].path
if scheme == "sentinel" or option("celery", "ssl_active").lower() in ("true", "t", "1"):
    from airflow.providers.celery.executors.celery_executor_utils import app
else:
    app = celery.Celery(broker=url)
    if prefix := option("celery_broker_transport_options", "global_keyprefix"):
        app.conf.broker_transport_options = {"global_keyprefix": prefix}
port = 26379 if scheme == "sentinel" else 6379
found = {
    "scheme": scheme,
    "address": ", ".join(f"{server.hostname}:{server.port or port}" for server in servers),
    "database": database.lstrip("/") or "0",
    "queue": option("operators", "default_queue") or option("celery", "default_queue", "default"),  # its older name
    "remote_control": option("celery", "worker_enable_remote_control", "true").lower() == "true",
}
try:
    if scheme in ("redis", "rediss", "sentinel"):
        client = app.connection_for_write(connect_timeout=10).default_channel.client
        with contextlib.suppress(redis.exceptions.NoPermissionError):  # INFO is in the class @dangerous of an ACL
            found["server"] = client.info("server")["run_id"]
            found["role"] = client.info("replication")["role"]
            memory = client.info("memory")
            found["evicts"] = memory.get("maxmemory_policy", "") if memory.get("maxmemory") else ""
            if found["evicts"] == "noeviction":  # others make room, and a cache beside the queues fills it always
                found["free_bytes"] = memory["maxmemory"] - memory["used_memory"]
            clients = client.info("clients")
            if "maxclients" in clients:  # since Redis 7
                found["free_connections"] = clients["maxclients"] - clients["connected_clients"]
        key = f"airflow-conformance-{uuid.uuid4().hex}"
        try:
            client.set(key, "1", ex=60)
            found["writable"] = client.get(key) == b"1"
            client.delete(key)
        except redis.exceptions.NoPermissionError:
            found["writable"] = True  # this user may touch Celery's own keys only
    if workers and found["remote_control"]:
        answers = app.control.inspect(timeout=seconds, limit=workers).active_queues() or {}
        # Who else is there? Nobody knows how many, so this look takes its whole time.
        answers |= app.control.inspect(timeout=OTHERS_SECONDS).active_queues() or {}
        found["workers"] = {name: [queue["name"] for queue in queues] for name, queues in answers.items()}
except (redis.exceptions.RedisError, kombu.exceptions.KombuError, OSError, ValueError) as error:
    found["error"] = f"{type(error).__name__}: {error}".replace(url, "the broker's address").splitlines()[0]
print(json.dumps(found))
