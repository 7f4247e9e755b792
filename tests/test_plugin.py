"""The harness itself: outcomes, guard, verdict, exit codes and cleaning up, with a stub in place of a deployment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fixtures.paths import ROOT

REQUIREMENTS = """
Area:
  - {id: AF-A-001}
  - {id: AF-A-002}
  - {id: AF-A-003, level: SHOULD, executors: [celery]}
"""

CONFTEST = """
from pathlib import Path
from types import SimpleNamespace

from fixtures import catalogue, report, run
from fixtures.errors import *
from fixtures.ledger import Ledger, undoes
from fixtures.pace import Pace

catalogue.REQUIREMENTS = Path(__file__).parent / "requirements.yaml"
catalogue.load.__defaults__ = (catalogue.REQUIREMENTS,)
catalogue.guide = lambda: {"AF-A-001": "Look at it."}


class StubProvider:
    def __init__(self, context):
        self.context = context

    def bring_up(self):
        BRING_UP
        return [stub(self.context, executor) for executor in self.context.settings.executors]

    def logs(self):
        return {"node.log": "what the node wrote"}

    def finish(self):
        Path("finished").touch()
        return []


def stub(context, executor):
    ledger = Ledger(None)
    ledger.record("thing", "of a stub")
    return SimpleNamespace(
        namespace="n", airflow=SimpleNamespace(pace=Pace()),
        cluster=SimpleNamespace(kube=SimpleNamespace(pace=Pace()), tools=SimpleNamespace(pace=Pace())),
        executor=executor, notes={}, exhibits={}, ledger=ledger, waiter=context.waiter,
        observer=SimpleNamespace(waits={}, gate=None, stop=lambda seconds: True),
        describe=lambda: DESCRIBE or report.Subject(
            executor=executor, namespace="n", release="r", chart="c", airflow="a", kubernetes="k"
        ),
    )


undoes("thing")(lambda subject, trace: Path("settled").touch())
run.KindProvider = run.ExistingProvider = StubProvider
run.schedule.begin_undisturbed = run.schedule.begin_disruptive = lambda subject, judged: None
run.EvidenceStore.of_subject = lambda store, subject, name: [
    store.keep(f"evidence/{subject.executor}/{name}/pods.txt", "pods with canary-2f6b", title="Pods", kind="object")
]
run.load_of = lambda subjects: {}
run.bundle.learn = lambda subject: None
run.bundle.capture = lambda subject, redactor, directory, dags: redactor.add("canary-2f6b")
run.owndags.tried = lambda subject, files: [
    report.Trial(file=file.name, dag="theirs", executor=subject.executor, state="failed", reason="task t failed")
    for file in files
]
pytest_plugins = ["fixtures.plugin"]
"""

CHECKS = """
import time

import pytest

from fixtures.catalogue import requirement
from fixtures.errors import *


@requirement("AF-A-001")
def test_first(subject):
    \"\"\"The first thing MUST hold.\"\"\"
    FIRST


@requirement("AF-A-002")
def test_second(subject):
    \"\"\"The second thing MUST hold.\"\"\"


@requirement("AF-A-003")
def test_third(subject):
    \"\"\"The third thing SHOULD hold.\"\"\"
