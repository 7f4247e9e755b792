"""What is read from git-sync's log and from pod specs, and how the broker is judged."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from conformance.test_components import test_redis_is_the_one_broker as judge_brokers
from conformance.test_components import test_the_scheduler_is_alive as judge_scheduler
from fixtures.airflow import ImportProblem
from fixtures.errors import TargetFailed
from fixtures.gitsync import error_of
from fixtures.kube import Json, NotFound
from fixtures.metrics import parse
from fixtures.objects import Pod
from fixtures.observations import architecture, scheduler_ready
from fixtures.observations.architecture import Brokers, is_still_parsed, mounted_below
from fixtures.observations.heartbeats import HELD
from fixtures.settings import Executor
from tests import pods
from tests.waiting import waiter

RETRY = '{"logger":"","level":0,"msg":"error syncing repo, will retry","error":"Run(git fetch):\\nno route"}'


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (RETRY, "no route"),
        ('{"logger":"","ts":"2026-01-01","level":0,"msg":"updated successfully","ref":"main"}', ""),
        ("INFO: detected pid 1, running init handler", ""),
        ("fatal: repository not found", "fatal: repository not found"),
    ],
)
def test_an_error_is_told_from_other_lines(line: str, error: str) -> None:
    """Only lines that tell of a failed sync count."""
    assert error_of(line) == error


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/opt/airflow/dags/my_dag.py", {"my-dag"}),
        ("/opt/airflow/dags", {"my-dag"}),
        ("/opt/airflow/dags-of-others/my_dag.py", set()),
        ("/opt/airflow/airflow.cfg", set()),
    ],
)
def test_config_maps_below_the_dag_folder_are_found(path: str, found: set[str]) -> None:
    """A ConfigMap counts where its mount lies at the folder or below it."""
    spec = {
        "containers": [
            {
                "name": "scheduler",
                "volumeMounts": [{"name": "v", "mountPath": path}, {"name": "w", "mountPath": f"{path}/scratch"}],
            }
        ],
        "volumes": [{"name": "v", "configMap": {"name": "my-dag"}}, {"name": "w", "emptyDir": {}}],
    }
    assert mounted_below(spec, "/opt/airflow/dags") == found


TEMPLATE = "/opt/airflow/pod_templates/pod_template_file.yaml"


def with_dag(sub_path: str, *, executor: Executor = Executor.KUBERNETES, file: str = "", **maps: Json) -> Any:
    """A release with one DAG of the ConfigMap `team`; `file` is what its containers have of it."""

    def body(container: str) -> Json:
        mounts = [
            {"name": "v", "mountPath": "/opt/airflow/dags/a.py", "subPath": sub_path},
            {"name": "w", "mountPath": TEMPLATE, "subPath": "pod_template_file.yaml"},
        ]
        volumes = [{"name": "v", "configMap": {"name": "team"}}, {"name": "w", "configMap": {"name": "own-config"}}]
        return {"containers": [{"name": container, "volumeMounts": mounts}], "volumes": volumes}

    def keys(name: str) -> set[str]:
        if name not in maps:
            raise NotFound(name)
        return set(maps[name])

    def pod(component: str) -> Pod:
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        return Pod({"metadata": {"name": f"{component}-0", "uid": "u"}, "spec": body(component), "status": status})

    texts = {"own-config": {"pod_template_file.yaml": yaml.safe_dump({"spec": body("base")})}, **maps}
    shell = SimpleNamespace(run=lambda *_: SimpleNamespace(rc=0, stdout=file))
    names = ("scheduler", "webserver", *(["worker"] if executor is Executor.CELERY else []))
    workloads = [SimpleNamespace(component=n, raw={"spec": {"template": {"spec": body(n)}}}) for n in names]
    cluster = SimpleNamespace(
        workloads=lambda: workloads, config_map=texts.get, config_map_keys=keys, inside=lambda *_: shell
    )
    return SimpleNamespace(
        executor=executor,
        cluster=cluster,
        dags_folder="/opt/airflow/dags/",
        fullname="airflow",
        parser="scheduler",
        option=lambda *_: TEMPLATE,
        pod=pod,
        running=lambda component: [pod(component)] if component in names else [],
        see=lambda _: None,
    )


def test_a_dag_file_that_its_config_map_does_not_have_is_told() -> None:
    assert architecture.absent_dag_files(with_dag("a.py", team={"a.py": ""})) == []
    for executor, other in ((Executor.KUBERNETES, "task pods"), (Executor.CELERY, "worker")):
        found = architecture.absent_dag_files(with_dag("b.py", executor=executor, team={"a.py": ""}))
        assert [f"({component})" in line for component, line in zip(("scheduler", other), found, strict=True)] == [
            True
        ] * 2
        assert "has no key b.py but a.py" in found[0]
    assert "there is no ConfigMap team" in architecture.absent_dag_files(with_dag("a.py"))[0]


def test_an_older_dag_file_is_told() -> None:
    celery = with_dag("a.py", executor=Executor.CELERY, file="old", team={"a.py": "new"})
    assert [line.split(",")[1] for line in architecture.older_dag_files.look(celery)] == [
        f" {name}-0 still has the older /opt/airflow/dags/a.py: restart it" for name in ("scheduler", "worker")
    ]
    assert architecture.older_dag_files.look(with_dag("a.py", file="new\n", team={"a.py": "new"})) == []
    assert architecture.older_dag_files.look(with_dag("b.py", team={"a.py": "new"})) == []


def test_every_pod_with_git_sync_keeps_the_declared_interval() -> None:
    """A pod whose own environment has another interval is named; pods without git-sync do not matter."""

    def pod(component: str, **env: str) -> Any:
        containers = {"git-sync": SimpleNamespace(env=env)} if env else {}
        return SimpleNamespace(name=f"{component}-0", containers=containers, container=containers.get)

    there = {
        "scheduler": pod("scheduler", GITSYNC_PERIOD="5s"),
        "worker": pod("worker", GITSYNC_PERIOD="5s", GIT_SYNC_WAIT="120"),
        "webserver": pod("webserver"),
    }
    cluster = SimpleNamespace(workloads=lambda: [SimpleNamespace(component=name) for name in there])
    subject: Any = SimpleNamespace(cluster=cluster, running=lambda component: [there[component]], git_sync="git-sync")
    assert architecture.other_periods(subject, 5) == ["120 s in worker-0"]
    assert architecture.other_periods(subject, 120) == ["5 s in scheduler-0"]


def test_git_sync_that_cannot_tell_what_it_has_is_not_accused() -> None:
    """Its image may have no shell, or nothing that makes fingerprints."""
    notes: list[str] = []
    answer = SimpleNamespace(rc=127, stdout="", stderr="sha256sum: not found")
    cluster = SimpleNamespace(
        secret=lambda _: {"TOKEN": "new"}, inside=lambda *_: SimpleNamespace(run=lambda _: answer)
    )
    cluster.workloads = lambda: [SimpleNamespace(component="scheduler")]
    subject: Any = SimpleNamespace(
        cluster=cluster,
        git_sync="git-sync",
        running=lambda _: [pods.syncing_with("TOKEN")],
        note=lambda _, text: notes.append(text),
    )
    assert architecture.older_git_credentials(subject) == []
    assert len(notes) == 1 and "sha256sum: not found" in notes[0]


def brokers(*, workers: dict[str, list[str]] | None = None, mute: bool = False, **worker: Any) -> Brokers:
    """Two components with one broker, which may tell nothing of itself; what is given differs in the worker."""
    scheduler = {
        "scheme": "redis",
        "address": "airflow-redis:6379",
        "database": "0",
        "queue": "default",
        "server": "one",
        "role": "master",
        "writable": True,
    }
    if mute:
        del scheduler["server"], scheduler["role"]
    return Brokers({"worker": {**scheduler, **worker}, "scheduler": scheduler}, workers, [])


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (brokers(scheme="amqp"), "no Redis but amqp"),
        (brokers(role="slave", error="ReadOnlyError"), "is a slave: it takes no tasks"),
        (brokers(error="AuthenticationError: WRONGPASS"), "the worker cannot use its broker, airflow-redis:6379"),
        (brokers(evicts="noeviction", free_bytes=600_000), "has 585 KiB left of its maxmemory"),
        (brokers(free_connections=4), "lets in 4 more connections: another worker will be turned away"),
        (brokers(server="two", address="redis.other:6379"), "'worker': 'redis.other:6379/0'"),
        (brokers(database="1"), "components use different brokers"),
        (brokers(mute=True, address="redis.other:6379"), "components use different brokers"),
        (brokers(mute=True, workers={"celery@w": ["default"]}, database="1"), "components use different brokers"),
        (brokers(workers={"celery@w": ["gpu"]}), "tasks go to the queue default"),
        (brokers(workers={"celery@w": ["default"], "celery@v": []}), "celery@v consume no queue"),
        (
            replace(brokers(workers={"celery@w": ["default"], "celery@old": ["default"]}), strange=("celery@old",)),
            "celery@old, no worker of the release, takes tasks of the queue default",
        ),
    ],
)
def test_a_wrong_broker_is_named(found: Brokers, told: str) -> None:
    """Each way in which a broker can be wrong has a message of its own."""
    with pytest.raises(AssertionError) as raised:
        judge_brokers(SimpleNamespace(see=lambda _: found))  # type: ignore[arg-type]
    assert told in str(raised.value)


def test_a_right_broker_passes() -> None:
    """One server for all, and a worker that consumes the queue; or workers or a broker that cannot be asked."""
    named_otherwise = brokers(mute=True, workers={"celery@w": ["default"]}, address="airflow-redis.airflow:6379")
    roomy = brokers(evicts="noeviction", free_bytes=2**20, free_connections=5)
    asked = brokers(workers={"celery@w": ["default", "gpu"]})
    for healthy in (asked, brokers(), brokers(mute=True), named_otherwise, roomy):
        judge_brokers(SimpleNamespace(see=lambda _, it=healthy: it, value=lambda *_: None, release="r"))  # type: ignore[arg-type]


def test_a_broker_of_no_use_is_told_without_the_workers() -> None:
    """A worker that does not come up because of its broker hides nothing: the scheduler's answer is judged."""
    seen: list[object] = []
    subject = SimpleNamespace(
        executor=Executor.CELERY,
        see=seen.append,
        cluster=SimpleNamespace(workload=lambda _: None),
        ask=lambda *_: {"scheme": "redis", "role": "slave", "error": "READONLY"},
    )
    found = architecture.brokers.look(subject)  # type: ignore[arg-type]
    assert set(found.seen) == {"scheduler"}
    assert seen == [scheduler_ready]


