"""Prints as JSON how many messages wait in a queue of the Celery broker that this container is configured with.

Argument: the queue's name. Where the broker is no Redis, only its kind is printed.
`unheard` is for how many seconds no worker has been waiting for a message there: 0 while one does, missing where none
did since the broker came up, or where this user of the broker may not see its clients.
"""

import contextlib
import json
import sys

from airflow.configuration import conf

url = conf.get("celery", "broker_url", fallback="")
kind = url.partition(":")[0]
found = {"kind": kind}
if kind in ("redis", "rediss"):
    import redis

    prefix = conf.get("celery_broker_transport_options", "global_keyprefix", fallback="")
    client = redis.Redis.from_url(url, socket_timeout=10)
    found["host"] = client.connection_pool.connection_kwargs.get("host")
    found["length"] = client.llen(prefix + sys.argv[1])
    with contextlib.suppress(redis.exceptions.NoPermissionError):
        # With BRPOP kombu waits, again and again.
        workers = [one for one in client.client_list() if one["cmd"] == "brpop"]
        if workers:
            found["unheard"] = min(0 if "b" in one["flags"] else int(one["idle"]) for one in workers)
print(json.dumps(found))
