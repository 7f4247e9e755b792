"""`make clean` takes away what it was told to, and nothing of a run that is alive."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures import clean, ledger
from fixtures.clean import Options
from fixtures.errors import UsageError
from fixtures.journal import ClusterJournal, Stamp
from fixtures.paths import ROOT

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def left(run: str, hours: float) -> ClusterJournal:
    return ClusterJournal(None, "airflow", Stamp(run, NOW + timedelta(hours=hours)), "airflow")  # type: ignore[arg-type]


JOURNALS = [left("old", -1), left("young", 2)]


def options(**given: Any) -> Options:
    return Options.model_validate({"PROVIDER": "existing", "CONTEXT": "staging", **given})


def test_a_run_is_chosen_by_its_id() -> None:
    assert [one.stamp.run for one in clean.chosen(options(RUN="young"), JOURNALS, NOW)] == ["young"]


def test_an_id_that_left_nothing_is_told_with_those_that_did() -> None:
    with pytest.raises(UsageError, match=r"run other left nothing in namespace airflow\n.*old, young"):
        clean.chosen(options(RUN="other"), JOURNALS, NOW)


def test_what_is_over_its_time_is_chosen() -> None:
    assert [one.stamp.run for one in clean.chosen(options(EXPIRED=True), JOURNALS, NOW)] == ["old"]


def test_what_is_not_touched_is_told() -> None:
    [told] = clean.spared(JOURNALS, JOURNALS[:1])
    assert "run young may be alive" in told and "2026-01-01 14:00:00+00:00, or for RUN=young" in told
    assert clean.spared([], []) == ["no run left anything"]
    assert clean.spared(JOURNALS[:1], JOURNALS[:1]) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"RUN": "x"}, "go with PROVIDER=existing"),
        ({"PROVIDER": "existing", "CONTEXT": "c"}, "needs RUN=id or EXPIRED=1"),
        ({"PROVIDER": "existing", "CONTEXT": "c", "RUN": "x", "EXPIRED": "1"}, "needs RUN=id or EXPIRED=1"),
        ({"PROVIDER": "existing", "RUN": "x"}, "needs CONTEXT"),
        ({"PROVIDER": "existing", "CONTEXT": "c", "RUN": "x", "KUBECONFIG": "/nowhere"}, "has no context c"),
    ],
)
def test_bad_options_are_told(monkeypatch: pytest.MonkeyPatch, capsys: Any, given: dict[str, str], said: str) -> None:
    for name in ("MAKEFLAGS", *Options.model_fields):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert clean.main() == 2
    captured = capsys.readouterr()
    assert said in captured.err + captured.out


def test_every_kind_of_trace_can_be_undone() -> None:
    source = "".join(path.read_text() for path in (ROOT / "fixtures").rglob("*.py"))
    kinds = set(re.findall(r'ledger\.record\(\s*"([^"]+)"', source))
    assert kinds
    assert kinds <= ledger._undo.keys()