@pytest.mark.parametrize("of_webserver", [{"scheme": ""}, {"scheme": "redis", "error": "Connection refused"}])
def test_a_webserver_need_not_know_or_reach_the_broker(of_webserver: Json) -> None:
    usable = {"scheme": "redis", "writable": True}
    subject: Any = SimpleNamespace(
        executor=Executor.CELERY,
        see=lambda _: None,
        cluster=SimpleNamespace(workload=lambda _: None, pods=lambda _: []),
        ask=lambda component, *_: of_webserver if component == "webserver" else usable,
    )
    assert set(architecture.brokers.look(subject).seen) == {"scheduler", "worker"}


def test_another_redis_behind_the_brokers_service_is_told_before_it_is_asked() -> None:
    cluster = SimpleNamespace(
        workload=lambda component: component,
        services=lambda component: [f"airflow-{component}"],
        strangers_behind=lambda service, component: ["old-redis"],
        service=lambda name: {"spec": {"selector": {"component": "redis"}}},
    )
    subject = SimpleNamespace(executor=Executor.CELERY, see=lambda _: None, cluster=cluster)
    with pytest.raises(TargetFailed, match="Service airflow-redis also leads to old-redis"):
        architecture.brokers.look(subject)  # type: ignore[arg-type]


def alive(executor: Executor = Executor.CELERY, workers: int = 1, **options: float) -> Any:
    """A subject whose scheduler is at work; options are those of `[scheduler]`, in a worker behind `worker_`."""
    template = {"spec": pods.spec()}

    def option(_: str, key: str, default: str, component: str = "scheduler") -> str:
        return str(options.get(f"worker_{key}" if component == "worker" else key, default))

    seen = {
        "scheduler_ready": None,
        "scheduler_heartbeats": None,
        "strangers": [],
    }
    return SimpleNamespace(
        executor=executor,
        option=lambda *asked: "/t/file.yaml" if asked[1] == "pod_template_file" else option(*asked),
        option_in=lambda pod, container, *asked: option(*asked, "worker" if pod.raw == template else container),
        pod=lambda _: pods.scheduler(),
        cluster=SimpleNamespace(config_map=lambda _: {"pod_template_file.yaml": yaml.safe_dump(template)}),
        running=lambda component: [component] * workers,
        see=lambda observation: seen[observation.name],
        only_looks=lambda *_: False,
        metrics=SimpleNamespace(snapshot=lambda: parse(f"{HELD} 1\n")),
        waiter=waiter(0.1),
        ask=lambda *_: [],
    )


