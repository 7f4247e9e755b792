"""Reading a log groomer's declaration."""

from datetime import timedelta
from typing import Any

import pytest

from fixtures.groomer import shortest_retention


@pytest.mark.parametrize(
    ("container", "kept"),
    [
        ({"args": ["bash", "/clean-logs"], "env": [{"name": "AIRFLOW__LOG_RETENTION_DAYS", "value": "15"}]}, 16 * 1440),
        ({"args": ["bash", "/clean-logs"], "env": [{"name": "AIRFLOW__LOG_RETENTION_DAYS", "value": "0"}]}, 1440),
        ({"args": ["bash", "/clean-logs"]}, None),
        ({"args": ["bash", "-c", "while true; do find /logs -type f -mmin +1 -delete; sleep 20; done"]}, 1),
        ({"command": ["find", "/logs", "-mtime", "+0", "-delete"]}, 1440),
        ({"args": ["sh", "-c", "rm -rf /opt/airflow/logs/*"]}, 0),
    ],
)
def test_the_shortest_retention(container: dict[str, Any], kept: int | None) -> None:
    assert shortest_retention(container) == (None if kept is None else timedelta(minutes=kept))
