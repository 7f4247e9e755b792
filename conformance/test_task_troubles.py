"""Troubleshooting of tasks and their pods (README: Troubleshooting)."""

from fixtures.catalogue import requirement
from fixtures.observations import LOGS_GONE
from fixtures.observations.heartbeats import told_patience
from fixtures.observations.neighbours import while_running
from fixtures.observations.queued import queued
from fixtures.observations.troubles import KILLED, enough, no_image, too_large, too_much, was_oom_killed
from fixtures.subject import Subject


@requirement("AF-LOG-002")
def test_the_log_of_a_running_task_can_be_read(subject: Subject) -> None:
    """The log of a task MUST be readable in Airflow while the task runs."""
    seen = subject.see(while_running)
    refused = [line for line in seen.api_log.splitlines() if "Reading from k8s pod logs failed" in line]
    assert f"{seen.task_id} is running" in seen.api_log, (
        f"the log of running task {seen.task_id} does not show what it printed: {refused or seen.api_log[-600:]}; "
        "may the service account of the webserver get pods/log (webserver.allowPodLogReading)?"
    )
    if refused:
        subject.note("AF-LOG-002", f"the log came from its volume only: {refused[0]}")


@requirement("AF-TRB-004")
def test_task_pods_are_found_by_dag(subject: Subject) -> None:
    """The pods of a DAG MUST be found by the DAG's id while its tasks run."""
    seen = subject.see(while_running)
    assert seen.pod.name in seen.labelled, (
        f"`kubectl get pods -l dag_id={seen.run.dag_id}` lists {seen.labelled or 'nothing'}, pod {seen.pod.name} runs"
    )
    if not any(seen.run.dag_id in name for name in seen.listed):
        subject.note(
            "AF-TRB-004",
            f"`kubectl get pods | grep {seen.run.dag_id}` finds nothing: pod names have no underscores "
            f"({seen.pod.name}); use -l dag_id={seen.run.dag_id}",
        )


@requirement("AF-TRB-005")
def test_the_log_of_a_task_pod_can_be_read(subject: Subject) -> None:
    """`kubectl logs <task-pod-name>` MUST show what the task prints while its pod is there."""
    seen = subject.see(while_running)
    assert f"{seen.task_id} is running" in seen.log, (
        f"`kubectl logs -n {subject.namespace} {seen.pod.name}` does not show what it printed: {seen.log[-600:]!r}"
    )


@requirement("AF-TRB-006")
def test_the_events_of_a_task_pod_are_shown(subject: Subject) -> None:
    """`kubectl describe pod <task-pod-name>` MUST show the events of the pod."""
    seen = subject.see(while_running)
    events = seen.description.partition("Events:")[2]
    assert "Scheduled" in events and "Started" in events, (
        f"`kubectl describe pod -n {subject.namespace} {seen.pod.name}` shows no events of its start: {events[-600:]!r}"
    )


@requirement("AF-TRB-007")
def test_a_task_out_of_memory_is_noticed(subject: Subject) -> None:
    """A task that exceeds its memory limit MUST fail and show why, and MUST succeed when its limit is raised."""
    trouble = subject.see(too_much)
    limit = trouble.pod.container("base").resources.memory_limit
    assert trouble.task.state != "success", f"a task used more memory than its limit of {limit} bytes and succeeded"
    killed = was_oom_killed(subject, trouble.pod)
    told = LOGS_GONE not in trouble.log and any(word in trouble.log for word in KILLED)
    assert killed or told, (
        f"a task was ended for its use of memory, and neither pod {trouble.pod.name} nor its log tells: "
        f"{trouble.pod.container('base').state}; {trouble.log[-600:]}"
    )
    if not killed:
        subject.note("AF-TRB-007", "the pod does not read OOMKilled: only the task's process was killed, see its log")
    if trouble.task.state == "running":
        subject.note("AF-TRB-007", f"Airflow still shows the task as running: {told_patience(subject)}")
    relieved = subject.see(enough)
    assert relieved.task.state == "success", (
        f"the same task with a higher limit, {relieved.pod.container('base').resources}, is {relieved.task.state}: "
        f"{relieved.log[-600:]}"
    )


@requirement("AF-TRB-008")
def test_a_missing_image_is_shown(subject: Subject) -> None:
    """A task whose image cannot be pulled MUST fail soon; its pod MUST stay, and say so in `kubectl describe pod`."""
    deleted = all(
        subject.flag("kubernetes_executor", name, default)
        for name, default in (("delete_worker_pods", "True"), ("delete_worker_pods_on_failure", "False"))
    )
    assert not deleted, (
        "[kubernetes_executor] delete_worker_pods_on_failure is True: a pod that failed is deleted before anybody can "
        "describe it; set it to False, and delete old ones with cleanup.enabled: true"
    )
    pod, description = subject.see(no_image)
    image = pod.container("base").image
    assert image in description, f"`kubectl describe pod` of {pod.name} does not name the image {image}"


@requirement("AF-TRB-009")
def test_insufficient_resources_are_shown(subject: Subject) -> None:
    """A task pod for which the cluster has no room MUST say so in `kubectl describe pod`."""
    pod, description = subject.see(too_large)
    assert "Insufficient cpu" in description, (
        f"`kubectl describe pod` of {pod.name}, which asks for 1000 CPUs, does not say `Insufficient cpu`: "
        f"{description.partition('Events:')[2][-600:]}"
    )


@requirement("AF-TRB-010")
def test_what_waits_goes_on_when_its_reason_is_gone(subject: Subject) -> None:
    """A run of a paused DAG and a task of a full pool MUST wait, and MUST go on when the reason is gone."""
    seen = subject.see(queued)
    assert seen.paused == "queued", f"a run of a paused DAG is {seen.paused}"
    assert seen.no_slots == "scheduled", (
        f"a task whose pool has no slots is {seen.no_slots}, and should wait as scheduled: does a policy or mutation "
        "hook give tasks another pool?"
    )
