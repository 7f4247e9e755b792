"""Waiting looks at once, wakes on changes, ends early on terminal states, and tells "not there" from "not seen"."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import yaml

from fixtures.errors import BudgetExceeded, CannotSee, ConformanceError, HarnessError, TargetFailed
from fixtures.kube import Forbidden, Unreachable
from fixtures.paths import ROOT
from fixtures.wait import BUDGETS, Budgets, Cancelled, Pending, Signal, Waiter, recording


class Said:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, text: str) -> None:
        self.lines.append(text)

    def waiting(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def waiter(said: Said) -> Waiter:
    return Waiter(said, Budgets({"none": 1e-9, "short": 0.3, "long": 60, "cold_start": 1}))  # type: ignore[arg-type]


def answers(*values: Any) -> Callable[[], Any]:
    """A probe that gives one value after the other, and the last one for ever."""
    left = list(values)

    def probe() -> Any:
        value = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(value, Exception):
            raise value
        return value

    return probe


def test_what_is_there_is_returned_at_once(waiter: Waiter, said: Said) -> None:
    assert waiter.until("it", answers(42), budget="none") == 42
    assert said.lines == []


@pytest.mark.parametrize("nothing", [0, "", None, False, []])
def test_a_false_value_is_a_value(waiter: Waiter, nothing: object) -> None:
    assert waiter.until("it", answers(nothing), budget="none") == nothing


def test_looks_again_until_it_is_there(waiter: Waiter, said: Said) -> None:
    assert waiter.until("it", answers(Pending("not yet"), 1), budget="long", tick=0.01) == 1
    assert said.lines == ["it: not yet (0 of 60 s)"]


def test_a_budget_that_is_used_up_accuses_the_target(waiter: Waiter) -> None:
    with pytest.raises(BudgetExceeded, match="scheduler: 0 of 1 ready") as error:
        waiter.until("scheduler", answers(Pending("0 of 1 ready")), budget="short", tick=0.05, component="scheduler")
    assert error.value.component == "scheduler"
    assert "short" in error.value.remedy


def test_the_last_look_is_at_the_end_of_the_budget(waiter: Waiter) -> None:
    looks = []
    with pytest.raises(BudgetExceeded):
        waiter.until("it", lambda: looks.append(1) or Pending("no"), budget="short", tick=60)
    assert len(looks) == 2


def test_a_change_wakes_it(waiter: Waiter) -> None:
    signal, state = Signal(), [Pending("no"), "yes"]
    looked = threading.Event()

    def probe() -> Any:
        looked.set()
        return state[0]

    def change() -> None:
        looked.wait()
        state.pop(0)
        signal.announce()

    threading.Thread(target=change).start()
    assert waiter.until("it", probe, budget="long", wake=signal, tick=60) == "yes"


def test_a_change_during_the_look_is_not_missed(waiter: Waiter) -> None:
    signal, state = Signal(), [Pending("no"), "yes"]

    def probe() -> Any:
        seen = state[0]
        if len(state) > 1:
            state.pop(0)
            signal.announce()
        return seen

    assert waiter.until("it", probe, budget="long", wake=signal, tick=60) == "yes"


def test_a_plain_notification_counts_as_well() -> None:
    signal = Signal()
    with signal:
        signal.notify_all()
        signal.notify()
    assert signal.changes == 2


def test_a_terminal_state_ends_it(waiter: Waiter) -> None:
    def terminal() -> None:
        raise TargetFailed("image cannot be pulled")

    with pytest.raises(TargetFailed, match="cannot be pulled"):
        waiter.until("it", answers(Pending("no")), budget="long", terminal=terminal)


def test_what_is_there_wins_over_a_terminal_state(waiter: Waiter) -> None:
    def terminal() -> None:
        raise TargetFailed("broken")

    assert waiter.until("it", answers(1), budget="long", terminal=terminal) == 1


def test_a_blind_spell_is_tolerated(waiter: Waiter, said: Said) -> None:
    probe = answers(Unreachable("connection refused"), Unreachable("connection refused"), 1)
    assert waiter.until("it", probe, budget="long", tick=0.01) == 1
    assert "cannot look: connection refused" in said.lines[0]


@pytest.mark.parametrize(
    "seen", [[CannotSee("blind")], [Pending("no"), CannotSee("blind")]], ids=["never seen", "lost sight of"]
)
def test_who_is_blind_at_the_end_accuses_nobody(waiter: Waiter, seen: list[Any]) -> None:
    with pytest.raises(CannotSee, match="blind"):
        waiter.until("it", answers(*seen), budget="short", tick=0.05)


def test_being_blind_only_at_first_is_no_excuse(waiter: Waiter) -> None:
    with pytest.raises(BudgetExceeded):
        waiter.until("it", answers(CannotSee("blind"), Pending("no")), budget="short", tick=0.05)


def test_blindness_of_the_terminal_check_is_tolerated_too(waiter: Waiter) -> None:
    terminal = answers(Unreachable("refused"), None)
    assert (
        waiter.until("it", answers(Pending("no"), Pending("no"), 1), budget="long", tick=0.01, terminal=terminal) == 1
    )


def test_a_missing_permission_ends_it_at_once(waiter: Waiter) -> None:
    with pytest.raises(Forbidden):
        waiter.until("it", answers(Forbidden("may not list pods")), budget="long")


@pytest.mark.parametrize("wake", [None, Signal()])
def test_cancelling_ends_every_wait_in_every_thread(waiter: Waiter, wake: Signal | None) -> None:
    waiting = threading.Barrier(9)

    def wait() -> None:
        def probe() -> Pending:
            waiting.wait()
            return Pending("no")

        waiter.until("it", probe, budget="long", tick=60, wake=wake)

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(wait) for _ in range(8)]
        waiting.wait()
        waiter.cancel.set()
        for future in futures:
            assert isinstance(future.exception(timeout=30), Cancelled)
    assert issubclass(Cancelled, ConformanceError)
    assert not issubclass(Cancelled, TargetFailed | HarnessError)


def test_a_cancelled_waiter_looks_at_nothing(waiter: Waiter) -> None:
    waiter.cancel.set()
    with pytest.raises(Cancelled):
        waiter.until("it", answers(1), budget="long")


class TestRecording:
    def test_used_and_allowed_are_recorded_also_of_failures(self, waiter: Waiter) -> None:
        with recording() as waits:
            waiter.until("one", answers(1), budget="long")
            with pytest.raises(BudgetExceeded):
                waiter.until("two", answers(Pending("no")), budget="short", tick=0.05)
        waiter.until("three", answers(1), budget="long")
        assert [(w.name, w.allowed) for w in waits] == [("one", 60), ("two", 0.3)]
        assert waits[1].used >= 0.3

    def test_nested_recordings_each_get_them(self, waiter: Waiter) -> None:
        with recording() as outer:
            waiter.until("one", answers(1), budget="long")
            with recording() as inner:
                waiter.until("two", answers(1), budget="long")
        assert [w.name for w in outer] == ["one", "two"]
        assert [w.name for w in inner] == ["two"]

    def test_each_thread_records_its_own(self, waiter: Waiter) -> None:
        def check(name: str) -> list[str]:
            with recording() as waits:
                for number in range(3):
                    waiter.until(f"{name}{number}", answers(Pending("no"), 1), budget="long", tick=0.01)
            return [w.name for w in waits]

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(check, "abcd")) == [[f"{name}{n}" for n in range(3)] for name in "abcd"]

    def test_a_thread_within_a_copied_context_belongs_to_its_starter(self, waiter: Waiter) -> None:
        with recording() as waits, ThreadPoolExecutor(1) as pool:
            pool.submit(copy_context().run, waiter.until, "one", answers(1), budget="long").result()
        assert [w.name for w in waits] == ["one"]


class TestBudgets:
    def test_the_file_is_sound(self) -> None:
        budgets = Budgets.load()
        assert budgets.seconds("rollout") == 240
        assert all(0 < budgets.seconds(name) <= 600 for name in yaml.safe_load(BUDGETS.read_text()))

    def test_every_budget_is_spent_somewhere(self) -> None:
        sources = [path.read_text() for place in ("fixtures", "conformance") for path in (ROOT / place).rglob("*.py")]
        spent = re.findall(r'(?:\bbudget(?:: str)? ?= ?|\bseconds\()"(\w+)"', "\n".join(sources))
        assert set(yaml.safe_load(BUDGETS.read_text())) == set(spent)

    def test_are_scaled(self) -> None:
        assert Budgets.load(scale=2.5).seconds("rollout") == 600

    def test_an_unknown_name_is_a_mistake(self) -> None:
        with pytest.raises(HarnessError, match="no budget `lunch`"):
            Budgets.load().seconds("lunch")

    @pytest.mark.parametrize("content", ["", "- 1", "a: 0", "a: -3", "a: soon", "a: true"])
    def test_a_broken_file_is_said(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "budgets.yaml").write_text(content)
        with pytest.raises(HarnessError):
            Budgets.load(tmp_path / "budgets.yaml")


def test_the_clock_stands_while_a_wait_is_paused(waiter: Waiter) -> None:
    looks: list[float] = []

    def probe() -> bool | Pending:
        looks.append(monotonic())
        return looks[-1] - looks[0] > 0.8 or Pending("not there")

    assert waiter.until("it", probe, budget="short", tick=0.05, paused=lambda: True)


def test_a_pause_ends_too(waiter: Waiter) -> None:
    began = monotonic()
    with pytest.raises(BudgetExceeded, match="it: not there"):
        waiter.until("it", answers(Pending("not there")), budget="short", tick=0.05, paused=lambda: True)
    assert monotonic() - began >= 1.2
