"""Faults, reports about them, and what was found out, as the tests of `make prove` and of reported bugs need them."""

from __future__ import annotations

from typing import Any

from fixtures import faults
from fixtures.detection import Result
from fixtures.faults import Case
from fixtures.outcome import Outcome, Verdict
from fixtures.report import Check, Report
from fixtures.settings import Executor

LOOK = {"kubectl": ["get", "service/x", "-o", "name"], "says": "broken"}


def case(id: str = "GS-03", kind: faults.Kind = "fault", **changes: Any) -> Case:
    given: dict[str, Any] = {"title": "A fault", "inject": {"overlay": {"a": 1}}, "verify": [LOOK]}
    if kind == "fault":
        given |= {"expect": ("AF-X-001",), "says": "period"}
    given |= {"id": id, "kind": kind, "source": faults.FAULTS / f"{id}.yaml", "digest": "d"}
    return Case.model_validate(given | changes)


def report(**outcomes: tuple[Outcome, str]) -> Report:
    return Report(
        run="r",
        verdict=Verdict.NON_CONFORMANT,
        exit_code=1,
        reason="because",
        started="2026-01-01T00:00:00Z",
        seconds=1,
        checks=[
            Check(
                id=id.replace("_", "-"),
                requirement="s",
                level="MUST",
                executor="celery",
                outcome=outcome,
                reason=reason,
                seconds=1,
            )
            for id, (outcome, reason) in outcomes.items()
        ],
    )


def result(subject: Case, **changes: Any) -> Result:
    given = {"id": subject.id, "kind": subject.kind, "executor": Executor.CELERY, "digest": subject.digest}
    return Result.model_validate(given | {"injected": True, "proven": True} | changes)
