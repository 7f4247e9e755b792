"""The last thing a run prints."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fixtures import summary
from fixtures.outcome import Outcome, Verdict
from fixtures.report import Report
from tests.test_report import ALL_OUTCOMES, check, report


def printed(document: Report, width: int = 120) -> str:
    """What the terminal shows, without trailing blanks."""
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=False).print(summary.table(document))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def test_the_terminal_table() -> None:
    rows = [*ALL_OUTCOMES, check(Outcome.PASS, "AF-TST-000", "celery")]
    lines = printed(report(*rows)).splitlines()
    assert lines[0].split() == ["requirement", "kubernetes", "celery"]
    assert "  AF-TST-000  ✓ pass         ✓ pass  AF-TST-000 MUST hold." in lines
    assert "  AF-TST-001  ✗ fail         n/a     AF-TST-001 MUST hold." in lines
    assert "✗ fail AF-TST-001 kubernetes: because of fail" in lines
    assert "  → mend it" in lines
    assert "report: results/run-1/report.html" in lines
    assert lines[-1] == "2 passed, 2 failed, 4 skipped"


def test_a_run_without_rows_still_has_a_table() -> None:
    nothing = report(verdict=Verdict.INCONCLUSIVE, subjects=[], phases=[], environment={}, options={}, warnings=[])
    assert printed(nothing).endswith("\n0 passed, 0 failed, 0 skipped\n")


def test_a_fault_that_blocks_many_rows_is_told_once() -> None:
    rows = [
        check(Outcome.BLOCKED, f"AF-TST-00{n}", executor, blocked_by="AF-CMP-002")
        for n in range(2)
        for executor in ("kubernetes", "celery")
    ]
    text = printed(report(*rows))
    assert text.count("because of blocked") == 1
    assert "‖ blocked AF-TST-000 kubernetes+celery, AF-TST-001 kubernetes+celery: " in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_terminal_table_fits(width: int) -> None:
    row = check(Outcome.FAIL, reason="[bold]no markup[/bold] " + "x" * 300, requirement="y " * 200)
    text = printed(report(row), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "[bold]no" in text


def test_the_table_names_the_place_in_the_guide() -> None:
    failed = check(Outcome.FAIL, "AF-TST-001", guide="It means something.")
    blocked = check(Outcome.BLOCKED, "AF-TST-002", guide="It means something.")
    console = Console(file=io.StringIO(), width=120)
    console.print(summary.finding([failed]), summary.finding([blocked, check(Outcome.BLOCKED, "AF-TST-003")]))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("guide: docs/guide.md#") == 1
    assert "guide: docs/guide.md#af-tst-001" in console.file.getvalue()