@pytest.mark.parametrize(
    "subject",
    [
        alive(),
        alive(job_heartbeat_sec=30, worker_job_heartbeat_sec=30),
        alive(job_heartbeat_sec=600),  # nobody but the workers sends it
        alive(Executor.KUBERNETES, scheduler_zombie_task_threshold=900, worker_job_heartbeat_sec=450),
    ],
)
def test_tasks_whose_heartbeat_comes_in_time_are_left_alone(subject: Any) -> None:
    judge_scheduler(subject)


@pytest.mark.parametrize(
    "subject",
    [
        alive(Executor.KUBERNETES, worker_job_heartbeat_sec=600),
        alive(worker_job_heartbeat_sec=600),
        alive(workers=0, job_heartbeat_sec=600),
        alive(scheduler_zombie_task_threshold=5),
    ],
)
def test_a_task_that_would_be_taken_for_dead_is_told(subject: Any) -> None:
    with pytest.raises(AssertionError, match=r"scheduler_zombie_task_threshold .*job_heartbeat_sec"):
        judge_scheduler(subject)


@pytest.mark.parametrize(
    "name",
    [
        "zombie_detection_interval",
        "scheduler_zombie_task_threshold",
        "orphaned_tasks_check_interval",
        "scheduler_health_check_threshold",
    ],
)
def test_a_task_that_died_must_not_stay_running_for_a_day(name: str) -> None:
    judge_scheduler(alive(**{name: 3600}))
    with pytest.raises(AssertionError, match=rf"{name} is 86400 s"):
        judge_scheduler(alive(**{name: 86400}))


