"""Executor behaviour (README: Configuration, Executor)."""

from conformance import HOUR
from fixtures.catalogue import requirement
from fixtures.objects import FINISHED, Resources
from fixtures.observations import external, facts, hello, scheduler_ready, webserver_ready, worker_ready
from fixtures.observations.celery import delivery
from fixtures.observations.ended_pods import ended_pods
from fixtures.observations.invariants import ended_containers
from fixtures.observations.neighbours import neighbours
from fixtures.observations.rights import unreachable_api, unusual_rights, wrong_rights
from fixtures.settings import Executor
from fixtures.subject import Subject
from fixtures.watch import TASK_POD_LABEL, is_operators_pod

OWN_RESOURCES = {  # manifests/dags/conformance_pods.py
    "first": Resources.of({"cpu": "110m", "memory": "260Mi"}, {"cpu": "600m", "memory": "520Mi"}),
    "second": Resources.of({"cpu": "120m", "memory": "264Mi"}, {"cpu": "700m", "memory": "528Mi"}),
}


@requirement("AF-EXE-001")
def test_kubernetes_executor_is_declared_and_at_work(subject: Subject) -> None:
    """The executor MUST be KubernetesExecutor, in the declaration and in behaviour."""
    declared = subject.declared_executor()
    assert declared == "KubernetesExecutor", f"the release declares {declared}"
    run = subject.see(facts).finished
    pod = run.pod("facts")
    assert pod.labels.get(TASK_POD_LABEL) == "True", f"task pod {pod.name} was not made by the KubernetesExecutor"


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
    if subject.flag("kubernetes_executor", "delete_worker_pods", "True"):
        subject.see(ended_pods)
        subject.cluster.wait_gone(pods.values())


@requirement("AF-EXE-003")
def test_tasks_are_isolated_from_each_other(subject: Subject) -> None:
    """Two tasks of one run MUST NOT share a file system or processes."""
    for task_id, seen in subject.see(neighbours).seen.items():
        shared = [*seen["files"], *seen["processes"]]
        assert not shared, f"task {task_id} sees what belongs to the other task of its run: {shared}"
        assert seen["own_processes"], f"task {task_id} does not even see its own processes, so this proves nothing"


@requirement("AF-EXE-004")
def test_a_task_may_have_resources_of_its_own(subject: Subject) -> None:
    """Resources that a task asks for in its `executor_config` MUST be those of its pod, whatever other tasks have."""
    run = subject.see(neighbours)
    for task_id, wanted in OWN_RESOURCES.items():
        pod = run.finished.pod(task_id)
        actual = pod.container("base").resources
        assert actual == wanted, (
            f"task {task_id} asks for {wanted}, its pod {pod.name} has {actual}: does a LimitRange or other admission "
            f"change pods? kubectl get limitrange -n {subject.namespace}"
        )
        inside = run.seen[task_id]["memory_limit_bytes"]
        assert inside == wanted.memory_limit, f"inside task {task_id} the memory limit is {inside} bytes"


@requirement("AF-EXE-005")
def test_no_worker_stands_by(subject: Subject) -> None:
    """Under KubernetesExecutor there MUST be no standing worker and no broker."""
    for component in ("worker", "redis", "flower"):
        workload = subject.cluster.workload(component)
        assert workload is None, f"{workload.kind}/{workload.name} stands by under KubernetesExecutor"
    idle = [
        pod.name
        for pod in subject.cluster.pods("worker")
        if TASK_POD_LABEL not in pod.labels and not is_operators_pod(pod.raw) and pod.phase not in FINISHED
    ]
    assert not idle, f"pods with the label component=worker that run no task: {idle}"


@requirement("AF-EXE-006")
def test_a_persistent_worker_runs_the_tasks(subject: Subject) -> None:
    """Under CeleryExecutor a persistent worker MUST run the tasks, one worker several of them, and no task pod may."""
    declared = subject.declared_executor()
    assert declared == "CeleryExecutor", f"the release declares {declared}"
    subject.see(worker_ready)
    tasks = [subject.see(facts).task, subject.see(hello).finished.tasks["hello_task"]]
    workers = subject.ever("worker")
    names = {pod.name for pod in workers}
    ended = [str(one) for one in ended_containers(subject) if one.pod in names]
    assert not ended, f"the worker did not persist: {'; '.join(ended)}"
    for task in tasks:
        assert any(pod.is_host(task.hostname) for pod in workers), (
            f"{task.task_id} ran on {task.hostname}, which is no worker: {[pod.name for pod in workers]}"
        )
    runs = [subject.see(facts).finished.run, subject.see(hello).finished.run]
    made = [pod.name for run in runs for pod in subject.cluster.task_pods(run.run_id)]
    assert not made, f"pods of the KubernetesExecutor appeared: {made}"


@requirement("AF-EXE-007")
def test_service_accounts_have_the_rights_of_the_executor(subject: Subject) -> None:
    """Service accounts MUST have the rights that the executor needs, in its namespace, and not those of another one."""
    for ready in (scheduler_ready, webserver_ready):
        subject.see(ready)
    if subject.executor is Executor.CELERY:
        subject.see(worker_ready)
    wrong, declared = wrong_rights(subject), unusual_rights(subject)
    cause = f"{'; '.join(declared)}: " if declared else ""
    assert not wrong, f"{cause}{'; '.join(wrong)}: compare the RoleBindings of the release with its executor"
    cut = unreachable_api(subject) if subject.executor is Executor.KUBERNETES else ""
    assert not cut, cut


@requirement("AF-EXE-010")
def test_a_task_is_delivered_once(subject: Subject) -> None:
    """A task MUST NOT be delivered again, or ended by Celery, while it may run: an hour, or as long as others took."""
    seen = subject.see(delivery)
    short = [f"{name} is {limit:g} s" for name, limit in seen.time_limits.items() if limit < HOUR]
    assert not short, (
        f"{' and '.join(short)} in the worker's Celery options ([celery] celery_config_options): each task that takes "
        f"longer is ended; set at least {HOUR:g}, or leave it out"
    )
    if seen.visibility_timeout is None:
        return  # a broker of another kind keeps a task until it is acknowledged, or it is before it begins
    option = f"[celery_broker_transport_options] visibility_timeout is {seen.visibility_timeout:g} s in the worker"
    assert seen.visibility_timeout >= HOUR, f"{option}: each task that takes longer runs twice; set at least {HOUR:g}"
    assert not seen.longer, (
        f"{option}, and {seen.longer} times a task was at work for longer: it was delivered twice; set it higher"
    )


@requirement("AF-EXE-011")
def test_results_are_read_where_they_are_stored(subject: Subject) -> None:
    """The scheduler MUST read the results of tasks where the workers store them."""
    subject.see(scheduler_ready)
    subject.see(worker_ready)
    seen = {name: subject.ask(name, "celery_options") for name in ("scheduler", "worker")}
    ignoring = [name for name, told in seen.items() if told["ignores_results"]]
    assert not ignoring, (
        f"task_ignore_result is on in the Celery options of {' and '.join(ignoring)} ([celery] celery_config_options): "
        "no result is stored, and finished tasks keep their slots until none is left; leave it out"
    )
    kept = {name: told["results"] for name, told in seen.items()}
    assert kept["scheduler"] == kept["worker"], (
        f"the worker stores results in {kept['worker']}, the scheduler reads {kept['scheduler']}: finished tasks keep "
        "their slots until none is left; [celery] result_backend must be the same"
    )
