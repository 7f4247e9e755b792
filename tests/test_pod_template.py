"""What is said of pod templates, and of pods that were made of one."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from conformance.test_pod_template import test_task_pods_follow_the_template as judge_template
from conformance.test_pod_template import test_task_pods_run_the_documented_image as judge_image
from fixtures.environment import container_spec
from fixtures.errors import Blocked, HarnessError, TargetFailed
from fixtures.kube import NotFound
from fixtures.objects import Pod, Workload
from fixtures.observations.pod_template import (
    Template,
    added_limits,
    comparable,
    deviations,
    lost_context,
    missing_in,
    moved,
    option_of_tasks,
    outdated,
    taken_all_the_same,
    too_tight,
    unknown_to_the_registry,
)
from fixtures.settings import Executor
from fixtures.subject import Subject
from tests.pods import Release, scheduler, spec

HEARTBEAT = "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC"


def template(body: dict[str, Any]) -> Template:
    return Template("/opt/airflow/pod_templates/pod_template_file.yaml", "", {"kind": "Pod", "spec": body})


def live() -> dict[str, Any]:
    """What admission and the executor make of the template."""
    body = spec(serviceAccountName="default", tolerations=[{"key": "node.kubernetes.io/not-ready"}])
    base = body["containers"][0]
    base |= {"image": "other", "args": ["airflow"], "resources": {"limits": {"cpu": "0.5", "memory": "536870912"}}}
    base["env"] = [{"name": "A", "value": "1"}, {"name": "EMPTY"}, {"name": "MORE", "value": "x"}]
    base["volumeMounts"].append({"name": "token", "mountPath": "/var/run/secrets"})
    return body


def test_what_admission_and_the_executor_add_is_no_deviation() -> None:
    assert list(deviations(comparable(spec()), live(), "spec")) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"restartPolicy": "Always"}, "spec.restartPolicy is Always, the template says Never"),
        ({"volumes": [{"name": "dags", "emptyDir": {}}]}, "spec.volumes: config is missing"),
        ({"containers": []}, "spec.containers: base is missing"),
    ],
)
def test_deviations_are_named(change: dict[str, Any], expected: str) -> None:
    assert list(deviations(comparable(spec()), {**live(), **change}, "spec")) == [expected]


def test_changed_resources_and_variables_are_named_without_the_values_of_variables() -> None:
    actual = live()
    actual["containers"][0]["resources"]["limits"]["memory"] = "64Mi"
    actual["containers"][0]["env"][0]["value"] = "secret"
    found = list(deviations(comparable(spec()), actual, "spec"))
    assert found == [
        "spec.containers[base].env: A has another value",
        "spec.containers[base].resources.limits.memory is 64Mi, the template says 512Mi",
    ]


def test_a_limit_without_unit_is_too_tight() -> None:
    assert too_tight(template(spec())) == []
    body = spec()
    body["containers"][0]["resources"]["limits"]["memory"] = "512"
    assert too_tight(template(body)) == ['limit memory="512" is 512 bytes, no task starts below 134217728']


def test_the_first_container_must_be_base() -> None:
    with pytest.raises(TargetFailed, match="is sidecar"):
        too_tight(template(spec(containers=[{"name": "sidecar"}])))


def test_what_the_scheduler_has_and_tasks_would_not() -> None:
    assert missing_in(template(spec(securityContext={"fsGroup": 0})), scheduler(), "/opt/airflow/dags/x", "/logs") == []
    bare = template({"containers": [{"name": "base"}]})
    assert missing_in(bare, scheduler(), "/opt/airflow/dags/x", "/logs") == [
        "no volume at /opt/airflow/airflow.cfg (in the scheduler: config)",
        "no volume at /opt/airflow/dags (in the scheduler: dags)",
        "no securityContext.fsGroup",
    ]


@pytest.mark.parametrize(
    ("above", "pod", "base", "lost", "told"),
    [
        ({}, {}, {}, [], False),  # fsGroup of the scheduler's pod is admission's, which gives it to task pods too
        ({"fsGroup": 0, "runAsUser": 50000}, {"fsGroup": 0}, {"runAsUser": 50000}, [], False),
        ({"fsGroup": 0, "runAsUser": None}, {"runAsUser": 1}, {}, ["no securityContext.fsGroup"], False),
        ({"fsGroup": 0, "runAsUser": 50000}, {"fsGroup": 0}, {}, ["no securityContext.runAsUser"], False),
        ({"fsGroup": 0, "runAsUser": None}, {}, {"runAsNonRoot": True}, ["no securityContext.fsGroup"], False),
        ({"fsGroup": 0, "runAsUser": None}, {}, {"privileged": False}, ["no securityContext.fsGroup"], True),
    ],
)
def test_the_security_context_is_that_which_the_scheduler_declares(
    above: Any, pod: Any, base: Any, lost: list[str], told: bool
) -> None:
    """Or one of the template's own, of which it is only noted what it leaves to image and volumes."""
    workload = Workload({"kind": "Deployment", "spec": {"template": {"spec": spec(securityContext=above)}}})
    body = spec(securityContext=pod)
    body["containers"][0]["securityContext"] = base
    assert lost_context(template(body), scheduler(), workload) == lost
    found = missing_in(template(body), scheduler(), "/opt/airflow/dags/x", "/logs", workload)
    assert found == (lost if told else [])