"""


class Suite:
    """A copy of the suite in miniature, with other checks and a stub deployment."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "conformance").mkdir()
        (directory / "requirements.yaml").write_text(REQUIREMENTS)
        (directory / "pytest.ini").write_text("[pytest]\naddopts = -p no:pytest-kind\n")

    def start(
        self,
        *,
        first: str = "pass",
        bring_up: str = "pass",
        describe: str = "None",
        checks: str = CHECKS,
        requirements: str = REQUIREMENTS,
        **options: str,
    ) -> subprocess.Popen[str]:
        (self.directory / "conftest.py").write_text(
            CONFTEST.replace("BRING_UP", bring_up).replace("DESCRIBE", describe)
        )
        (self.directory / "requirements.yaml").write_text(requirements)
        (self.directory / "conformance" / "test_checks.py").write_text(checks.replace("FIRST", first))
        environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")}
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "conformance"],
            cwd=self.directory,
            env={**environment, "PYTHONPATH": str(ROOT), **options},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, **options: Any) -> tuple[int, str, dict[str, Any]]:
        child = self.start(**options)
        output, _ = child.communicate(timeout=60)
        return child.returncode, output, self.report()

    def report(self) -> dict[str, Any]:
        path = self.directory / "results" / "latest" / "report.json"
        loaded: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return loaded


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """A suite in a directory of its own."""
    return Suite(tmp_path)


