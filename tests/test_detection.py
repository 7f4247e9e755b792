"""What counts as detected, and how that is kept and shown."""

from pathlib import Path

import pytest

from fixtures import detection, faults
from fixtures.detection import Detection
from fixtures.errors import HarnessError
from fixtures.faults import Case, Selection
from fixtures.outcome import Outcome
from fixtures.settings import Executor
from tests.cases import case, report, result


def judged(subject: Case, *ids: str, **outcomes: tuple[Outcome, str]) -> detection.Judgement:
    return detection.judge(subject, Selection(frozenset(subject.expect), ids, False), report(**outcomes))


def test_a_fault_is_detected_by_the_right_row_with_the_right_words() -> None:
    found = judged(case(), "AF-X-001", AF_X_001=(Outcome.FAIL, "the PERIOD is 24h\nmore"))
    assert found.proven
    assert (found.failed, found.message, found.problem) == (["AF-X-001"], "the PERIOD is 24h", "")


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ({"AF_X_001": (Outcome.PASS, "")}, "not detected: AF-X-001 is pass"),
        ({"AF_X_001": (Outcome.ERROR, "broke")}, "not detected: AF-X-001 is error: broke"),
        ({"AF_X_001": (Outcome.FAIL, "something")}, "no message says /period/"),
        ({"AF_X_001": (Outcome.FAIL, "period"), "AF_Y_001": (Outcome.FAIL, "me too")}, "others are accused too: AF-Y"),
        ({"AF_X_001": (Outcome.PASS, ""), "AF_Y_001": (Outcome.FAIL, "me")}, "but AF-Y-001 failed: me"),
    ],
)
def test_what_is_no_detection(outcomes: dict[str, tuple[Outcome, str]], told: str) -> None:
    found = judged(case(), "AF-X-001", "AF-Y-001", **outcomes)
    assert not found.proven
    assert told in found.problem


def test_a_row_that_may_fail_too_is_no_false_alarm() -> None:
    outcomes = {"AF_X_001": (Outcome.FAIL, "period"), "AF_Y_001": (Outcome.FAIL, "me too")}
    assert judged(case(also=("AF-Y-001",)), "AF-X-001", "AF-Y-001", **outcomes).proven


def test_a_variation_must_raise_no_alarm() -> None:
    quiet = {"AF_X_001": (Outcome.PASS, ""), "AF_Y_001": (Outcome.UNSUPPORTED, "none there")}
    assert judged(case(kind="variation"), "AF-X-001", "AF-Y-001", **quiet).proven
    for outcome in (Outcome.FAIL, Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_RUN):
        loud = judged(case(kind="variation"), "AF-X-001", "AF-Y-001", **quiet | {"AF_Y_001": (outcome, "why")})
        assert not loud.proven
        assert f"AF-Y-001 is {outcome.value}: why" in loud.problem


def test_the_line_that_names_the_cause_is_told() -> None:
    reason = "the task failed:\n  | a log line\n  | the period is 24 hours"
    told = judged(case(), "AF-X-001", AF_X_001=(Outcome.FAIL, reason))
    assert told.message == "the task failed: … the period is 24 hours"


def test_a_variation_of_which_nothing_was_judged_proves_nothing() -> None:
    assert "nothing was judged" in judged(case(kind="variation"), "AF-X-001", AF_X_001=(Outcome.NOT_RUN, "")).problem


def test_results_are_saved_one_line_each(tmp_path: Path) -> None:
    found = Detection(date="2026-01-01", machine={"cores": "2"}, results=[result(case()), result(case("GS-04"))])
    detection.save(found, tmp_path / "d.json")
    assert detection.load(tmp_path / "d.json") == found
    assert sum('"id"' in line for line in (tmp_path / "d.json").read_text().splitlines()) == 2
    assert detection.load(tmp_path / "none.json") is None
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(HarnessError, match="is broken"):
        detection.load(tmp_path / "d.json")


def test_a_requirement_is_proven_by_a_fault_that_was_injected() -> None:
    results = [
        result(case(), failed=["AF-X-001"]),
        result(case("GS-04"), failed=["AF-X-001"], injected=False),
        result(case("B-02", "variation"), failed=["AF-Y-001"]),
    ]
    found = Detection(date="2026-01-01", machine={}, results=results)
    assert detection.proofs(found) == {"AF-X-001": ["GS-03"]}
    assert detection.proofs(None) == {}


def test_the_page_tells_what_was_found() -> None:
    cases = [case(executors=(Executor.CELERY,)), case("LG-01", blind="no | network", expect=(), says="", verify=())]
    entries = {id: faults.Requirement(id, "area", "MUST", (Executor.CELERY,)) for id in ("AF-X-001", "AF-Y-001")}
    given = [
        result(
            cases[0],
            failed=["AF-X-001"],
            expected=["AF-X-001"],
            message="the period is 24h",
            seconds=12.4,
            day="2026-01-01",
        )
    ]
    page = detection.page(cases, Detection(date="2026-01-01", machine={"cores": "2"}, results=given), entries)
    assert "| A fault | celery | AF-X-001 | the period is 24h | 12 |" in page
    assert "Results by day: 1 of 2026-01-01" in page
    assert "no \\| network" in page
    assert "No fault made these fail yet: AF-Y-001." in page
    assert "not run yet" in detection.page(cases, None, entries)
