"""Start dates are compared when DAGs were parsed again, as far as the parser came."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fixtures.errors import BudgetExceeded
from fixtures.observations.examples import start_dates_later
from fixtures.subject import Subject
from tests.test_example_rows import NOON, Fake, parsed

LATER = NOON + timedelta(minutes=5)


def times_up(name: str, look: Any, **_: Any) -> Any:
    """A wait that looks once and then is over."""
    if look() is not True:
        raise BudgetExceeded(name)


def subject(*again: str) -> Fake:
    """Two DAGs of the suite's and one of others, of which these were parsed again when the time was up."""
    found = [parsed("etl_pipeline"), parsed("conformance_facts"), parsed("theirs", own=False)]
    before = [replace(one, dag=replace(one.dag, last_parsed=NOON)) for one in found]
    now = {one.dag.dag_id: replace(one.dag, last_parsed=LATER if one.dag.dag_id in again else NOON) for one in before}
    details = {one.dag.dag_id: replace(one.details, start_date=LATER) for one in before}
    fake = Fake({"parsed_dags": before}, dags=now, details=details)
    fake.waiter = SimpleNamespace(until=times_up, budgets=SimpleNamespace(seconds=lambda _: 300.0))
    return fake


def later(fake: Fake) -> Any:
    return start_dates_later.look(cast("Subject", fake))


def test_every_dag_that_was_parsed_again_is_compared() -> None:
    fake = subject("etl_pipeline", "conformance_facts")
    assert later(fake) == {"etl_pipeline": LATER, "conformance_facts": LATER}
    assert not fake.notes


def test_a_round_that_takes_longer_than_the_wait_is_compared_as_far_as_it_came() -> None:
    fake = subject("etl_pipeline", "theirs")
    assert later(fake) == {"etl_pipeline": LATER}
    assert "1 of 2 DAGs were not parsed again within 300 s" in fake.notes[0]


def test_a_parser_that_stands_still_is_told() -> None:
    with pytest.raises(BudgetExceeded):
        later(subject())