def test_somebody_must_fill_an_empty_volume_for_dags() -> None:
    body = spec(securityContext={"fsGroup": 0}, initContainers=[])
    assert missing_in(template(body), scheduler(), "/opt/airflow/dags/x", "/logs") == [
        "the volume at /opt/airflow/dags is empty, because no init container (git-sync-init) fills it with DAGs"
    ]


def test_limits_under_which_tasks_are_evicted() -> None:
    body = spec()
    body["containers"][0]["resources"]["limits"]["ephemeral-storage"] = "16Mi"
    assert too_tight(template(body)) == ["limit ephemeral-storage=16Mi: tasks are evicted for what they write"]


@pytest.mark.parametrize(
    ("declared", "actual", "told"),
    [
        ("", "48Mi", "ephemeral-storage limit 48Mi, so tasks are evicted for what they write (from LimitRange site)"),
        ("", "64Mi", ""),
        ("", "2G", ""),
        ("", "", ""),
        ("48Mi", "48Mi", ""),  # `too_tight` tells
    ],
)
def test_a_limit_of_disk_space_that_admission_gives_must_be_enough(declared: str, actual: str, told: str) -> None:
    bodies = [spec(), spec()]
    for body, limit in zip(bodies, (declared, actual), strict=True):
        body["containers"][0]["resources"]["limits"] |= {"ephemeral-storage": limit} if limit else {}
    kube = SimpleNamespace(get=lambda _: {"items": [{"metadata": {"name": "site"}}]})
    subject: Any = SimpleNamespace(namespace="airflow", cluster=SimpleNamespace(kube=kube))
    pod = Pod({"metadata": {"name": "task", "uid": "u"}, "spec": bodies[1]})
    assert added_limits(subject, template(bodies[0]), pod) == ([told] if told else [])


def test_what_kubernetes_adds_to_a_variable_is_no_deviation() -> None:
    declared = {"env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}]}
    added = {"env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP", "apiVersion": "v1"}}}]}
    other = {"env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP", "apiVersion": "v1"}}}]}
    assert list(deviations(declared, added, "spec")) == []
    assert list(deviations(declared, other, "spec")) == ["spec.env: IP has another value"]


def test_each_scheduler_must_have_the_template_as_it_is_declared() -> None:
    path, now = "/opt/airflow/pod.yaml", {"pod.yaml": "kind: Pod\nmemory: 2"}
    declared, old = Template(path, now["pod.yaml"], {}), {"pod.yaml": "kind: Pod\nmemory: 1"}
    assert outdated(cast(Subject, Release(now, {"scheduler-1": now})), declared) == ""
    assert outdated(cast(Subject, Release(now, {"scheduler-1": now, "scheduler-2": old})), declared) == (
        "pod.yaml in ConfigMap airflow-config was changed, scheduler-2 still makes task pods from the older one: "
        "+ memory: 2; - memory: 1"
    )


