"""A stand-in for a run of the suite in a process of its own."""

import sys

import pytest

from fixtures import child
from fixtures.paths import ROOT

# Stands for a run: leaves the report of the verdict that the context names, and ends with its exit code.
STAND_IN = """
import os, sys, time
from pathlib import Path
from fixtures import runs
from fixtures.outcome import EXIT_CODES, Outcome, Verdict
from fixtures.printed import write
from fixtures.redaction import Redactor
from tests.test_report import check, report
word = os.environ["CONTEXT"]
print("judging", word, flush=True)
if word == "usage":
    print("error: CONTEXT=usage: no such context", file=sys.stderr)
    sys.exit(2)
if word == "broken":
    raise SystemExit("Traceback")
if word == "killed":
    os.abort()
place = Path(os.environ["RESULTS"])
if word == "slow":
    (place / "begun").parent.mkdir(parents=True, exist_ok=True)
    (place / "begun").touch()
    import signal
    def end(*_): raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, end)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        word = "inconclusive"
verdict = Verdict(word)
outcome = Outcome.FAIL if verdict is Verdict.NON_CONFORMANT else Outcome.PASS
document = report(check(outcome), run="run-" + word, verdict=verdict, exit_code=EXIT_CODES[verdict], reason="so it is")
write(document, place / document.run, Redactor())
sys.exit(EXIT_CODES[verdict])
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-c", STAND_IN))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
