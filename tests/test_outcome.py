"""The verdict is a function of the rows, and no row can be talked away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.outcome import EXIT_CODES, EXIT_REFUSED, EXIT_USAGE, Outcome, Verdict, verdict, worst

LEVELS = st.sampled_from(["MUST", "SHOULD", "MAY"])
ROWS = st.lists(st.tuples(LEVELS, st.sampled_from(Outcome)), max_size=12)
# From the best news to the worst.
ORDER = [Verdict.CONFORMANT, Verdict.PARTIAL, Verdict.INCONCLUSIVE, Verdict.NON_CONFORMANT]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], Verdict.INCONCLUSIVE),
        ([("MUST", Outcome.PASS)], Verdict.CONFORMANT),
        ([("MUST", Outcome.PASS), ("SHOULD", Outcome.PASS)], Verdict.CONFORMANT),
        ([("MUST", Outcome.PASS), ("MAY", Outcome.FAIL)], Verdict.CONFORMANT),
        ([("MUST", Outcome.FAIL)], Verdict.NON_CONFORMANT),
        ([("MUST", Outcome.PASS), ("SHOULD", Outcome.FAIL)], Verdict.PARTIAL),
        ([("MUST", Outcome.PASS), ("MUST", Outcome.UNSUPPORTED)], Verdict.PARTIAL),
        ([("MUST", Outcome.PASS), ("MUST", Outcome.SKIPPED)], Verdict.PARTIAL),
        ([("MUST", Outcome.PASS), ("MUST", Outcome.ERROR)], Verdict.INCONCLUSIVE),
        ([("MUST", Outcome.PASS), ("MUST", Outcome.BLOCKED)], Verdict.INCONCLUSIVE),
        ([("MUST", Outcome.PASS), ("MUST", Outcome.NOT_RUN)], Verdict.INCONCLUSIVE),
        ([("MUST", Outcome.ERROR), ("MUST", Outcome.FAIL)], Verdict.NON_CONFORMANT),
        ([("MUST", Outcome.SKIPPED)], Verdict.INCONCLUSIVE),
        ([("SHOULD", Outcome.FAIL)], Verdict.INCONCLUSIVE),
    ],
)
def test_verdict(rows: list[tuple[str, Outcome]], expected: Verdict) -> None:
    assert verdict(rows) is expected


@given(ROWS)
def test_a_failed_must_row_always_means_non_conformant(rows: list[tuple[str, Outcome]]) -> None:
    assert verdict([*rows, ("MUST", Outcome.FAIL)]) is Verdict.NON_CONFORMANT


@given(ROWS)
def test_only_a_failed_must_row_means_non_conformant(rows: list[tuple[str, Outcome]]) -> None:
    assert (verdict(rows) is Verdict.NON_CONFORMANT) == (("MUST", Outcome.FAIL) in rows)


@given(ROWS)
def test_conformant_means_that_every_must_row_passed_and_every_should_row_that_could(
    rows: list[tuple[str, Outcome]],
) -> None:
    if verdict(rows) is Verdict.CONFORMANT:
        assert any(outcome is Outcome.PASS for _, outcome in rows)
        fine = {"MUST": {Outcome.PASS}, "SHOULD": {Outcome.PASS, Outcome.UNSUPPORTED}, "MAY": set(Outcome)}
        assert all(outcome in fine[level] for level, outcome in rows)


@given(st.lists(st.tuples(LEVELS, st.sampled_from([o for o in Outcome if o is not Outcome.PASS]))))
def test_without_a_single_pass_nothing_is_proven(rows: list[tuple[str, Outcome]]) -> None:
    assert verdict(rows) in (Verdict.INCONCLUSIVE, Verdict.NON_CONFORMANT)


@given(ROWS.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_order_does_not_matter(pair: tuple[list[tuple[str, Outcome]], list[tuple[str, Outcome]]]) -> None:
    assert verdict(pair[0]) is verdict(pair[1])


@given(ROWS, LEVELS, st.sampled_from([o for o in Outcome if o is not Outcome.PASS]))
def test_a_row_that_did_not_pass_never_improves_a_verdict(
    rows: list[tuple[str, Outcome]], level: str, outcome: Outcome
) -> None:
    assert ORDER.index(verdict([*rows, (level, outcome)])) >= ORDER.index(verdict(rows))


@given(ROWS, LEVELS)
def test_a_row_that_passed_never_worsens_a_verdict(rows: list[tuple[str, Outcome]], level: str) -> None:
    assert ORDER.index(verdict([*rows, (level, Outcome.PASS)])) <= ORDER.index(verdict(rows))


def test_rows_may_come_from_a_generator() -> None:
    assert verdict(("MUST", outcome) for outcome in (Outcome.PASS, Outcome.FAIL)) is Verdict.NON_CONFORMANT


@given(st.lists(st.sampled_from(Outcome), min_size=1))
def test_the_worst_outcome_is_one_of_them_and_a_failure_wins(outcomes: list[Outcome]) -> None:
    assert worst(outcomes) in outcomes
    assert (worst(outcomes) is Outcome.FAIL) == (Outcome.FAIL in outcomes)
    assert (worst(outcomes) is Outcome.PASS) == (set(outcomes) == {Outcome.PASS})


def test_nothing_at_all_was_not_run() -> None:
    assert worst([]) is Outcome.NOT_RUN


def test_every_verdict_has_its_own_exit_code() -> None:
    assert EXIT_CODES == {
        Verdict.CONFORMANT: 0,
        Verdict.NON_CONFORMANT: 1,
        Verdict.PARTIAL: 10,
        Verdict.INCONCLUSIVE: 11,
    }
    assert {EXIT_USAGE, EXIT_REFUSED}.isdisjoint(EXIT_CODES.values())