def outcomes(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Outcome by id and executor."""
    return {(check["id"], check["executor"]): check["outcome"] for check in report["checks"]}


def test_all_pass(suite: Suite) -> None:
    code, output, report = suite.run()
    assert code == 0, output
    assert report["verdict"] == "conformant"
    assert set(outcomes(report).values()) == {"pass"}
    assert len(report["checks"]) == 5
    assert "5 passed, 0 failed, 0 skipped" in output
    assert (suite.directory / "finished").exists()


@pytest.mark.parametrize(
    ("first", "outcome", "verdict", "code"),
    [
        ("assert 1 == 2, 'one is not two'", "fail", "non-conformant", 1),
        ("raise TargetFailed('it is down', 'start it')", "fail", "non-conformant", 1),
        ("raise Blocked('no DAG', 'add it', by='DAG x')", "blocked", "inconclusive", 11),
        ("raise CannotSee('no route')", "error", "inconclusive", 11),
        ("raise KeyError('defect')", "error", "inconclusive", 11),
        ("raise Unsupported('not there')", "unsupported", "partial", 10),
        ("pytest.skip('a person said so')", "skipped", "partial", 10),
    ],
)
def test_outcomes(suite: Suite, first: str, outcome: str, verdict: str, code: int) -> None:
    actual, output, report = suite.run(first=first)
    assert outcomes(report)["AF-A-001", "kubernetes"] == outcome, output
    assert (report["verdict"], actual, report["exit_code"]) == (verdict, code, code)


def test_a_failure_keeps_reason_remedy_and_evidence(suite: Suite) -> None:
    _, _, report = suite.run(first="raise TargetFailed('it is down', 'start it')", EXECUTOR="kubernetes")
    check = next(check for check in report["checks"] if check["id"] == "AF-A-001")
    assert (check["reason"], check["remedy"], check["guide"]) == ("it is down", "start it", "Look at it.")
    assert (suite.directory / "results" / "latest" / "logs" / "node.log").exists()
    kept = [suite.directory / "results" / "latest" / evidence["path"] for evidence in check["evidence"]]
    assert len(kept) == 2
    assert all(path.exists() for path in kept)


def test_a_secret_that_is_learned_last_is_in_no_file(suite: Suite) -> None:
    suite.run(first="raise TargetFailed('it is down')", EXECUTOR="kubernetes")
    run = (suite.directory / "results" / "latest").resolve()
    (pods,) = run.rglob("pods.txt")
    assert pods.read_text() == "pods with [redacted]"
    assert not [path for path in run.rglob("*") if path.is_file() and "canary-2f6b" in path.read_text(errors="replace")]


def test_a_fault_that_no_row_is_accused_of_is_told_by_the_row_that_met_it(suite: Suite) -> None:
    code, _, report = suite.run(first="raise TargetFailed('no metrics', component='statsd')")
    assert outcomes(report)["AF-A-001", "kubernetes"] == "fail"
    assert code == 1
    check = next(check for check in report["checks"] if check["outcome"] == "fail")
    assert "Pods" in [evidence["title"] for evidence in check["evidence"]]


def test_nothing_keeps_the_report_and_the_cleanup(suite: Suite) -> None:
    code, output, report = suite.run(describe="[][0]")
    assert code == 0, output
    assert (suite.directory / "finished").exists()
    assert report["subjects"] == []
    assert any("describing the deployment failed: IndexError" in warning for warning in report["warnings"])


def test_a_defect_while_bringing_up_is_told(suite: Suite) -> None:
    code, output, report = suite.run(bring_up="raise KeyError('defect')")
    assert code == 11
    assert "KeyError: 'defect'" in output
    assert "the suite broke" in report["reason"]
    assert (suite.directory / "finished").exists()


def test_an_id_of_another_executor_is_refused_before_anything_is_touched(suite: Suite) -> None:
    code, output, _ = suite.run(ID="AF-A-003", EXECUTOR="kubernetes")
    assert code == 2
    assert "applies to none of kubernetes" in output
    assert not (suite.directory / "results").exists()


def test_a_requirement_without_a_check_is_not_run(suite: Suite) -> None:
    code, _, report = suite.run(checks=CHECKS.split('@requirement("AF-A-002")')[0])
    assert outcomes(report)["AF-A-002", "kubernetes"] == "not_run"
    assert (code, report["verdict"]) == (11, "inconclusive")


def test_a_dag_of_ones_own_is_told_and_decides_nothing(suite: Suite) -> None:
    (suite.directory / "their_dag.py").write_text("from airflow import DAG")
    code, output, report = suite.run(DAG="their_dag.py", EXECUTOR="celery")
    assert code == 0, output
    assert "their_dag.py under celery: DAG theirs failed: task t failed" in " ".join(output.split())
    (trial,) = report["trials"]
    assert (trial["file"], trial["state"]) == ("their_dag.py", "failed")
    page = (suite.directory / "results" / "latest" / "report.html").read_text()
    assert "Your DAGs" in page


def test_a_module_that_cannot_be_imported_is_no_silence(suite: Suite) -> None:
    code, output, report = suite.run(checks="import no_such_module\n" + CHECKS)
    assert "no_such_module" in output
    assert set(outcomes(report).values()) == {"not_run"}
    assert code == 11


def test_selecting_skips_the_others_and_is_not_conformant(suite: Suite) -> None:
    code, _, report = suite.run(ID="AF-A-001")
    assert outcomes(report)["AF-A-001", "celery"] == "pass"
    assert outcomes(report)["AF-A-002", "celery"] == "skipped"
    assert (code, report["verdict"]) == (10, "partial")


def test_an_id_of_another_kind_of_run_is_told(suite: Suite) -> None:
    about_upgrades = REQUIREMENTS.replace("{id: AF-A-002}", "{id: AF-A-002, runs: [upgrade]}")
    _, output, report = suite.run(requirements=about_upgrades, ID="AF-A-*", EXECUTOR="celery")
    told = "named in ID, and not judged in this run (add SCENARIO=upgrade): AF-A-002"
    assert told in " ".join(output.split())
    assert report["warnings"] == [told]


def test_one_executor_has_its_own_rows_only(suite: Suite) -> None:
    _, _, report = suite.run(EXECUTOR="kubernetes")
    assert {executor for _, executor in outcomes(report)} == {"kubernetes"}


@pytest.mark.parametrize(
    ("bring_up", "code"),
    [
        ("raise UsageError('no such chart', 'give another')", 2),
        ("raise Refused('this is production', 'say so')", 12),
        ("raise CannotSee('API server unreachable', 'is it up?')", 11),
        ("raise TargetFailed('image cannot be pulled', 'correct its name')", 1),
    ],
)
def test_a_deployment_that_does_not_come_up(suite: Suite, bring_up: str, code: int) -> None:
    actual, output, report = suite.run(bring_up=bring_up)
    assert actual == code
    assert set(outcomes(report).values()) == {"not_run"}
    assert report["reason"] in output
    assert (suite.directory / "finished").exists()


def test_a_bad_option_ends_before_anything_is_touched(suite: Suite) -> None:
    code, output, _ = suite.run(EXECUTOR="local")
    assert code == 2
    assert "EXECUTOR=local" in output
    assert not (suite.directory / "results").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_cleans_up_and_reports(suite: Suite, number: signal.Signals) -> None:
    child = suite.start(
        first="open('started', 'w').close(); time.sleep(60)", PROVIDER="existing", CONTEXT="c", EXECUTOR="celery"
    )
    while not (suite.directory / "started").exists() and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(number)
    output, _ = child.communicate(timeout=30)
    report = suite.report()
    assert child.returncode == 11, output
    assert (suite.directory / "settled").exists()
    assert (suite.directory / "finished").exists()
    assert outcomes(report)["AF-A-001", "celery"] == "not_run"
    assert "interrupted" in report["reason"]


def test_a_run_that_nobody_received_is_no_success(suite: Suite) -> None:
    (suite.directory / "metrics").mkdir()
    code, output, report = suite.run(
        PUSH_URL="https://127.0.0.1:9/", PUSH_TOKEN="a-token", METRICS_FILE=str(suite.directory / "metrics" / "a.prom")
    )
    assert (code, report["exit_code"], report["verdict"]) == (13, 13, "conformant")
    assert "did not get to https://127.0.0.1:9/" in output
    assert output.rstrip().endswith("passed, 0 failed, 0 skipped")  # scripts read the last line
    assert "airflow_conformance_exit_code" in (suite.directory / "metrics" / "a.prom").read_text()


def test_old_runs_make_room(suite: Suite) -> None:
    results = suite.directory / "results"
    for name in ("20251101-000000-aaaa", "20251102-000000-bbbb", "fleet", "prove"):
        (results / name).mkdir(parents=True)
    suite.run(KEEP_RUNS="2")
    left = {entry.name for entry in results.iterdir() if not entry.is_symlink()}
    assert left == {"20251102-000000-bbbb", "fleet", "prove", (results / "latest").resolve().name}


DISTURBING = REQUIREMENTS.replace("{id: AF-A-001}", "{id: AF-A-001, disruptive: true}")
NOTE_ORDER = CHECKS.replace(
    "(subject):",
    "(subject, request):\n    with open('order', 'a') as file: print(request.function.__name__, file=file)",
)


def test_what_disturbs_runs_last(suite: Suite) -> None:
    code, _, _ = suite.run(requirements=DISTURBING, checks=NOTE_ORDER, EXECUTOR="celery")
    assert code == 0
    assert (suite.directory / "order").read_text().split() == ["test_second", "test_third", "test_first"]


EXISTING = {"PROVIDER": "existing", "CONTEXT": "staging", "EXECUTOR": "celery"}


def test_an_existing_deployment_is_not_disturbed(suite: Suite) -> None:
    code, output, report = suite.run(requirements=DISTURBING, first="raise AssertionError", **EXISTING)
    assert code == 0
    assert outcomes(report) == {("AF-A-002", "celery"): "pass", ("AF-A-003", "celery"): "pass"}
    told = "not judged without DISRUPTIVE=1, because it disturbs the deployment: AF-A-001"
    assert told in " ".join(output.split())
    assert report["warnings"] == [told]


def test_an_existing_deployment_is_disturbed_by_the_callers_word(suite: Suite) -> None:
    code, _, report = suite.run(requirements=DISTURBING, DISRUPTIVE="1", **EXISTING)
    assert code == 0
    assert outcomes(report)["AF-A-001", "celery"] == "pass"


def test_naming_a_disruptive_check_is_not_yet_allowing_it(suite: Suite) -> None:
    code, output, report = suite.run(requirements=DISTURBING, ID="AF-A-001", **EXISTING)
    assert code == 12
    assert "AF-A-001 would disturb the deployment in context staging" in output
    assert not report
