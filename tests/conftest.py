"""Fixtures that several test modules share."""

from tests.caching import cache
from tests.charting import helm_binary, published_chart, small_chart
from tests.real_airflow import real_airflow

__all__ = ["cache", "helm_binary", "published_chart", "real_airflow", "small_chart"]
