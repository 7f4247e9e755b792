"""The ledger takes away exactly what was recorded, newest first, and says what it could not."""

from hypothesis import given
from hypothesis import strategies as st

from fixtures.errors import CannotSee
from fixtures.ledger import Ledger


@given(st.lists(st.text(min_size=1), max_size=20))
def test_everything_goes_in_reverse_order(names: list[str]) -> None:
    ledger, gone = Ledger(), []
    for name in names:
        ledger.record(name, lambda name=name: gone.append(name))  # type: ignore[misc]
    assert ledger.settle() == []
    assert gone == names[::-1]
    assert len(ledger) == 0


def test_a_failure_is_told_and_stops_nothing() -> None:
    ledger, gone = Ledger(), []

    def refuse() -> None:
        raise CannotSee("the API server is gone")

    ledger.record("first", lambda: gone.append("first"))
    ledger.record("second", refuse)
    assert ledger.settle() == ["second is left behind: the API server is gone"]
    assert gone == ["first"]


def test_settling_twice_undoes_once() -> None:
    ledger, gone = Ledger(), []
    ledger.record("only", lambda: gone.append("only"))
    ledger.settle()
    ledger.settle()
    assert gone == ["only"]
