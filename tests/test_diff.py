"""`make diff`: which runs are compared, what counts as different, and what is told of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from fixtures import diff, runs
from fixtures.diff import Change, Difference, Slower, choose, closing, compare
from fixtures.errors import UsageError
from fixtures.outcome import Outcome
from fixtures.printed import write
from fixtures.redaction import Redactor
from fixtures.report import Check, Image, Phase, Report, Subject
from fixtures.runs import PastRun
from tests.test_report import ALL_OUTCOMES, check, report


def past(*checks: Check, **more: object) -> PastRun:
    document = report(*checks, **more)
    return PastRun(Path("results") / document.run, document)


def put(results: Path, day: int, *checks: Check, **more: object) -> str:
    """Leave a run below a directory; returns its id."""
    run = f"202511{day:02}-100000-00{day:02}"
    fields = {"run": run, "started": f"2025-11-{day:02}T10:00:00+00:00"}
    write(report(*checks, **(fields | more)), results / run, Redactor())
    return run


def subject(executor: str = "kubernetes", **more: object) -> Subject:
    fields = {
        "executor": executor, "namespace": "airflow", "release": "airflow", "chart": "airflow-1.15.0",
        "airflow": "2.9.0", "kubernetes": "v1.32.5",
    }  # fmt: skip
    return Subject.model_validate(fields | more)


def ids(rows: list[Check]) -> list[str]:
    return [f"{row.id} {row.executor}" for row in rows]


def printed(before: PastRun, after: PastRun, width: int = 120) -> str:
    stream = io.StringIO()
    choice = diff.Choice(before, after)
    Console(file=stream, width=width, force_terminal=False).print(diff.table(choice, compare(before, after)))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def options(results: Path, **given: str) -> diff.Options:
    return diff.Options.model_validate({"RESULTS": results, **given})


# Which rows are told


@pytest.mark.parametrize("before", [*(outcome for outcome in Outcome if outcome is not Outcome.FAIL), None])
def test_a_row_newly_fails_whatever_it_was_before(before: Outcome | None) -> None:
    old = past(*([check(before)] if before else []))
    found = compare(old, past(check(Outcome.FAIL)))
    assert ids(found.newly_failing) == ["AF-TST-001 kubernetes"]
    assert not found.changed and not found.fixed


@pytest.mark.parametrize("after", list(Outcome))
def test_only_a_pass_fixes_a_failure(after: Outcome) -> None:
    found = compare(past(check(Outcome.FAIL)), past(check(after)))
    assert bool(found.fixed) == (after is Outcome.PASS)
    assert bool(found.failing) == (after is Outcome.FAIL)
    assert bool(found.changed) == (after not in (Outcome.PASS, Outcome.FAIL))
    assert not found.newly_failing


def test_a_run_is_no_different_from_itself() -> None:
    run = past(*ALL_OUTCOMES)
    found = compare(run, run)
    assert ids([pair.after for pair in found.failing]) == ["AF-TST-001 kubernetes"]
    assert found == Difference(failing=found.failing)


def test_rows_are_the_same_by_requirement_and_executor() -> None:
    found = compare(
        past(check(), check(id="AF-TST-002")),
        past(check(), check(Outcome.FAIL, executor="celery"), check(id="AF-TST-003")),
    )
    assert ids(found.newly_failing) == ["AF-TST-001 celery"]
    assert ids(found.only_before) == ["AF-TST-002 kubernetes"]
    assert ids(found.only_after) == ["AF-TST-001 celery", "AF-TST-003 kubernetes"]


# What got slower


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (10.6, 26.3, False),  # the most that chance was seen to do
        (300.0, 540.0, False),  # a slower machine
        (0.0, 19.9, False),
        (0.0, 20.0, True),
        (20.0, 40.0, True),
        (40.0, 20.0, False),
    ],
)
def test_noise_is_not_told(before: float, after: float, told: bool) -> None:
    old = past(check(seconds=before), phases=[Phase(name="install", seconds=before)])
    new = past(check(seconds=after), phases=[Phase(name="install", seconds=after)])
    expected = [
        Slower("phase install", before, after),
        Slower("AF-TST-001 kubernetes", before, after),
    ]
    assert compare(old, new).slower == (expected if told else [])


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.PASS])
def test_a_row_that_does_not_pass_is_not_called_slow(outcome: Outcome) -> None:
    assert compare(past(check(seconds=1)), past(check(outcome, seconds=300))).slower == []


def test_a_run_that_ended_early_has_no_phases_to_compare() -> None:
    cut = past(subjects=[], phases=[Phase(name="install", seconds=1)])
    assert compare(cut, past(phases=[Phase(name="install", seconds=61)])).slower == []


def test_a_phase_that_came_twice_took_the_sum() -> None:
    once = past(phases=[Phase(name="checks", seconds=60)])
    twice = past(phases=[Phase(name="checks", seconds=30), Phase(name="checks", seconds=35)])
    assert compare(once, twice).slower == []


# What was judged, and how


def test_what_is_the_same_for_both_executors_is_told_once() -> None:
    old = past(subjects=[subject(), subject("celery")])
    new = past(subjects=[subject(chart="airflow-1.16.0"), subject("celery", chart="airflow-1.16.0", airflow="2.10.0")])
    assert compare(old, new).subjects == [
        Change("chart", "airflow-1.15.0", "airflow-1.16.0", ("kubernetes", "celery")),
        Change("airflow", "2.9.0", "2.10.0", ("celery",)),
    ]


def test_another_release_under_the_same_executor_is_told() -> None:
    found = compare(past(subjects=[subject()]), past(subjects=[subject(namespace="data", release="etl")]))
    assert found.subjects == [Change("release", "airflow/airflow", "data/etl", ("kubernetes",))]


def test_a_release_that_only_one_run_judged_is_one_difference() -> None:
    found = compare(past(subjects=[subject()]), past(subjects=[subject(), subject("celery", namespace="airflow-c")]))
    assert found.subjects == [Change("release", "", "airflow-c/airflow", ("celery",))]


def test_images_are_compared_by_repository() -> None:
    def with_images(*names: tuple[str, str]) -> PastRun:
        images = [Image(name=name, digest=digest, origin="pulled") for name, digest in names]
        return past(subjects=[subject(images=images)])

    old = with_images(
        ("registry:5000/apache/airflow:2.9.0", "sha256:" + "a" * 64),
        ("redis:7", "sha256:" + "b" * 64),
        ("redis:6", "sha256:" + "b" * 64),
        ("registry:5000/tool", "sha256:" + "c" * 64),
        ("busybox@sha256:" + "d" * 64, "busybox@sha256:" + "d" * 64),
    )
    new = with_images(
        ("registry:5000/apache/airflow:2.10.0", "sha256:" + "e" * 64),
        ("redis:7", "sha256:" + "b" * 64),
        ("registry:5000/tool", "sha256:" + "f" * 64),
        ("busybox@sha256:" + "d" * 64, "busybox@sha256:" + "d" * 64),
    )
    assert [(it.name, it.before, it.after) for it in compare(old, new).subjects] == [
        ("image redis", "6 sha256:bbbbbbbbbbbb pulled", ""),
        (
            "image registry:5000/apache/airflow",
            "2.9.0 sha256:aaaaaaaaaaaa pulled",
            "2.10.0 sha256:eeeeeeeeeeee pulled",
        ),
        ("image registry:5000/tool", "sha256:cccccccccccc pulled", "sha256:ffffffffffff pulled"),
    ]


def test_options_are_compared() -> None:
    old, new = past(options={"KEEP": "True", "ID": "x"}), past(options={"KEEP": "True", "DISRUPTIVE": "True"})
    assert compare(old, new).options == [Change("ID", "x", ""), Change("DISRUPTIVE", "", "True")]


# What the terminal shows


def test_the_table_tells_everything() -> None:
    old = past(
        check(), check(Outcome.FAIL, "AF-TST-002"), check(id="AF-TST-003"), check(id="AF-TST-004"), run="run-1",
        options={"KEEP": "True"}, phases=[Phase(name="install", seconds=30)],
    )  # fmt: skip
    new = past(
        check(Outcome.FAIL), check(id="AF-TST-002"), check(Outcome.BLOCKED, "AF-TST-003"), check(id="AF-TST-005"),
        run="run-2", options={"ID": "['AF-*']"}, phases=[Phase(name="install", seconds=90)],
    )  # fmt: skip
    assert printed(old, new) == (
        """\
