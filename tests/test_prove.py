"""`make prove`: what counts as detected, what is skipped, what order is worked, and what is put back."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures import detection, faults, inject, process, prove
from fixtures.detection import Detection, Result
from fixtures.errors import BudgetExceeded, HarnessError, Refused, UsageError
from fixtures.faults import Case, Selection
from fixtures.inject import Injection, NotInjected, Target, Undo
from fixtures.objects import Pod, Workload, older_than_broker
from fixtures.outcome import Outcome, Verdict
from fixtures.progress import Progress
from fixtures.report import Check, Report
from fixtures.settings import Executor
from fixtures.wait import Budgets, Waiter

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


def result(subject: Case, **changes: Any) -> Result:
    given = {"id": subject.id, "kind": subject.kind, "executor": Executor.CELERY, "digest": subject.digest}
    return Result.model_validate(given | {"injected": True, "proven": True} | changes)


def test_results_are_kept_by_the_content_of_the_file(tmp_path: Path) -> None:
    store, subject = prove.Store(tmp_path), case()
    assert store.get(subject, Executor.CELERY) is None
    store.put(subject, result(subject))
    assert store.get(subject, Executor.CELERY) == result(subject)
    assert store.get(subject, Executor.KUBERNETES) is None
    assert store.get(case(digest="another"), Executor.CELERY) is None
    store.forget(subject, Executor.CELERY)
    assert store.get(subject, Executor.CELERY) is None


def test_a_result_of_another_version_of_the_suite_counts_no_more(tmp_path: Path) -> None:
    (tmp_path / "GS-03-celery.json").write_text('{"id": "GS-03"}')
    assert prove.Store(tmp_path).get(case(), Executor.CELERY) is None


def test_results_of_earlier_runs_stay_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, progress = tmp_path / "detection.json", Progress(stream=(tmp_path / "out").open("w"))
    monkeypatch.setattr(detection.load, "__defaults__", (saved,))
    monkeypatch.setattr(detection.save, "__defaults__", (saved,))
    entries = {"AF-X-001": faults.Requirement("AF-X-001", "area", "MUST", (Executor.CELERY,))}
    first, second = (case(id, executors=(Executor.CELERY,)) for id in ("GS-03", "GS-04"))

    def names() -> list[str]:
        found = detection.load()
        return [r.id for r in found.results] if found else []

    for subject, directory in ((first, "one"), (second, "two")):
        store = prove.Store(tmp_path / directory)
        store.directory.mkdir()
        store.put(subject, result(subject))
        prove.save(progress, store, [first, second], entries)
    assert names() == ["GS-03", "GS-04"]
    changed = case("GS-03", executors=(Executor.CELERY,), digest="another")
    prove.save(progress, prove.Store(tmp_path / "none"), [changed, second], entries)
    assert names() == ["GS-04"]


def test_the_sample_can_be_injected_and_covers_both_executors() -> None:
    pairs = faults.sample(faults.load_all())
    assert {executor for _, executor in pairs} == set(Executor)
    assert not [case.id for case, executor in pairs if executor not in case.executors]


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
    given = [result(cases[0], failed=["AF-X-001"], expected=["AF-X-001"], message="the period is 24h", seconds=12.4)]
    page = detection.page(cases, Detection(date="2026-01-01", machine={"cores": "2"}, results=given), entries)
    assert "| A fault | celery | AF-X-001 | the period is 24h | 12 |" in page
    assert "no \\| network" in page
    assert "No fault made these fail yet: AF-Y-001." in page
    assert "not run yet" in detection.page(cases, None, entries)


def test_faults_by_hand_come_first_and_releases_of_their_own_last() -> None:
    own = case("B-02", inject={"overlay": {"a": 1}, "install": {}})
    overlay = case("GS-01")
    prepared = case("GS-12", inject={"overlay": {"a": 1}, "before": [{"sql": "x"}]})
    by_hand = case("MT-07", inject={"steps": [{"sql": "x"}]})
    assert prove.in_order([own, overlay, prepared, by_hand]) == [by_hand, prepared, overlay, own]


def test_options_of_other_commands_are_refused() -> None:
    assert prove.options({"FAULT": "GS-03,MT-*", "FRESH": "1"}).FAULT == ("GS-03", "MT-*")
    with pytest.raises(UsageError, match="breaks deployments on purpose"):
        prove.options({"PROVIDER": "existing"})
    with pytest.raises(UsageError, match="ID selects requirements"):
        prove.options({"ID": "AF-*"})
    with pytest.raises(UsageError, match="FAULTS is not an option"):
        prove.options({"MAKEFLAGS": " -- FAULTS=GS-03"})
    for name, value in {"SCENARIO": "upgrade", "READONLY": "1", "LIVE": "0"}.items():
        with pytest.raises(UsageError, match=f"{name} does not go with `make prove`"):
            prove.options({name: value})


def test_a_cluster_that_is_not_the_suites_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    progress, store = Progress((tmp_path / "out").open("w")), prove.Store(tmp_path)
    work = prove.Work(prove.options({"CONTEXT": "production"}), progress, store, [], {})
    with prove.ExitStack() as stack, pytest.raises(Refused, match="production is no cluster of the suite's own"):
        prove.bring_up(work, (Executor.CELERY,), stack)


class Kubectl:
    """Remembers objects; answers as kubectl does for what the injection asks of it."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []

    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> process.Result:
        self.calls.append(" ".join(arguments))
        code, out = self._answer(list(arguments), stdin)
        assert not (check and code), arguments
        return process.Result(arguments, code, out, "")

    def _answer(self, words: list[str], stdin: str | None) -> tuple[int, str]:
        verb = words[0]
        if verb == "get":
            found = self.objects.get(words[1].lower())
            if found is None:
                return (0, "") if "--ignore-not-found" in words else (1, "")
            return 0, json.dumps(found) if "json" in words else str(found.get("spec", words[1]))
        if verb in ("apply", "create", "replace"):
            made = yaml.safe_load(stdin or "")
            self.objects[f"{made['kind']}/{made['metadata']['name']}".lower()] = made
        elif verb == "patch":
            self.objects[words[1]]["spec"] = words[-1]
        elif verb == "delete":
            self.objects.pop(words[1] if "/" in words[1] else f"{words[1]}/{words[2]}", None)
        return 0, ""


