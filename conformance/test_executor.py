"""Executor behaviour (README: Configuration, Executor)."""

from fixtures.catalogue import requirement
from fixtures.observations import external, facts, hello, worker_ready
from fixtures.subject import EXECUTOR_LABEL, Subject


@requirement("AF-EXE-001")
def test_kubernetes_executor_is_declared_and_at_work(subject: Subject) -> None:
    """The executor MUST be KubernetesExecutor, in the declaration and in behaviour."""
    declared = subject.declared_executor()
    assert declared == "KubernetesExecutor", f"the release declares {declared}"
    run = subject.see(facts).finished
    pod = run.pod("facts")
    assert pod.labels.get(EXECUTOR_LABEL) == "True", f"task pod {pod.name} was not made by the KubernetesExecutor"


@requirement("AF-EXE-002")
def test_each_task_has_a_pod_of_its_own(subject: Subject) -> None:
    """Each task instance MUST run in a pod of its own, which goes when the task has ended."""
    finished = subject.see(external).finished
    pods = {task_id: finished.pod(task_id) for task_id in finished.tasks}
    assert len({pod.uid for pod in pods.values()}) == len(finished.tasks), f"tasks share pods: {pods}"
    for task_id, task in finished.tasks.items():
        pod = pods[task_id]
        assert pod.is_host(task.hostname), f"{task_id} says it ran on {task.hostname}, its pod is {pod.name}"
        assert "base" in pod.containers, f"pod {pod.name} has no container `base`"
    if subject.config.getboolean("kubernetes_executor", "delete_worker_pods", fallback=True):
        subject.cluster.wait_gone(pods.values())


@requirement("AF-EXE-005")
def test_no_worker_stands_by(subject: Subject) -> None:
    """Under KubernetesExecutor there MUST be no standing worker and no broker."""
    for component in ("worker", "redis", "flower"):
        workload = subject.cluster.workload(component)
        assert workload is None, f"{workload.kind}/{workload.name} stands by under KubernetesExecutor"
    idle = [pod.name for pod in subject.cluster.pods("worker") if EXECUTOR_LABEL not in pod.labels]
    assert not idle, f"pods with the label component=worker that run no task: {idle}"


@requirement("AF-EXE-006")
def test_a_persistent_worker_runs_the_tasks(subject: Subject) -> None:
    """Under CeleryExecutor a persistent worker MUST run the tasks, one worker several of them, and no task pod may."""
    declared = subject.declared_executor()
    assert declared == "CeleryExecutor", f"the release declares {declared}"
    before = {pod.uid for pod in [subject.see(worker_ready)]}
    tasks = [subject.see(facts).task, subject.see(hello).finished.tasks["hello_task"]]
    workers = subject.cluster.pods("worker")
    assert before <= {pod.uid for pod in workers}, "the worker was replaced during the run"
    restarted = subject.cluster.restarted(workers)
    assert not restarted, f"restarted during the run: {restarted}"
    for task in tasks:
        assert any(pod.is_host(task.hostname) for pod in workers), (
            f"{task.task_id} ran on {task.hostname}, which is no worker: {[pod.name for pod in workers]}"
        )
    runs = [subject.see(facts).finished.run, subject.see(hello).finished.run]
    made = [pod.name for run in runs for pod in subject.cluster.task_pods(run.run_id)]
    assert not made, f"pods of the KubernetesExecutor appeared: {made}"
