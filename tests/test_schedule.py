"""What begins when: what disturbs comes last and alone, and what judges the others comes after them."""

from types import SimpleNamespace
from typing import Any

from fixtures import catalogue
from fixtures.observations import schedule
from fixtures.observe import Observation
from fixtures.plugin import turn_of
from fixtures.settings import Executor


def item(id: str) -> Any:
    mark = SimpleNamespace(args=[id])
    return SimpleNamespace(
        get_closest_marker=lambda name: mark, callspec=SimpleNamespace(params={"executor": Executor.KUBERNETES})
    )


def test_the_order_of_checks() -> None:
    ids = ["AF-CM-001", "AF-RUN-001", "AF-RES-001", "AF-CMP-001"]
    ordered = sorted((item(id) for id in ids), key=turn_of)
    assert [one.get_closest_marker("").args[0] for one in ordered] == [
        "AF-CMP-001",
        "AF-RUN-001",
        "AF-RES-001",
        "AF-CM-001",
    ]


def test_only_what_disturbs_is_alone() -> None:
    requirements = catalogue.load()
    assert all(one.alone and requirements[one.owner].disruptive for one in schedule.DISRUPTIVE)
    assert not any(one.alone or requirements[one.owner].disruptive for one in schedule.UNDISTURBED)


def test_what_may_stay_changed_comes_last() -> None:
    last = schedule.DISRUPTIVE[-1].owner
    assert last == "AF-CM-001"
    assert catalogue.load()[last].last


def test_an_observation_is_begun_only_where_its_promise_applies_and_is_judged() -> None:
    begun: list[Observation[Any, Any]] = []
    subject: Any = SimpleNamespace(executor=Executor.KUBERNETES, observer=SimpleNamespace(start=begun.append))
    schedule.begin_disruptive(subject, {"AF-RES-001", "AF-RES-002"})
    assert {one.owner for one in begun} == {"AF-RES-001"}
