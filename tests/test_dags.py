"""How DAG files that do not import are reported, and those that Airflow passes over."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.test_dags import test_a_broken_file_is_reported as judge
from fixtures.dagfiles import DAGS
from fixtures.errors import Blocked, BudgetExceeded, CannotSee, TargetFailed
from fixtures.gitsync import SLACK
from fixtures.observations import require_this_version, wait_listed
from fixtures.subject import Subject
from tests.test_example_rows import Fake
from tests.waiting import waiter

TRACEBACK = "ModuleNotFoundError: conformance_module_that_does_not_exist"


def importing(**options: str) -> Subject:
    seen = {
        "scheduler_ready": None,
        "committed": SimpleNamespace(before=set(), broken_file="broken.py"),
        "broken_reported": SimpleNamespace(stack_trace=TRACEBACK),
        "broken_forgotten": None,
    }
    fake = Fake(seen, {f"core.{name}": value for name, value in options.items()})
    fake.require_git_sync = lambda: None  # type: ignore[attr-defined]
    return cast("Subject", fake)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dagbag_import_timeout": "120.0", "dag_file_processor_timeout": "180"},
        {"dagbag_import_timeout": "50"},  # the one or the other, and reported in the end
    ],
)
def test_a_slow_file_that_is_reported_is_fine(options: dict[str, str]) -> None:
    judge(importing(**options))


@pytest.mark.parametrize(
    "options",
    [{"dagbag_import_timeout": "120"}, {"dagbag_import_timeout": "0"}, {"dag_file_processor_timeout": "10"}],
)
def test_a_slow_file_that_is_killed_unreported_is_told(options: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="missing without an import error"):
        judge(importing(**options))


HELPER = {"/dags/reports/tables.py": ".airflowignore"}


def unlisted(
    passed_over: dict[str, str] | None,
    *,
    read_only: bool = False,
    seconds: float = 0,
    others: int = 0,
    wait: float = 60,
) -> Any:
    """A subject that never lists a DAG; Airflow says which files it does not parse, or cannot be asked.

    Args:
        seconds: that are waited for it.
        others: DAGs that are listed.
        wait: seconds between two syncs.
    """

    def ask(*_: str) -> dict[str, str]:
        if passed_over is None:
            raise CannotSee("the probe ended with an error")
        return passed_over

    return SimpleNamespace(
        settings=SimpleNamespace(READONLY=read_only),
        namespace="airflow",
        parser="scheduler",
        dags_folder="/dags",
        waiter=waiter(seconds),
        airflow=SimpleNamespace(import_errors=list, dag=lambda _: None, dags=lambda: [None] * others),
        git_sync="git-sync",
        running=lambda _: [SimpleNamespace(containers={"git-sync"})],
        value=lambda path, _: wait if path == "dags.gitSync.wait" else None,
        flag=lambda *_: False,
        option=lambda section, key, default, component: default,
        ask=ask,
    )


@pytest.mark.parametrize(
    ("reason", "told"),
    [(".airflowignore", r"so write \^ and \$"), ("[core] dag_discovery_safe_mode", "the words airflow and dag")],
)
def test_what_hides_a_file_is_named(reason: str, told: str) -> None:
    with pytest.raises(TargetFailed, match=told) as error:
        wait_listed(unlisted({"/dags/daily_report.py": reason}), "daily_report", "daily_report.py")
    assert f"/dags/daily_report.py is on disk, and {reason} has" in error.value.cause


DAILY = {"/dags/daily_report.py": ".airflowignore"}


def test_a_file_that_is_certainly_hidden_is_told_before_the_time_is_up() -> None:
    """When every commit of before has arrived, and the others are listed."""
    with pytest.raises(TargetFailed, match="has Airflow pass it over") as error:
        wait_listed(unlisted(DAILY, seconds=60, others=1, wait=-SLACK), "daily_report", "daily_report.py")
    assert error.value.__cause__ is None


@pytest.mark.parametrize("early", [{"others": 1, "wait": 60}, {"others": 0, "wait": -SLACK}])
def test_a_file_that_may_still_come_is_waited_for(early: dict[str, float]) -> None:
    with pytest.raises(TargetFailed, match="has Airflow pass it over") as error:
        wait_listed(unlisted(DAILY, seconds=0.1, **early), "daily_report", "daily_report.py")  # type: ignore[arg-type]
    assert isinstance(error.value.__cause__, BudgetExceeded)


@pytest.mark.parametrize(
    "subject",
    [
        unlisted({}),
        unlisted(HELPER),
        unlisted(None),
        unlisted({"/dags/daily_report.py": ".airflowignore"}, read_only=True),
    ],
)
def test_another_file_that_is_hidden_is_no_reason(subject: Subject) -> None:
    with pytest.raises(BudgetExceeded, match="daily_report is not listed"):
        wait_listed(subject, "daily_report", "daily_report.py")


OURS = (DAGS / "conformance_facts.py").read_text()


@pytest.mark.parametrize(
    ("shown", "on_disk", "readonly", "ours"),
    [
        (OURS, "", False, True),
        ("x = 1", "x = 1", False, False),
        ("", OURS, False, True),  # that the database has lost its code is another finding
        ("x = 1", OURS, True, False),  # who only looks sees what the webserver shows
    ],
)
def test_dags_of_another_version_of_the_suite_are_told(shown: str, on_disk: str, readonly: bool, ours: bool) -> None:
    subject: Any = SimpleNamespace(
        airflow=SimpleNamespace(source=lambda dag_id: shown),
        settings=SimpleNamespace(READONLY=readonly),
        parser="scheduler",
        inside=lambda component: SimpleNamespace(run=lambda *_: SimpleNamespace(stdout=on_disk)),
    )
    with contextlib.nullcontext() if ours else pytest.raises(Blocked, match="of another version of the suite"):
        require_this_version(subject, "conformance_facts", "conformance_facts.py", "/dags/conformance_facts.py")
