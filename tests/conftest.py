"""Fixtures that several test modules share."""

import signal

from hypothesis import HealthCheck, settings

from tests.caching import cache
from tests.charting import helm_binary, published_chart, small_chart
from tests.real_airflow import real_airflow
from tests.stand_in import stand_in
from tests.stub_airflow import stub

__all__ = ["cache", "helm_binary", "published_chart", "real_airflow", "small_chart", "stand_in", "stub"]

# How fast examples are drawn says nothing about the suite; on a busy machine it would fail tests.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure() -> None:
    """Let a polite kill, as CI sends it, end what the tests started, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
