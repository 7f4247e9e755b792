"""Pod template of the KubernetesExecutor (README: KubernetesExecutor Configuration)."""

from conformance import HOUR
from fixtures.catalogue import requirement
from fixtures.errors import Blocked, HarnessError
from fixtures.objects import Resources
from fixtures.observations import dag_sources, facts, hello, scheduler_ready
from fixtures.observations.ended_pods import ended_pods, not_cleaned, piled_up
from fixtures.observations.pod_template import (
    added_limits,
    comparable,
    deviations,
    lost_context,
    missing_in,
    moved,
    ordinary_pod,
    outdated,
    refused,
    safe_to_evict,
    taken_all_the_same,
    template,
    too_tight,
    unknown_to_the_registry,
)
from fixtures.observations.rights import declared_service_account
from fixtures.observations.task_view import (
    mailed_differently,
    not_found_by_tasks,
    of_the_node,
    old_configuration,
    old_environment,
    other_network,
    seen_by_the_processor,
    seen_by_the_scheduler,
    seen_differently,
)
from fixtures.settings import Executor
from fixtures.subject import Subject

DOCUMENTED = Resources.of(requests={"cpu": "100m", "memory": "256Mi"}, limits={"cpu": "500m", "memory": "512Mi"})


@requirement("AF-POD-001")
def test_the_declared_template_is_the_one_in_use(subject: Subject) -> None:
    """Task pods MUST be made from a pod template that the deployment declares, and that is there and a Pod."""
    subject.see(template).base()
    subject.note(
        "AF-POD-001",
        "the chart refuses the README's key executor.podTemplate, as `executor` is a word; its own key is podTemplate",
    )


@requirement("AF-POD-002")
def test_task_pods_carry_the_documented_limits(subject: Subject) -> None:
    """Task pods MUST request 100m CPU and 256Mi, and be limited to 500m CPU and 512Mi, on the container `base`."""
    pod = subject.see(hello).finished.pod("hello_task")
    actual = pod.container("base").resources
    assert actual == DOCUMENTED, (
        f"container base of task pod {pod.name} has {actual}, promised is {DOCUMENTED}: set workers.resources"
    )
    inside = subject.see(facts).seen["memory_limit_bytes"]
    assert inside == DOCUMENTED.memory_limit, f"inside a task the memory limit is {inside} bytes"


@requirement("AF-POD-003")
def test_task_pods_run_the_documented_image(subject: Subject) -> None:
    """Task pods MUST run the image of the promised Airflow version."""
    pod = ordinary_pod(subject)  # of a task that failed for it, too
    image = pod.container("base").image
    scheduler = subject.pod("scheduler").container("scheduler").image
    unknown = unknown_to_the_registry(subject, pod)
    assert not unknown, f"{unknown}; name it in podTemplate, or leave the template to the chart (registry.secretName)"
    same = image == scheduler or "@" in scheduler  # the chart gives the executor a repository and a tag only
    try:
        version = subject.see(facts).seen["airflow"]
    except Blocked as blocked:
        unseen = isinstance(blocked.__cause__, HarnessError)
        assert same or unseen, f"task pods run {image}, the scheduler runs {scheduler}: set defaultAirflowTag"
        raise
    promised = subject.settings.AIRFLOW
    assert version == promised, f"{image} holds Airflow {version}, promised is {promised}: set defaultAirflowTag"
    if not same:
        subject.note(
            "AF-POD-003", f"task pods run {image}, the scheduler runs {scheduler}; both hold Airflow {version}"
        )


@requirement("AF-POD-004")
def test_the_template_is_complete(subject: Subject) -> None:
    """The pod template MUST give task pods all that a task needs: configuration, database, volumes, account, labels."""
    declared, scheduler = subject.see(template), subject.pod("scheduler")
    policy = declared.spec.get("restartPolicy")
    assert policy == "Never", (
        f"restartPolicy of the pod template is {policy or 'not set'}: a task that ended starts again"
    )
    workload = subject.cluster.workload("scheduler")
    missing = missing_in(declared, scheduler, subject.dags_folder, subject.log_folder(), workload)
    assert not missing, f"task pods of the template {declared.path} lack what the scheduler has: {'; '.join(missing)}"
    if lost := lost_context(declared, scheduler, workload):
        subject.note(
            "AF-POD-004",
            f"task pods have a securityContext of their own, and of the scheduler's {', '.join(lost)}: their image "
            "must name the user, and their volumes must be open to it",
        )
    account, wanted = declared.spec.get("serviceAccountName"), declared_service_account(subject)
    assert account and (not wanted or account == wanted), (
        f"task pods run as ServiceAccount {account or 'default'}, declared is {wanted or 'one of their own'}"
    )
    labels = (declared.pod.get("metadata") or {}).get("labels") or {}
    expected = {"tier": "airflow", "component": "worker", "release": subject.release} if subject.values else {}
    lost = {key: value for key, value in expected.items() if labels.get(key) != value}
    assert not lost, f"task pods lack the labels {lost}, by which Services, policies and people find them"
    subject.note(
        "AF-POD-004",
        "the README's pod template alone makes task pods without database, configuration, DAGs, restartPolicy Never; "
        "give workers.resources instead, or start from the chart's files/pod-template-file.kubernetes-helm-yaml",
    )


