"""Observations are made once, and a failure is told once: in the row of the requirement it accuses."""

import threading

import pytest

from fixtures.errors import Blocked, CannotSee, HarnessError, TargetFailed
from fixtures.observe import Observation, Observer, asking, observation


def test_an_observation_is_made_once() -> None:
    made = []

    @observation(owner="AF-1")
    def look(subject: str) -> str:
        made.append(subject)
        return subject.upper()

    observer = Observer("x", "test")
    assert [observer.see(look) for _ in range(5)] == ["X"] * 5
    assert made == ["x"]


@observation(owner="AF-1")
def broken(subject: str) -> None:
    raise TargetFailed("it is down", "start it")


def test_the_owner_is_accused() -> None:
    asking.set("AF-1")
    with pytest.raises(TargetFailed, match="it is down"):
        Observer("x", "test").see(broken)


def test_everyone_else_is_blocked_by_the_owner() -> None:
    asking.set("AF-2")
    with pytest.raises(Blocked) as blocked:
        Observer("x", "test").see(broken)
    assert blocked.value.by == "AF-1"
    assert blocked.value.remedy == "start it"


def test_blocking_goes_through_chains() -> None:
    observer: Observer[str] = Observer("x", "test")

    @observation(owner="AF-2")
    def needs_broken(subject: str) -> None:
        observer.see(broken)

    asking.set("AF-3")
    with pytest.raises(Blocked) as blocked:
        observer.see(needs_broken)
    assert blocked.value.by == "AF-1"


def test_the_end_of_a_chain_may_accuse_its_beginning() -> None:
    observer: Observer[str] = Observer("x", "test")

    @observation(owner="AF-2")
    def needs_broken(subject: str) -> None:
        observer.see(broken)

    asking.set("AF-1")
    with pytest.raises(TargetFailed, match="it is down"):
        observer.see(needs_broken)


def test_a_failing_component_is_accused_in_its_own_row() -> None:
    @observation(owner="AF-1")
    def sees_scheduler_die(subject: str) -> None:
        raise TargetFailed("crash loop", component="scheduler")

    asking.set("AF-1")
    with pytest.raises(Blocked) as blocked:
        Observer("x", "test").see(sees_scheduler_die)
    assert blocked.value.by == "AF-CMP-002"
    asking.set("AF-CMP-002")
    with pytest.raises(TargetFailed):
        Observer("x", "test").see(sees_scheduler_die)


def test_a_defect_of_the_suite_accuses_nobody() -> None:
    @observation(owner="AF-1")
    def defective(subject: str) -> None:
        raise KeyError("oops")

    asking.set("AF-1")
    with pytest.raises(HarnessError, match="defective"):
        Observer("x", "test").see(defective)


def test_what_could_not_be_seen_stays_an_error() -> None:
    @observation(owner="AF-1")
    def unseen(subject: str) -> None:
        raise CannotSee("no route")

    asking.set("AF-1")
    with pytest.raises(CannotSee):
        Observer("x", "test").see(unseen)


def test_nothing_is_looked_at_before_the_gate_opens() -> None:
    opened, order = threading.Event(), []

    @observation(owner="AF-0")
    def gate(subject: str) -> None:
        assert opened.wait(timeout=10)
        order.append("gate")

    @observation(owner="AF-1")
    def look(subject: str) -> None:
        order.append("look")

    observer: Observer[str] = Observer("x", "test")
    observer.gate = gate
    future = observer.start(look)
    opened.set()
    future.result(timeout=10)
    assert order == ["gate", "look"]


def test_a_closed_gate_blocks() -> None:
    observer: Observer[str] = Observer("x", "test")
    observer.gate = broken
    asking.set("AF-2")
    with pytest.raises(Blocked) as blocked:
        observer.see(Observation("look", "AF-2", lambda subject: None))
    assert blocked.value.by == "AF-1"


def test_what_disturbs_is_made_in_the_order_in_which_it_was_started() -> None:
    observer: Observer[str] = Observer("x", "test")
    began, go = [], threading.Event()

    def disturbing(name: str) -> Observation[str, None]:
        def look(subject: str) -> None:
            began.append(name)
            assert go.wait(10)

        return Observation(name, "AF-1", look, alone=True)

    started = [observer.start(disturbing(name)) for name in ("first", "second", "third")]
    other = observer.start(Observation("other", "AF-1", lambda subject: began.append("other")))
    other.result(10)
    assert [name for name in began if name != "other"] in ([], ["first"])
    go.set()
    for future in started:
        future.result(10)
    assert [name for name in began if name != "other"] == ["first", "second", "third"]


def test_a_failed_disturbance_does_not_hold_up_the_next() -> None:
    observer: Observer[str] = Observer("x", "test")
    observer.start(Observation("failing", "AF-1", broken.look, alone=True))
    assert observer.see(Observation("next", "AF-1", lambda subject: "seen", alone=True)) == "seen"


@pytest.mark.timeout(20)
def test_what_one_alone_asks_for_does_not_wait_for_its_end() -> None:
    first = Observation("first", "AF-1", lambda subject: "first", alone=True)
    between = Observation("between", "AF-1", lambda subject: f"between, {observer.see(first)}")
    last = Observation("last", "AF-1", lambda subject: f"last, {observer.see(between)}", alone=True)
    observer: Observer[str] = Observer("x", "test")
    assert observer.see(last) == "last, between, first"
    assert observer.see(Observation("next", "AF-1", lambda subject: "next", alone=True)) == "next"