A run-1 2025-11-22 16:15:02 UTC
  partial: Something was not judged. (2 min 48 s)
B run-2 2025-11-22 16:15:02 UTC
  partial: Something was not judged. (2 min 48 s)

newly failing 1

✗ fail AF-TST-001 kubernetes: because of fail
  → mend it
  in A: ✓ pass

fixed 1
  ✓ pass AF-TST-002 kubernetes

changed otherwise 1
  ✓ pass → ‖ blocked AF-TST-003 kubernetes
    because of blocked
    → mend it

only in A 1
  ✓ pass AF-TST-004 kubernetes

only in B 1
  ✓ pass AF-TST-005 kubernetes

slower 1
  phase install: 30.0 s → 1 min 30 s

different options 2
  KEEP: True → default
  ID: default → ['AF-*']

1 newly failing, 1 fixed, 0 failing in both, 1 changed otherwise, 1 only in A, 1 only in B, 1 slower
"""
    )


def test_rows_with_one_reason_are_told_once_and_not_all_named() -> None:
    rows = [f"AF-TST-{number:03}" for number in range(50)]
    old = past(*(check(Outcome.NOT_RUN, id, executor) for id in rows for executor in ("kubernetes", "celery")))
    new = past(*(check(Outcome.PASS, id, executor) for id in rows for executor in ("kubernetes", "celery")))
    text = printed(old, new)
    assert text.count("because of not_run") == 1
    assert "AF-TST-019 and 30 more kubernetes+celery" in text and "AF-TST-020" not in text
    assert "mend it" not in text, "nothing is to be done about what passes now"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_fits_and_holds_no_markup(width: int) -> None:
    hostile = "[bold]no markup[/bold]\x1b[31m " + "x" * 300
    rows = [check(Outcome.FAIL, id, "\x1b[31mcelery", reason=hostile, remedy=hostile) for id in ("AF-1", hostile)]
    text = printed(past(rows[1], options={"ID": hostile}), past(*rows, reason=hostile), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "[bold]no" in text and "\x1b" not in text


# Which runs are compared


def test_the_newest_run_is_compared_with_the_one_before_it(results: Path) -> None:
    for day in (3, 1, 2):
        put(results, day, check())
    put(results, 4, check())
    choice = choose(options(results))
    assert [choice.before.report.run, choice.after.report.run] == ["20251103-100000-0003", "20251104-100000-0004"]
    assert choice.notes == []


def test_a_run_is_named_by_id_directory_or_file(results: Path) -> None:
    first, second = put(results, 1, check()), put(results, 2, check())
    for name in (first, str(results / first), str(results / first / "report.json")):
        assert choose(options(results, A=name)).before.report.run == first
        assert choose(options(results, A=second, B=name)).after.report.run == first
    assert choose(options(results, B=second)).before.report.run == first, "the run before B"


def test_a_later_run_that_is_left_out_is_named(results: Path) -> None:
    put(results, 1, check())
    (results / "20251102-100000-0002").mkdir()
    (results / "prove").mkdir()
    put(results, 3, check())
    [note] = choose(options(results)).notes
    assert note.startswith("20251102-100000-0002, a later run than A, is left out")


def test_two_targets_are_told_and_the_right_run_is_named(results: Path) -> None:
    put(results, 1, check(), options={"CONTEXT": "prod", "KEEP": "True"})
    put(results, 2, check(), options={"CONTEXT": "staging"})
    put(results, 3, check(), options={"CONTEXT": "prod"})
    [note] = choose(options(results)).notes
    assert note == (
        "two targets are compared: A judged CONTEXT=staging, B judged CONTEXT=prod; "
        "the last run of B's target is A=20251101-100000-0001"
    )
    assert choose(options(results, A="20251101-100000-0001")).notes == []


def test_bad_input_is_explained(results: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no directory of a run") as refused:
        choose(options(tmp_path))
    assert "RESULTS=" in refused.value.remedy
    with pytest.raises(UsageError, match="there are no runs below"):
        choose(options(results))
    first = put(results, 1, check())
    with pytest.raises(UsageError, match="there is no run before") as refused:
        choose(options(results))
    assert "A=" in refused.value.remedy
    with pytest.raises(UsageError, match="no run below") as refused:
        choose(options(results, A=first.replace("0001", "0002")))
    assert refused.value.remedy == f"did you mean {first}?"
    with pytest.raises(UsageError, match="cannot be looked at"):
        choose(options(results, A="x" * 5000))


@pytest.mark.parametrize(
    ("text", "told", "remedy"),
    [
        (None, "No such file or directory", "choose another run"),
        ("", "Invalid JSON", "choose another run"),
        ('{"run": "cut o', "Invalid JSON", "choose another run"),
        ("[]", "is not a report", "choose another run"),
        ("\udcff", "Invalid JSON", "choose another run"),
        ('{"schema": "airflow-conformance/2"}', "schema: Input should be", "the version of the suite that wrote it"),
    ],
)
def test_a_report_that_cannot_be_read_is_explained(results: Path, text: str | None, told: str, remedy: str) -> None:
    put(results, 1, check())
    broken = results / "20251102-100000-0002"
    broken.mkdir()
    if text is not None:
        (broken / "report.json").write_text(text, errors="surrogateescape")
    for given in ({"A": str(broken)}, {"B": broken.name}):
        with pytest.raises(UsageError, match=told) as refused:
            choose(options(results, **given))
        assert str(broken) in refused.value.cause and "\n" not in refused.value.cause
        assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    "document",
    [
        report(check(), subjects=[subject(), subject(namespace="data")]),
        report(check(), check(Outcome.FAIL)),
    ],
)
def test_two_releases_under_one_executor_are_not_taken_for_each_other(results: Path, document: Report) -> None:
    write(document, results / "run-1", Redactor())
    with pytest.raises(UsageError, match=r"do(es)? not say") as refused:
        runs.load(results / "run-1" / "report.json")
    assert refused.value.remedy == "judge each release in a run of its own"


# The command


def command(monkeypatch: pytest.MonkeyPatch, results: Path, **given: str) -> int:
    for name in ("A", "B", "MAKEFLAGS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"RESULTS": str(results), **given}.items():
        monkeypatch.setenv(name, value)
    return diff.main()


def test_the_exit_code_tells_whether_something_newly_fails(
    results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = put(results, 1, check(Outcome.FAIL)), put(results, 2, check())
    before = sorted(results.rglob("*"))
    assert command(monkeypatch, results) == 0
    assert "1 fixed" in capfd.readouterr().out
    assert command(monkeypatch, results, A=second, B=first) == 1
    shown = capfd.readouterr()
    assert "✗ fail AF-TST-001 kubernetes: because of fail" in shown.out and "\x1b" not in shown.out
    assert shown.err == ""
    assert sorted(results.rglob("*")) == before, "nothing is written"


def test_bad_input_ends_with_exit_code_2(
    results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, results) == 2
    assert command(monkeypatch, results, MAKEFLAGS=" -- KEEP=1") == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.count("error: ") == 2 and shown.err.count("  → ") == 2


def test_the_last_line_counts() -> None:
    assert closing(Difference()) == (
        "0 newly failing, 0 fixed, 0 failing in both, 0 changed otherwise, 0 only in A, 0 only in B, 0 slower"
    )
