"""Tasks in trouble: what is seen of them, and when the executor gives them up."""

from __future__ import annotations

import ast
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.test_task_troubles import test_a_missing_image_is_shown as judge_image
from conformance.test_task_troubles import test_a_task_out_of_memory_is_noticed as judge_memory
from fixtures.dagfiles import DAGS
from fixtures.errors import BudgetExceeded, TargetFailed, Unsupported
from fixtures.kube import ApiError, Forbidden
from fixtures.objects import Pod
from fixtures.observations.pod_template import Template, template
from fixtures.observations.troubles import ASKED, FATAL_REASONS, enough, no_image, too_large, too_much
from fixtures.settings import Executor
from tests.waiting import waiter

PULLED = "Failed to pull image: ErrImagePull"


def without_image(**options: str) -> Any:
    """A subject whose task without an image is described as it should be; options are `[kubernetes_executor]`'s."""
    pod = Pod({"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [{"name": "base", "image": "no:0"}]}})
    return SimpleNamespace(
        flag=lambda section, key, default: options.get(key, default) == "True", see=lambda _: (pod, "pull no:0")
    )


def test_a_pod_that_failed_must_stay() -> None:
    judge_image(without_image())
    judge_image(without_image(delete_worker_pods="False", delete_worker_pods_on_failure="True"))  # then none is deleted
    with pytest.raises(AssertionError, match="delete_worker_pods_on_failure is True"):
        judge_image(without_image(delete_worker_pods_on_failure="True"))


@pytest.mark.parametrize("state", ["failed", "up_for_retry"])
def test_a_task_without_an_image_is_given_up(state: str) -> None:
    subject, ended = waiting_for_an_image(state)
    assert no_image.look(subject)[1] == PULLED
    assert ended == ["p"]


def test_a_task_that_goes_on_waiting_for_its_image_is_told_with_the_option() -> None:
    subject, ended = waiting_for_an_image("queued", "CreateContainerError")
    with pytest.raises(BudgetExceeded, match=f"task no_image is queued, .*{FATAL_REASONS} is CreateContainerError"):
        no_image.look(subject)
    assert ended == ["p"]


def test_an_image_that_nobody_is_to_pull_is_waited_for() -> None:
    """With imagePullPolicy Never it may still be loaded into the node."""
    subject, ended = waiting_for_an_image("queued", told="ErrImageNeverPull")
    assert no_image.look(subject)[1] == "ErrImageNeverPull" and ended == ["p"]


@pytest.mark.parametrize("why", ["1 Insufficient cpu", "1 node(s) didn't match Pod's node affinity/selector"])
def test_a_pod_that_is_too_large_is_told_only_where_a_node_would_take_it(why: str) -> None:
    subject, ended = waiting_for_an_image("queued", told=f"Events: FailedScheduling 0/1 nodes are available: {why}.")
    if "cpu" in why:
        assert why in too_large.look(subject)[1]
    else:
        with pytest.raises(Unsupported, match=r"something else than its 1000 CPUs: .*didn't match"):
            too_large.look(subject)
    assert ended == ["p"]


def waiting_for_an_image(state: str, fatal: str | None = None, told: str = PULLED) -> tuple[Any, list[str]]:
    """A subject whose task no_image has a pod that waits for an image, and the pods that are taken away."""
    pod = Pod({"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [{"name": "base", "image": "no:0"}]}})
    ended: list[str] = []
    cluster = SimpleNamespace(
        task_pods=lambda *_: [pod],
        are_coming=lambda _: False,
        end_pod=lambda name, grace: ended.append(name),
        tools=SimpleNamespace(kubectl_run=lambda *_, **__: SimpleNamespace(output=told)),
    )
    subject = SimpleNamespace(
        cluster=cluster,
        executor=Executor.KUBERNETES,
        namespace="airflow",
        see=lambda _: SimpleNamespace(run_id="r"),
        airflow=SimpleNamespace(task=lambda *_: SimpleNamespace(state=state), tasks=lambda _: []),
        ledger=SimpleNamespace(record=lambda *_: None),
        waiter=waiter(0),
        option=lambda section, key, default: fatal or default,
    )
    return subject, ended


def test_what_the_tasks_ask_for_is_what_their_file_says() -> None:
    text = (DAGS / "conformance_troubles.py").read_text()
    tasks = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and _name(node) == "PythonOperator"
    ]
    asked = {}
    for task in tasks:
        given = {one.arg: one.value for one in task.keywords}
        pod = {one.arg: ast.literal_eval(one.value) for one in given["executor_config"].keywords}  # type: ignore[attr-defined]
        asked[ast.literal_eval(given["task_id"])] = pod if "image" in pod else {"resources": pod}
    assert asked == ASKED


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


POLICY = ApiError("POST pods: 422 images come from the site's registries", status=422)
NOT_ALLOWED = Forbidden("the user of this context may not create pods")


def never_a_pod(says: Any, *bounds: str) -> Any:
    """A subject whose tasks have failed without a pod; `says` answers what admission says of a container's fields."""

    def try_to_create(path: str, pod: Any) -> None:
        if error := says(pod["spec"]["containers"][0]):
            raise error

    def get(path: str) -> Any:
        return {"items": [{"metadata": {"name": name}} for name in bounds] if path.endswith("/limitranges") else []}

    declared = Template("/t.yaml", "", {"spec": {"containers": [{"name": "base", "image": "airflow"}]}})
    return SimpleNamespace(
        cluster=SimpleNamespace(
            task_pods=lambda *_: [],
            are_coming=lambda _: False,
            kube=SimpleNamespace(try_to_create=try_to_create, get=get),
        ),
        executor=Executor.KUBERNETES,
        namespace="airflow",
        run_id="r",
        pod=lambda _: Pod({"spec": {"containers": [{"name": "scheduler", "image": "airflow"}]}, "metadata": {}}),
        see=lambda asked: declared if asked is template else SimpleNamespace(run_id="r"),
        airflow=SimpleNamespace(
            task=lambda *_: SimpleNamespace(state="failed", try_number=1), log=lambda *_: "the log"
        ),
        waiter=waiter(0),
    )


def registry(base: Any) -> Any:
    return POLICY if base["image"].startswith("registry.invalid") else None


def bounds(base: Any) -> Any:
    return POLICY if base.get("resources", {}).get("limits", {}).get("memory") == "1280Mi" else None


def test_what_admission_turns_away_gets_into_no_trouble() -> None:
    for look, says in ((no_image.look, registry), (enough.look, bounds)):
        with pytest.raises(Unsupported, match=r"admission turns away a pod of task .*site's registries"):
            look(never_a_pod(says))
    with pytest.raises(Unsupported, match="limitrange/site turns away"):
        too_large.look(never_a_pod(lambda _: NOT_ALLOWED, "site"))


def test_a_task_without_a_pod_that_admission_would_take_is_told() -> None:
    for look, says in ((no_image.look, bounds), (no_image.look, lambda _: POLICY), (enough.look, registry)):
        with pytest.raises(TargetFailed, match="pod"):
            look(never_a_pod(says))


KILLED = {"name": "base", "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}
LONG = {"scheduler_zombie_task_threshold": "1800"}
AT_ONCE = {"scheduler_zombie_task_threshold": "0", "zombie_detection_interval": "0"}


def a_dead_pod(*states: str, **options: str) -> Any:
    """A subject whose task is in one state after the other, and whose pod the kernel has killed as a whole."""
    pod = Pod(
        {
            "metadata": {"name": "p", "uid": "u"},
            "spec": {"containers": [{"name": "base", "image": "airflow"}]},
            "status": {"phase": "Failed", "containerStatuses": [KILLED]},
        }
    )
    shown = iter(states)

    def task(*_: Any) -> Any:
        return SimpleNamespace(task_id="too_much", state=next(shown, states[-1]), try_number=1, start="then")

    return SimpleNamespace(
        cluster=SimpleNamespace(
            task_pods=lambda *_: [pod],
            ever_pods=lambda: [pod],
            at_work=lambda _: [],
            wait_ended=lambda _: None,
            are_coming=lambda _: False,
            recorder=SimpleNamespace(history=lambda *_: [pod.raw]),
            tools=SimpleNamespace(kubectl_run=lambda *_, **__: SimpleNamespace(output="OOMKilled")),
        ),
        executor=Executor.KUBERNETES,
        namespace="airflow",
        see=lambda _: SimpleNamespace(run_id="r", dag_id="conformance_troubles"),
        airflow=SimpleNamespace(task=task, log=lambda *_: "640 MiB"),
        ledger=SimpleNamespace(record=lambda *_: None),
        waiter=waiter(400),
        option=lambda section, key, default, *_: options.get(key, default),
        flag=lambda *_, **__: False,
    )


def test_a_task_whose_pod_was_killed_as_a_whole_is_waited_for() -> None:
    assert too_much.look(a_dead_pod("queued", "running", "running", "failed", **AT_ONCE)).task.state == "failed"


def test_a_deployment_that_takes_longer_to_notice_is_not_waited_for() -> None:
    assert too_much.look(a_dead_pod("running", **LONG)).task.state == "running"


def test_a_scheduler_that_does_not_notice_is_told() -> None:
    subject = a_dead_pod("running", **AT_ONCE)
    subject.waiter = waiter(0.1)
    with pytest.raises(BudgetExceeded, match="task too_much without heartbeats: too_much is running, and its pod has"):
        too_much.look(subject)


def test_a_killed_task_that_still_reads_running_is_noted() -> None:
    subject, notes = a_dead_pod("running", **LONG), list[str]()
    trouble = too_much.look(subject)
    relieved = SimpleNamespace(task=SimpleNamespace(state="success"))
    subject.see = lambda asked: trouble if asked is too_much else relieved
    subject.note = lambda _, text: notes.append(text)
    judge_memory(subject)
    assert len(notes) == 1 and "still shows the task as running" in notes[0] and "for 1800 s" in notes[0]
