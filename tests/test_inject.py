"""What is injected and seen to take effect, and what is put back."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures import faults, inject, process
from fixtures.errors import BudgetExceeded, HarnessError
from fixtures.inject import Injection, NotInjected, Target, Undo
from fixtures.objects import Pod, Workload, older_than_broker
from fixtures.progress import Progress
from fixtures.settings import Executor
from fixtures.wait import Budgets, Waiter
from tests.cases import case


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