@pytest.mark.parametrize(
    ("deferring", "triggerer", "told"),
    [("False", None, False), ("True", "healthy", False), ("True", None, True), ("true", "unhealthy", True)],
)
def test_operators_that_defer_by_default_need_a_triggerer(deferring: str, triggerer: str | None, told: bool) -> None:
    health = SimpleNamespace(triggerer=SimpleNamespace(status=triggerer))
    subject: Any = SimpleNamespace(
        executor=Executor.CELERY,
        see=lambda _: None,
        running=lambda _: ["worker-0"],
        option=lambda section, key, default, component: deferring if component == "worker" else default,
        airflow=SimpleNamespace(health=lambda: health),
    )
    with pytest.raises(TargetFailed, match="there is no triggerer") if told else contextlib.nullcontext():
        architecture.require_nothing_deferred(subject)


def test_the_config_map_is_mounted_at_the_release_s_own_folder_beside_its_own_volumes(tmp_path: Path) -> None:
    """Each component keeps its own lists, and gets no other's."""
    ca = {"name": "ca", "configMap": {"name": "ca"}}
    values = {"scheduler.extraVolumes": [ca], "workers.extraVolumes": [ca]}
    subject: Any = SimpleNamespace(value=values.get, dags_mount="/srv/dags")
    overlay = yaml.safe_load(architecture.mounting_overlay(subject, tmp_path).read_text())
    assert overlay["dags"] == {"gitSync": {"enabled": False}}
    for component, own in (("scheduler", [ca]), ("webserver", []), ("workers", [ca]), ("dagProcessor", [])):
        assert overlay[component]["extraVolumes"] == [*own, {"name": "my-dag", "configMap": {"name": "my-dag"}}]
        (mount,) = overlay[component]["extraVolumeMounts"]
        assert mount == {"name": "my-dag", "mountPath": "/srv/dags/my_dag.py", "subPath": "my_dag.py"}


@pytest.mark.parametrize(("age", "counts"), [(timedelta(seconds=30), True), (timedelta(hours=2), False), (None, True)])
def test_who_only_looks_counts_import_errors_of_files_that_are_still_parsed(
    age: timedelta | None, counts: bool
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    subject: Any = SimpleNamespace(
        settings=SimpleNamespace(READONLY=True),
        cluster=SimpleNamespace(kube=SimpleNamespace(now=lambda: now)),
        parser="scheduler",
        option=lambda section, key, default, component: default,
    )
    assert is_still_parsed(subject, ImportProblem("/dags/gone.py", "Traceback", now - age if age else None)) == counts