@requirement("AF-POD-005")
def test_task_pods_follow_the_template(subject: Subject) -> None:
    """Task pods MUST be made from the template as it is declared now, with limits under which a task can run."""
    declared = subject.see(template)
    old = outdated(subject, declared)
    assert not old, f"{old}: kubectl rollout restart -n {subject.namespace} deployment/{subject.fullname}-scheduler"
    tight = too_tight(declared)
    assert not tight, f"pod template {declared.path}: {'; '.join(tight)}: correct workers.resources or podTemplate"
    pod = ordinary_pod(subject)
    ends = pod.raw["spec"].get("activeDeadlineSeconds")  # of the pod, so that what changes pods is seen too
    assert ends is None or ends >= HOUR, (
        f"activeDeadlineSeconds of task pod {pod.name} is {ends}: Kubernetes ends every task that takes longer; "
        "give long tasks an execution_timeout of their own, and the pod a day"
    )
    if evicted := safe_to_evict(declared, pod):
        subject.note("AF-POD-005", evicted)
    found = list(deviations(comparable(declared.spec), pod.raw["spec"], "spec"))
    everywhere = moved(subject, found)
    if everywhere:
        subject.note("AF-POD-005", f"admission changes images of the scheduler's pod too: {'; '.join(everywhere)}")
    found = [one for one in found if one not in everywhere]
    assert not found, f"task pod {pod.name} deviates from the template: {'; '.join(found)}"
    added = added_limits(subject, declared, pod)
    assert not added, (
        f"task pod {pod.name} has limits that the template does not declare: {'; '.join(added)}: declare what tasks "
        "need in workers.resources or podTemplate"
    )


@requirement("AF-POD-006")
def test_the_cluster_accepts_the_template(subject: Subject) -> None:
    """The Kubernetes API MUST accept a pod of the template."""
    declared = subject.see(template)
    objection = refused(subject, declared)
    if objection and (taken := taken_all_the_same(subject, objection)):
        subject.note(
            "AF-POD-006", f"task pod {taken} was accepted, of one that the suite would make it is said: {objection}"
        )
        return
    assert not objection, f"every task pod is rejected: {objection}"


@requirement("AF-POD-007")
def test_tasks_see_what_the_scheduler_sees(subject: Subject) -> None:
    """Tasks MUST see the same configuration, Fernet key, DAG folder, modules and addresses as the scheduler."""
    subject.see(scheduler_ready)
    old = old_configuration(subject) + old_environment(subject)
    assert not old, "; ".join(old)
    try:
        task = subject.see(facts).seen
    except Blocked:
        other = other_network(subject) if subject.executor is Executor.KUBERNETES else []
        assert not other, f"tasks fail, and {'; '.join(other)}: names resolve otherwise there; correct the pod template"
        raise
    found = seen_differently(task, subject.see(seen_by_the_scheduler), but=of_the_node(subject))
    assert not found, f"tasks see another world than the scheduler: {'; '.join(found)}"
    processor = subject.see(seen_by_the_processor)
    parser, imports = processor or subject.see(seen_by_the_scheduler), subject.see(dag_sources)["imports"]
    lacking = not_found_by_tasks(task, parser, imports, subject.dags_folder)
    assert not lacking, (
        f"where tasks run there is no module {'; '.join(lacking)}, and the {subject.parser} has it: such DAGs parse, "
        "and their tasks fail; mount it with workers.extraVolumes and workers.extraVolumeMounts too, or put it into "
        "the image of all"
    )
    found = mailed_differently(task, processor)
    assert not found, (
        f"the {subject.parser}, which mails about tasks that were killed, has {'; '.join(found)}: set it for all, in "
        "config or env"
    )
    other = other_network(subject, "hostNetwork") if subject.executor is Executor.KUBERNETES else []
    assert not other, (
        f"{'; '.join(other)}: a task has the host name of its node, so nobody finds the pod that ran it, and it is in "
        "nobody's NetworkPolicy; take hostNetwork out of the pod template"
    )


@requirement("AF-POD-008")
def test_task_pods_do_not_pile_up(subject: Subject) -> None:
    """A task pod MUST end when its task has ended, and finished pods MUST NOT pile up."""
    subject.see(ended_pods)
    if not subject.flag("kubernetes_executor", "delete_worker_pods", "True"):
        stays = not_cleaned(subject)
        assert not stays, (
            f"[kubernetes_executor] delete_worker_pods is False, so finished task pods stay for ever: {stays}"
        )
        return
    left = piled_up(subject)
    assert not left, (
        f"task pods that succeeded are still there: {', '.join(left)}; the executor did not notice that they ended: "
        "may its service account watch pods?"
    )


@requirement("AF-POD-009")
def test_tasks_reach_the_kubernetes_api(subject: Subject) -> None:
    """A task SHOULD reach the Kubernetes API with its service account, as the KubernetesPodOperator does."""
    answer = subject.see(facts).seen["kubernetes_api"]
    assert answer, (
        "a task has no service account token, so it cannot use the Kubernetes API: "
        "set workers.serviceAccount.automountServiceAccountToken to true"
    )
    status = answer.get("status")
    assert status in (200, 403), (  # 403: known, and without that right, which AF-EXE-007 judges
        f"a task gets no answer from the Kubernetes API that is of use: {answer.get('error') or status}"
    )
