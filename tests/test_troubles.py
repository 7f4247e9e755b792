"""Tasks in trouble: what is seen of them, and when the executor gives them up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from conformance.test_task_troubles import test_a_missing_image_is_shown as judge_image
from fixtures.errors import BudgetExceeded
from fixtures.objects import Pod
from fixtures.observations.troubles import FATAL_REASONS, no_image
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


def waiting_for_an_image(state: str, fatal: str | None = None, told: str = PULLED) -> tuple[Any, list[str]]:
    """A subject whose task no_image has a pod that waits for an image, and the pods that are taken away."""
    pod = Pod({"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [{"name": "base", "image": "no:0"}]}})
    ended: list[str] = []
    cluster = SimpleNamespace(
        task_pods=lambda *_: [pod],
        end_pod=lambda name, grace: ended.append(name),
        tools=SimpleNamespace(kubectl_run=lambda *_, **__: SimpleNamespace(output=told)),
    )
    subject = SimpleNamespace(
        cluster=cluster,
        namespace="airflow",
        see=lambda _: SimpleNamespace(run_id="r"),
        airflow=SimpleNamespace(task=lambda *_: SimpleNamespace(state=state)),
        ledger=SimpleNamespace(record=lambda *_: None),
        waiter=waiter(0),
        option=lambda section, key, default: fatal or default,
    )
    return subject, ended