@pytest.mark.parametrize(
    ("mine", "lost"),
    [
        (["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], []),
        (["AIRFLOW__CORE__SQL_ALCHEMY_CONN"], []),
        ([], ["no variable AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]),
    ],
)
def test_one_of_the_two_names_of_the_database_is_enough(mine: list[str], lost: list[str]) -> None:
    names = ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    above = scheduler()
    above.raw["spec"]["containers"][0]["env"] = [{"name": name, "value": "x"} for name in names]
    body = spec(securityContext={"fsGroup": 0})
    body["containers"][0]["env"] = [{"name": name, "value": "x"} for name in mine]
    assert missing_in(template(body), above, "/opt/airflow/dags/x", "/logs") == lost


def test_a_size_may_be_written_in_several_ways() -> None:
    declared = {"volumes": [{"name": "dags", "emptyDir": {"sizeLimit": "1024Mi"}}]}
    for stored, found in (
        ("1Gi", []),
        ("2Gi", ["spec.volumes[dags].emptyDir.sizeLimit is 2Gi, the template says 1024Mi"]),
    ):
        actual = {"volumes": [{"name": "dags", "emptyDir": {"sizeLimit": stored}}]}
        assert list(deviations(declared, actual, "spec")) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (yaml.safe_dump({"spec": spec()}), "5"),
        (
            yaml.safe_dump({"spec": {"containers": [{"name": "base", "env": [{"name": HEARTBEAT, "value": "600"}]}]}}),
            "600",
        ),
        ("kind: ConfigMap", "the scheduler's"),
        ("a: b: c", "the scheduler's"),
        ("", "the scheduler's"),
    ],
)
def test_an_option_of_tasks_is_the_template_s(text: str, says: str) -> None:
    cluster = SimpleNamespace(config_map=lambda _: {"pod_template_file.yaml": text})
    subject: Any = SimpleNamespace(executor=Executor.KUBERNETES, cluster=cluster, pod=lambda _: scheduler())
    subject.option = lambda section, key, *_: "/t/file.yaml" if key == "pod_template_file" else "the scheduler's"
    subject.option_in = lambda pod, name, section, key, default: next(
        (entry["value"] for entry in container_spec(pod, name).get("env", ()) if entry["name"] == HEARTBEAT), default
    )
    assert option_of_tasks(subject, "scheduler", "job_heartbeat_sec", "5") == says


HERE, THERE = "registry.k8s.io/git-sync/git-sync:v4.1.0", "mirror.example/git-sync/git-sync:v4.1.0"


def pulled(image: str, policy: str) -> dict[str, Any]:
    """A pod spec all of whose images are pulled so."""
    made = spec(initContainers=[{"name": "git-sync-init", "image": image, "imagePullPolicy": policy}])
    made["containers"][0]["imagePullPolicy"] = policy
    return made


@pytest.mark.parametrize(
    ("workload", "pod", "found"),
    [
        (pulled(HERE, "IfNotPresent"), pulled(THERE, "Always"), []),  # admission changes pods
        (pulled(THERE, "Always"), pulled(THERE, "Always"), []),  # and what makes them
        (pulled(HERE, "IfNotPresent"), pulled(HERE, "Always"), [f"image is {THERE}"]),
        (pulled(HERE, "IfNotPresent"), pulled(HERE, "IfNotPresent"), ["Policy is Always"] * 2 + [f"image is {THERE}"]),
    ],
)
def test_what_admission_does_to_images_of_all_pods_is_no_deviation(workload: Any, pod: Any, found: list[str]) -> None:
    declared = Workload({"kind": "Deployment", "spec": {"template": {"spec": workload}}})
    subject: Any = SimpleNamespace(
        parser="scheduler",
        cluster=SimpleNamespace(workload=lambda _: declared),
        pod=lambda _: Pod({"metadata": {"name": "s", "uid": "u"}, "spec": pod}),
    )
    changed = {**pulled(THERE, "Always"), "restartPolicy": "Always"}
    told = list(deviations(comparable(pulled(HERE, "IfNotPresent")), changed, "spec"))
    left = sorted(set(told) - set(moved(subject, told)))
    assert len(left) == len(found) + 1 and any("restartPolicy" in one for one in left)
    assert all(any(text in one for one in left) for text in found)


@pytest.mark.parametrize(
    ("image", "version", "told"),
    [
        ("apache/airflow:2.9.0", "2.9.0", None),
        ("site/tasks:7", "2.9.0", "note"),
        ("site/tasks:7", "2.9.3", "holds Airflow 2.9.3"),
        ("apache/airflow:2.9.3", "", "task pods run apache/airflow:2.9.3"),
        ("apache/airflow:2.9.0", "", "no task told"),
        ("site/tasks:7", "unseen", "no task told"),
    ],
)
def test_an_image_of_the_tasks_own_must_hold_the_promised_version(
    monkeypatch: pytest.MonkeyPatch, image: str, version: str, told: str | None
) -> None:
    def seen(_: Any) -> Any:
        if version in ("", "unseen"):
            failed = HarnessError("the webserver cannot be reached") if version else TargetFailed("the task failed")
            raise Blocked("no task told its version", by="AF-CMP-003") from failed
        return SimpleNamespace(seen={"airflow": version})

    task = Pod({"metadata": {"name": "t", "uid": "t"}, "spec": spec()})
    task.raw["spec"]["containers"][0]["image"] = image
    monkeypatch.setattr("conformance.test_pod_template.ordinary_pod", lambda _: task)
    notes: list[str] = []
    subject: Any = SimpleNamespace(
        pod=lambda _: scheduler(),
        see=seen,
        note=lambda _, text: notes.append(text),
        settings=SimpleNamespace(AIRFLOW="2.9.0"),
    )
    if told in (None, "note"):
        judge_image(subject)
    else:
        with pytest.raises((AssertionError, Blocked), match=told):
            judge_image(subject)
    assert bool(notes) == (told == "note")


@pytest.mark.parametrize(
    ("objection", "ran", "taken"),
    [
        ('pods "x" is forbidden: exceeded quota: site, requested: pods=1, used: pods=80', True, "hello-x"),
        ("ValidatingAdmissionPolicy 'site' with binding 'all' denied request: only the scheduler may", True, "hello-x"),
        ('pods "x" is forbidden: exceeded quota: site', False, ""),
        ('pods "x" is forbidden: error looking up service account airflow/ghost: not found', True, ""),
        ('422 Pod "x" is invalid: spec.containers[0].volumeMounts[1].name: Not found', True, ""),
    ],
)
def test_a_task_pod_that_ran_outweighs_what_is_said_of_the_suite_s(objection: str, ran: bool, taken: str) -> None:
    def see(_: Any) -> Any:
        if not ran:
            raise Blocked("the task failed", by="AF-EXM-002")
        return SimpleNamespace(finished=SimpleNamespace(pod=lambda _: SimpleNamespace(name="hello-x")))

    assert taken_all_the_same(cast("Subject", SimpleNamespace(see=see)), objection) == taken


HUB = {"https://index.docker.io/v1/": {"auth": "x"}}


@pytest.mark.parametrize(
    ("of_scheduler", "of_task", "auths", "told"),
    [
        ([], [], {}, False),
        (["hub"], ["hub"], {"hub": HUB}, False),
        (["hub"], [], {"hub": HUB}, True),
        (["hub"], ["other"], {"hub": HUB, "other": {"quay.io": {}}}, True),
        (["hub"], ["own"], {"hub": HUB, "own": {"docker.io": {}}}, False),
        (["sidecar"], [], {"sidecar": {"https://quay.io/team": {}}}, False),
        (["gone"], [], {}, False),
    ],
)
def test_a_template_without_the_credentials_of_its_image_is_told(
    of_scheduler: list[str], of_task: list[str], auths: dict[str, Any], told: bool
) -> None:
    """Not where they are of another registry, or are held by another Secret."""

    def secret(name: str) -> dict[str, str]:
        if name not in auths:
            raise NotFound(name)
        return {".dockerconfigjson": json.dumps({"auths": auths[name]})}

    task = Pod({"metadata": {"name": "t", "uid": "t"}, "spec": spec(imagePullSecrets=[{"name": n} for n in of_task])})
    above = scheduler()
    above.raw["spec"]["imagePullSecrets"] = [{"name": name} for name in of_scheduler]
    subject: Any = SimpleNamespace(pod=lambda _: above, cluster=SimpleNamespace(secret=secret))
    said = unknown_to_the_registry(subject, task)
    assert ("no imagePullSecrets with credentials of docker.io, and s has hub" in said) == told
    assert bool(said) == told


@pytest.mark.parametrize(
    ("declared", "value", "told"),
    [
        ("true", "true", "set workers.safeToEvict to false"),
        ("false", "true", "should leave task pods out"),
        (None, "true", "should leave task pods out"),
        ("true", "false", ""),
        ("false", "false", ""),
        (None, None, ""),
    ],
)
def test_a_task_pod_that_is_safe_to_evict_is_noted(
    monkeypatch: pytest.MonkeyPatch, declared: str | None, value: str | None, told: str
) -> None:
    """It may be the site's choice, or what admission adds, of whom nothing is known: no row fails."""

    def annotated(value: str | None) -> dict[str, Any]:
        return {} if value is None else {"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": value}}

    task = Pod({"metadata": {"name": "t", "uid": "t", **annotated(value)}, "spec": live()})
    monkeypatch.setattr("conformance.test_pod_template.ordinary_pod", lambda _: task)
    made_of = Template("/t", "", {"kind": "Pod", "metadata": annotated(declared), "spec": spec()})
    notes: list[str] = []
    subject: Any = SimpleNamespace(
        see=lambda _: made_of, running=lambda _: [], pod=lambda _: scheduler(), note=lambda _, text: notes.append(text)
    )
    judge_template(subject)
    assert len(notes) == bool(told) and all("safe-to-evict=true" in note and told in note for note in notes)
