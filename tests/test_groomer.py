"""Reading a log groomer's declaration."""

from datetime import timedelta
from typing import Any

import pytest

from fixtures.groomer import deleted_below, shortest_retention


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


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("find /logs -type f -mmin +60 -delete", 60),
        ("while true; do find '/logs/' -mindepth 1 -mmin +60 -type f -print -delete; sleep 600; done", 60),
        ("find /logs/* /var/tmp -mtime +0 -exec rm -rf {} +", 1440),
        ("find /logs -type f -mmin +60 -print0 | xargs -0 -r rm -f", 60),
        ("find /logs -type f -mmin +60 | wc -l", None),
        ("find /logs/scheduler /logs/dag_processor_manager -type f -mmin +60 -delete", None),
        ("find /logs -name '*.tmp' -mmin +60 -delete", None),
        ("find /logs -type d -empty -mmin +60 -delete", None),
        ("find /logs-of-nginx -type f -mmin +60 -delete", None),
        ("rm -rf /var/tmp/*; tail -F /logs/x", None),
    ],
)
def test_what_a_cleaner_of_the_sites_own_deletes(command: str, kept: int | None) -> None:
    container = {"command": ["sh", "-c"], "args": [command]}
    assert deleted_below(container, "/logs") == (None if kept is None else timedelta(minutes=kept))
