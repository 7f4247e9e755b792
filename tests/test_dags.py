"""How DAG files that do not import are reported."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from conformance.test_dags import test_a_broken_file_is_reported as judge
from fixtures.subject import Subject
from tests.test_example_rows import Fake

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