@pytest.fixture
def kubectl() -> Kubectl:
    made = Kubectl()
    made.objects["service/x"] = {
        "kind": "Service",
        "metadata": {"name": "x", "uid": "u", "resourceVersion": "7"},
        "spec": "whole",
        "status": {},
    }
    return made


@pytest.fixture
def target(tmp_path: Path, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> Target:
    progress = Progress((tmp_path / "out").open("w"))
    waiter = Waiter(progress, Budgets({"injected": 0.1, "rollout": 1, "install": 1}))
    blank: Any = None
    made = Target(
        Executor.CELERY, "ns", "airflow", "airflow", *[blank] * 4, (), waiter, progress, tmp_path, threading.Event()
    )
    monkeypatch.setattr(Target, "kubectl", lambda self, *a, **k: kubectl(*a, **k))
    monkeypatch.setattr(Target, "settle", lambda self, **k: None)
    monkeypatch.setattr(Target, "upgrade", lambda self, overlays, **k: kubectl.calls.append(f"upgrade {overlays}"))
    monkeypatch.setattr(inject, "marked", lambda target: None)
    return made


BY_HAND = {"touches": ["service/x"], "steps": [{"kubectl": ["patch", "service/x", "-p", "broken"]}]}


def test_what_is_touched_is_put_back_as_it_was(target: Target, kubectl: Kubectl) -> None:
    injection = Injection(target, case(inject=BY_HAND))
    injection.apply()
    assert kubectl.objects["service/x"]["spec"] == "broken"
    assert inject.MARKER in str(kubectl.objects), "what a killed run needs is kept before anything changes"
    injection.undo(keep_overlay=False)
    assert kubectl.objects["service/x"] == {"kind": "Service", "metadata": {"name": "x"}, "spec": "whole"}
    assert f"secret/{inject.MARKER}" not in kubectl.objects


def test_what_does_not_take_effect_is_told(target: Target, kubectl: Kubectl) -> None:
    harmless = {"steps": [{"kubectl": ["annotate", "service/x", "a=b"]}]}
    with pytest.raises(NotInjected, match=r"did not take effect: .*says whole, expected is /broken/"):
        Injection(target, case(inject=harmless)).apply()


def test_a_look_that_is_true_beforehand_proves_nothing(target: Target, kubectl: Kubectl) -> None:
    kubectl.objects["service/x"]["spec"] = "broken already"
    injection = Injection(target, case(inject=BY_HAND))
    with pytest.raises(NotInjected, match="before anything was injected"):
        injection.apply()
    injection.undo(keep_overlay=False)
    assert not any(call.startswith(("patch", "replace", "upgrade")) for call in kubectl.calls)


def test_values_may_be_left_to_the_next_upgrade(target: Target, kubectl: Kubectl) -> None:
    subject = case(inject={"overlay": {"a": 1}, **BY_HAND})
    injection = Injection(target, subject)
    injection.apply()
    assert "upgrade [{'a': 1}]" in kubectl.calls
    injection.undo(keep_overlay=True)
    assert kubectl.objects["service/x"]["spec"] == "whole"
    assert f"secret/{inject.MARKER}" in kubectl.objects, "the release still has the values of the fault"
    injection.undo(keep_overlay=False)
    assert kubectl.calls.count("upgrade ()") == 1
    assert f"secret/{inject.MARKER}" not in kubectl.objects


def test_a_killed_run_is_made_good(target: Target, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    left = Undo(case="GS-03", objects=[{"kind": "Service", "metadata": {"name": "x"}, "spec": "whole"}])
    monkeypatch.setattr(inject, "marked", lambda target: left)
    kubectl.objects["service/x"]["spec"] = "broken"
    assert inject.recover(target, [case(inject=BY_HAND)]) == "GS-03"
    assert kubectl.objects["service/x"]["spec"] == "whole"
    assert "upgrade ()" in kubectl.calls
    with pytest.raises(HarnessError, match="not among the fault files"):
        inject.recover(target, [])


def test_a_release_that_stays_broken_is_told(target: Target, kubectl: Kubectl) -> None:
    injection = Injection(target, case(inject={"steps": [{"kubectl": ["patch", "service/x", "-p", "broken"]}]}))
    injection.apply()
    with pytest.raises(BudgetExceeded, match="GS-03 to be gone"):
        injection.undo(keep_overlay=False)


def test_steps_that_undo_what_never_happened_may_fail(
    target: Target, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(target: Target, step: faults.Step) -> None:
        raise HarnessError("no such table")

    monkeypatch.setattr(inject, "do", refuse)
    subject = case(inject=BY_HAND, restore=[{"sql": "DROP TABLE kept"}])
    injection = Injection(target, subject)
    with pytest.raises(HarnessError, match="no such table"):
        injection.apply()
    injection.undo(keep_overlay=False)
    assert f"secret/{inject.MARKER}" not in kubectl.objects


def test_an_object_is_created_and_deleted_again(target: Target, kubectl: Kubectl) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": "broken"}
    look = {"kubectl": ["get", "resourcequota/q", "--ignore-not-found"], "says": "broken"}
    injection = Injection(target, case(inject={"steps": [{"apply": quota}]}, verify=[look]))
    injection.apply()
    assert "resourcequota/q" in kubectl.objects
    injection.undo(keep_overlay=False)
    assert "resourcequota/q" not in kubectl.objects


def test_a_broken_pod_of_an_older_revision_is_replaced() -> None:
    def pod(name: str, revision: str, ready: str) -> Pod:
        return Pod(
            {
                "metadata": {
                    "name": name,
                    "uid": name,
                    "labels": {"controller-revision-hash": revision},
                    "ownerReferences": [{"kind": "StatefulSet", "uid": "set"}],
                },
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            }
        )

    worker = Workload({"kind": "StatefulSet", "metadata": {"uid": "set"}, "status": {"updateRevision": "new"}})
    pods = [pod("old-broken", "old", "False"), pod("old-ready", "old", "True"), pod("new", "new", "False")]
    assert [one.name for one in inject.stuck([worker], pods)] == ["old-broken"]


def running(component: str, container: str, since: str) -> Pod:
    """A pod of a component whose container runs since a time of this minute."""
    state = {"running": {"startedAt": f"2026-01-01T10:00:{since}Z"}}
    return Pod(
        {
            "metadata": {"name": component, "labels": {"component": component}},
            "spec": {"containers": [{"name": container}]},
            "status": {"containerStatuses": [{"name": container, "state": state}]},
        }
    )


def test_a_worker_that_was_there_before_its_broker_is_started_again() -> None:
    """Only where both run, and the worker is the older one."""
    broker = running("redis", "redis", "30")
    assert older_than_broker([broker, old := running("worker", "worker", "20")]) == [old]
    assert older_than_broker([broker, running("worker", "worker", "40")]) == []
    assert older_than_broker([running("worker", "worker", "20")]) == []


def test_an_upgrade_gets_the_values_of_the_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def run_suite(directory: Path, given: dict[str, str], stop: threading.Event, scale: float) -> Report:
        values = {side: yaml.safe_load(Path(given[side]).read_text()) for side in ("FROM_VALUES", "TO_VALUES")}
        seen.update({**given, **values})
        return report(AF_UPG_007=(Outcome.FAIL, "schema"))

    monkeypatch.setattr(prove, "run_suite", run_suite)
    inject = {"overlay": {"a": 1, "b": None}, "former": {"c": 1}}
    upgrade = case("UP-80", scenario="upgrade", expect=("AF-UPG-007",), says="schema", verify=[], inject=inject)
    store, told = prove.Store(tmp_path), prove.options({})
    work = prove.Work(told, Progress(), store, [upgrade], faults.requirements())
    broken = prove.work_scenario(work, upgrade, Executor.CELERY)
    assert not broken
    assert (seen["SCENARIO"], seen["EXECUTOR"]) == ("upgrade", "celery")
    assert (seen["FROM_VALUES"], seen["TO_VALUES"]) == ({"c": 1}, {"a": 1, "b": None})
    assert seen["ID"].split(",") == ["AF-UPG-007"]
    kept = store.get(upgrade, Executor.CELERY)
    assert kept is not None
    assert kept.proven


def test_an_upgrade_without_a_report_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_suite(*_: Any) -> Report:
        raise HarnessError("the run of the checks left no report")

    monkeypatch.setattr(prove, "run_suite", run_suite)
    upgrade, store = case("UP-80", scenario="upgrade", verify=[]), prove.Store(tmp_path)
    work = prove.Work(prove.options({}), Progress(), store, [upgrade], faults.requirements())
    broken = prove.work_scenario(work, upgrade, Executor.CELERY)
    assert broken == ["UP-80 celery: the run of the checks left no report"]
    assert store.get(upgrade, Executor.CELERY) is None
