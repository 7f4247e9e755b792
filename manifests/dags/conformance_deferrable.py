"""A DAG whose task waits in the triggerer, with a trigger class that only the DAG folder knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pendulum
from airflow import DAG
from airflow.models.baseoperator import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

SECONDS = 20
"""How long the task stays deferred: long enough that its log can be read meanwhile."""


class Waiting(BaseTrigger):
    """Says that it runs, waits, and is over."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The name under which the triggerer imports this class: its DAG folder is on Python's path."""
        return "conformance_deferrable.Waiting", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait in the triggerer."""
        self.log.info("conformance: the trigger runs")
        await asyncio.sleep(SECONDS)
        yield TriggerEvent("conformance: the trigger is over")


class Deferring(BaseOperator):
    """Defers itself at once, and returns what its trigger sent."""

    def execute(self, context: Any) -> None:
        """Hand the waiting over to the triggerer."""
        self.defer(trigger=Waiting(), method_name="resume")

    def resume(self, context: Any, event: str) -> str:
        """Return the trigger's event."""
        self.log.info("resumed with: %s", event)
        return event


with DAG(
    "conformance_deferrable",
    description="Defers a task to the triggerer",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    Deferring(task_id="deferring")
