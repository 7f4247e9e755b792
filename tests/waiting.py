"""The real waiter, for tests that wait for one thing."""

from __future__ import annotations

import io

from fixtures.progress import Progress
from fixtures.wait import Budgets, Waiter

NAMES = (
    "cold_start",
    "dag_run",
    "dag_visible",
    "heartbeat",
    "log",
    "metric",
    "no_image",
    "pod_death",
    "remote_log",
    "task_pod",
    "zombie",
)


def waiter(seconds: float) -> Waiter:
    """A silent waiter with the same budget for everything that these tests wait for."""
    return Waiter(Progress(io.StringIO()), Budgets(dict.fromkeys(NAMES, seconds)))
