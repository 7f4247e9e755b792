"""What checks see of a deployment that is made otherwise than the reference values have it."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import TargetFailed
from fixtures.progress import Progress
from fixtures.settings import Executor, Settings
from fixtures.subject import Subject
from fixtures.wait import Budgets, Waiter


def subject(*, values: dict[str, Any] | None = None, **cluster: Any) -> Subject:
    """A release called airflow whose cluster answers what is given."""
    return Subject(
        Settings.model_validate({}),
        "r",
        Executor.CELERY,
        "airflow",
        "airflow",
        SimpleNamespace(**cluster),  # type: ignore[arg-type]
        Waiter(Progress(io.StringIO()), Budgets({})),
        values={"executor": "CeleryExecutor"} if values is None else values,
    )


def services(*names: str) -> Subject:
    """A release some component of which has these Services."""
    return subject(services=lambda component: sorted(names))


def test_of_several_services_the_documented_one_is_looked_at() -> None:
    """`kubectl expose` copies the labels of what it exposes."""
    assert services("airflow-exporter", "airflow-statsd").statsd_service() == "airflow-statsd"
    assert services("metrics").statsd_service() == "metrics", "AF-NS-002 tells of its name"
    with pytest.raises(TargetFailed, match="no Service of the metrics exporter"):
        services().statsd_service()
