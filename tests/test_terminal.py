"""Terminal states are recognised as soon as Kubernetes shows them, and passing trouble is not mistaken for one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures.errors import TargetFailed
from fixtures.terminal import came_cold, findings, is_coming, restarts, root_cause
from tests.stub_api import (
    RUNNING,
    container,
    deployment,
    event,
    job,
    job_pod,
    member,
    pod,
    replica,
    replicaset,
    terminated,
    waiting,
)

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
CLBO = waiting("CrashLoopBackOff", "back-off 10s restarting failed container")


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def cause(*pods: dict[str, Any], **more: Any) -> TargetFailed | None:
    return root_cause(pods, now=NOW, **more)


def found(*pods: dict[str, Any], **more: Any) -> TargetFailed:
    error = cause(*pods, **more)
    assert error is not None
    return error


def test_a_healthy_namespace_has_none() -> None:
    assert cause(replica("webserver"), replica("scheduler"), member("triggerer")) is None


@pytest.mark.parametrize("init", [False, True], ids=["container", "init container"])
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"])
def test_an_image_that_cannot_be_pulled(reason: str, init: bool) -> None:
    status = container("scheduler", waiting(reason, "manifest unknown"), image="apache/airflow:2.9.x")
    error = found(pod("s", "scheduler", *([] if init else [status]), init=(status,) if init else ()))
    assert "pod/s container scheduler: image apache/airflow:2.9.x cannot be pulled" in error.cause
    assert "manifest unknown" in error.cause
    assert error.component == "scheduler"
    assert error.remedy


def test_the_back_off_is_explained_by_the_event() -> None:
    broken = pod(
        "s", "scheduler", container("s", waiting("ImagePullBackOff", 'Back-off pulling image "x:1"'), image="x:1")
    )
    said = event("Failed", broken, 'Failed to pull image "x:1": x:1: not found')
    assert 'Failed to pull image "x:1": x:1: not found' in found(broken, events=[said]).cause


def test_a_kubelet_that_limits_its_own_pulls_is_waited_for() -> None:
    limited = pod("s", "scheduler", container("s", waiting("ErrImagePull", "pull QPS exceeded")))
    assert cause(limited) is None
    backing_off = pod("s", "scheduler", container("s", waiting("ImagePullBackOff", "Back-off"), image="x:1"))
    assert (
        cause(backing_off, events=[event("Failed", backing_off, 'Failed to pull image "x:1": pull QPS exceeded')])
        is None
    )


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "CreateContainerError", "RunContainerError"])
def test_a_container_that_cannot_start(reason: str) -> None:
    error = found(pod("w", "webserver", container("webserver", waiting(reason, 'secret "airflow-metadata" not found'))))
    assert f'{reason}: secret "airflow-metadata" not found' in error.cause
    assert "Secret" in error.remedy


@pytest.mark.parametrize(
    "message",
    [
        "failed to sync secret cache: timed out waiting for the condition",
        "context deadline exceeded",
        'failed to reserve container name "x": name "x" is reserved for "y"',
    ],
)
def test_a_busy_kubelet_is_waited_for(message: str) -> None:
    assert cause(pod("w", "webserver", container("webserver", waiting("CreateContainerError", message)))) is None


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_pod_on_its_way_is_waited_for(reason: str) -> None:
    assert cause(pod("w", "webserver", container("webserver", waiting(reason)), phase="Pending")) is None


class TestMounts:
    MISSING = 'MountVolume.SetUp failed for volume "config" : configmap "my-dag" not found'

    def broken(self) -> dict[str, Any]:
        return pod("w", "webserver", container("webserver", waiting("ContainerCreating")), phase="Pending")

    def test_a_missing_config_map(self) -> None:
        broken = self.broken()
        assert "my-dag" in found(broken, events=[event("FailedMount", broken, self.MISSING, first=ago(6))]).cause

    @pytest.mark.parametrize(
        ("message", "seconds"),
        [
            (MISSING, 2),
            ("failed to sync configmap cache: timed out waiting for the condition", 60),
            ('object "airflow"/"config" not registered', 60),
            (
                'MountVolume.SetUp failed for volume "vault" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI '
                "client: driver name secrets-store.csi.k8s.io not found in the list of registered CSI drivers",
                60,
            ),
        ],
    )
    def test_what_may_still_come_is_waited_for(self, message: str, seconds: float) -> None:
        broken = self.broken()
        assert cause(broken, events=[event("FailedMount", broken, message, first=ago(seconds))]) is None

    def test_an_old_event_says_nothing_about_a_running_pod(self) -> None:
        running = replica("webserver")
        assert cause(running, events=[event("FailedMount", running, self.MISSING, first=ago(60))]) is None


class TestCrashLoops:
    def broken(self, count: int, state: dict[str, Any] = CLBO, **more: Any) -> dict[str, Any]:
        last = {"lastState": terminated(1)}
        return replica("scheduler", 1, container("scheduler", state, restarts=count, **{**last, **more}))

    def test_two_restarts_are_a_loop(self) -> None:
        error = found(self.broken(2), log_tail=lambda pod, name: "sqlalchemy.exc.OperationalError")
        assert "container scheduler crashes again and again: 2 restarts, last exit code 1 (Error)" in error.cause
        assert "| sqlalchemy.exc.OperationalError" in error.cause
        assert error.component == "scheduler"

    def test_one_is_not(self) -> None:
        assert cause(self.broken(1)) is None

    def test_restarts_before_the_wait_do_not_count(self) -> None:
        now = self.broken(7, RUNNING, ready=False)
        assert cause(now, baseline=restarts([self.broken(6)])) is None
        assert cause(now, baseline=restarts([self.broken(5)])) is not None

    def test_restarts_are_history_once_the_container_is_ready(self) -> None:
        assert cause(self.broken(5, RUNNING, ready=True)) is None

    def test_out_of_memory_is_said_even_with_exit_code_0(self) -> None:
        killed = terminated(0, "OOMKilled")
        error = found(self.broken(2, lastState=killed))
        assert "OOMKilled" in error.cause
        assert "memory" in error.remedy

    def test_waiting_for_migrations_is_no_failure_in_itself(self) -> None:
        init = container("wait-for-airflow-migrations", CLBO, restarts=5)
        waits = pod("w", "webserver", container("webserver", waiting("PodInitializing")), init=(init,))
        assert cause(waits) is None
        unmigrated = "TimeoutError: There are still unapplied migrations after 60 seconds."
        assert cause(waits, log_tail=lambda pod, name: unmigrated) is None

    def test_an_airflow_that_cannot_start_at_all_is_one(self) -> None:
        init = container("wait-for-airflow-migrations", CLBO, restarts=5)
        waits = pod("w", "webserver", container("webserver", waiting("PodInitializing")), init=(init,))
        error = found(waits, log_tail=lambda pod, name: "ValueError: Unable to configure handler 'task'")
        assert "Unable to configure handler" in error.cause

    def test_a_name_that_does_not_resolve_points_to_dns(self) -> None:
        error = found(
            self.broken(2), log_tail=lambda pod, name: "socket.gaierror: Temporary failure in name resolution"
        )
        assert "DNS" in error.remedy

    def test_a_pod_on_its_way_out_is_of_no_interest(self) -> None:
        leaving = replica("scheduler", 1, container("scheduler", CLBO, restarts=9), deletionTimestamp=ago(1))
        assert cause(leaving) is None


class TestScheduling:
    def stuck(self, message: str = "0/1 nodes match the node selector", since: float = 31) -> dict[str, Any]:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": ago(since),
        }
        return pod("w", "worker", phase="Pending", conditions=(condition,))

    def test_counts_once_it_persists(self) -> None:
        assert "node selector" in found(self.stuck()).cause
        assert cause(self.stuck(since=30)) is None

    @pytest.mark.parametrize("message", ["1 Insufficient cpu.", "pod has unbound immediate PersistentVolumeClaims"])
    def test_what_often_passes_by_itself_is_given_longer(self, message: str) -> None:
        assert cause(self.stuck(message, since=60)) is None
        assert message in found(self.stuck(message, since=61)).cause

    def test_a_node_that_is_just_starting_is_waited_for(self) -> None:
        message = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."
        assert cause(self.stuck(message, since=60)) is None

    def test_room_that_is_being_made_is_waited_for(self) -> None:
        leaving = replica("scheduler", deletionTimestamp=ago(2))
        assert cause(self.stuck("1 Insufficient cpu.", since=61), leaving) is None
        assert cause(self.stuck(), leaving) is not None

    @pytest.mark.parametrize(
        ("reason", "message"),
        [
            ("TriggeredScaleUp", "pod triggered scale-up: [{tasks 0->1 (max: 3)}]"),
            ("Nominated", "Pod should schedule on: nodeclaim/tasks-x7d2p"),
        ],
    )
    def test_a_cluster_that_grows_is_waited_for(self, reason: str, message: str) -> None:
        stuck = self.stuck()
        assert cause(stuck, events=[event(reason, stuck, message)]) is None


class TestColdStarts:
    SCALED = ("TriggeredScaleUp", "pod triggered scale-up: [{tasks 0->1 (max: 3)}]")
    PULLING = ("Pulling", 'Pulling image "site/airflow:1"')

    def test_a_node_that_comes_is_waited_for(self) -> None:
        waiting = pod("t", "worker", phase="Pending")
        assert not is_coming(waiting, [])
        assert is_coming(waiting, [event(self.SCALED[0], waiting, self.SCALED[1])])
        there = pod("t", "worker", phase="Running")
        assert not is_coming(there, [event(self.SCALED[0], there, self.SCALED[1])])
        assert came_cold(there, [event(self.SCALED[0], there, self.SCALED[1])]) and not came_cold(there, [])

    @pytest.mark.parametrize(
        ("then", "seconds", "coming"),
        [
            ("", 0, True),
            ('Pulled: Successfully pulled image "site/airflow:1" in 90s', 5, False),
            ('Pulled: Successfully pulled image "site/git-sync:4" in 2s', 5, True),
            ('Failed: Failed to pull image "site/airflow:1": not found', 5, False),
            ('Failed: Failed to pull image "site/airflow:1": not found', 90, True),
        ],
    )
    def test_an_image_that_is_pulled_is_waited_for(self, then: str, seconds: int, coming: bool) -> None:
        """Until it is there, or cannot be had; and again when it is tried again."""
        scheduled = pod("t", "worker", phase="Pending")
        scheduled["spec"]["nodeName"] = "n"
        events = [event(self.PULLING[0], scheduled, self.PULLING[1], first=ago(60), last=ago(60))]
        if then:
            reason, _, message = then.partition(": ")
            events.append(event(reason, scheduled, message, first=ago(seconds), last=ago(seconds)))
        assert is_coming(scheduled, events) is coming


class TestRefusedPods:
    QUOTA = 'Error creating: pods "x" is forbidden: exceeded quota: compute, requested: cpu=1'

    def test_quota(self) -> None:
        error = found(events=[event("FailedCreate", replicaset("webserver"), self.QUOTA, first=ago(4))])
        assert "replicaset/airflow-webserver-r1 may not create its pod" in error.cause
        assert "exceeded quota" in error.cause
        assert "ResourceQuota" in error.remedy
        assert error.component == "webserver"

    def test_a_service_account_that_comes_a_moment_later_is_waited_for(self) -> None:
        message = 'Error creating: pods "x" is forbidden: error looking up service account'
        assert cause(events=[event("FailedCreate", replicaset("webserver"), message, first=ago(2))]) is None

    def test_what_was_let_through_afterwards_is_forgotten(self) -> None:
        late = replica("webserver", creationTimestamp=ago(5))
        refused = event("FailedCreate", replicaset("webserver"), self.QUOTA, first=ago(20), last=ago(10))
        assert cause(late, events=[refused]) is None
        early = replica("webserver", creationTimestamp=ago(15))
        assert cause(early, events=[refused]) is not None

    def test_a_deployment_says_it_without_events(self) -> None:
        condition = {"type": "ReplicaFailure", "status": "True", "message": self.QUOTA, "lastTransitionTime": ago(5)}
        failing = deployment("webserver", conditions=(condition,))
        error = found(workloads=[failing], events=[event("FailedCreate", replicaset("webserver"), self.QUOTA)])
        assert error.cause.startswith("deployment/airflow-webserver may not create its pod")
        assert (
            len(findings([], [event("FailedCreate", replicaset("webserver"), self.QUOTA)], [], [failing], now=NOW)) == 1
        )


class TestJobs:
    LOG = "sqlalchemy.exc.OperationalError: could not translate host name\nmore"

    def tail(self, pod: Any, name: str) -> str:
        return self.LOG

    @pytest.mark.parametrize(
        ("status", "failures"),
        [
            (container("run-airflow-migrations", terminated(1)), 1),
            (container("run-airflow-migrations", RUNNING, restarts=1), 1),
            (container("run-airflow-migrations", terminated(1), restarts=1), 2),
            (container("run-airflow-migrations", CLBO, restarts=1, lastState=terminated(1)), 2),
        ],
    )
    def test_a_migration_may_fail_once(self, status: dict[str, Any], failures: int) -> None:
        error = cause(job_pod(status), jobs=[job(active=1)], log_tail=self.tail)
        if failures < 2:
            assert error is None
        else:
            assert error is not None
            assert "job/airflow-run-airflow-migrations failed: its pod failed 2 times" in error.cause
            assert "exit code 1" in error.cause
            assert "| more" in error.cause
            assert error.component == "run-airflow-migrations"
            assert "DNS" in error.remedy

    def test_pods_that_are_not_restarted_count_one_by_one(self) -> None:
        ended = container("run-airflow-migrations", terminated(1))
        pods = [job_pod(ended, name=f"m{n}", phase="Failed") for n in range(2)]
        assert cause(pods[0], jobs=[job(failed=1)]) is None
        assert cause(*pods, jobs=[job(failed=2)]) is not None
        assert cause(pods[0], jobs=[job(failed=2)]) is not None, "a failed pod that is gone counts too"

    def test_a_job_that_was_given_up(self) -> None:
        condition = {
            "type": "Failed",
            "status": "True",
            "reason": "BackoffLimitExceeded",
            "message": "has reached the limit",
        }
        error = found(jobs=[job("create-user-job", conditions=[condition])])
        assert "BackoffLimitExceeded: has reached the limit" in error.cause
        assert error.component == "create-user-job"

    def test_the_other_jobs_may_try_as_often_as_they_like(self) -> None:
        again = job_pod(
            container("create-user", CLBO, restarts=4, lastState=terminated(1)), component="create-user-job"
        )
        assert cause(again, jobs=[job("create-user-job", active=1)]) is None

    def test_a_job_that_is_done_is_fine(self) -> None:
        done = job(succeeded=1, failed=1, conditions=[{"type": "Complete", "status": "True"}])
        assert cause(job_pod(container("m", terminated(0, "Completed")), phase="Succeeded"), jobs=[done]) is None


def test_the_cause_comes_before_its_consequences() -> None:
    database = pod(
        "airflow-postgresql-0",
        "",
        container("postgresql", waiting("ImagePullBackOff", "not found")),
        labels={"app.kubernetes.io/name": "postgresql"},
    )
    migration = job_pod(container("run-airflow-migrations", CLBO, restarts=3, lastState=terminated(1)))
    scheduler = replica("scheduler", 1, container("scheduler", CLBO, restarts=3))
    statsd = replica("statsd", 1, container("statsd", waiting("ErrImagePull", "no")))
    components = [error.component for error in findings([scheduler, statsd, migration, database], now=NOW)]
    assert components == ["postgresql", "run-airflow-migrations", "statsd", "scheduler"]


def test_no_sandbox() -> None:
    stuck = pod("w", "webserver", container("webserver", waiting("ContainerCreating")), phase="Pending")
    said = event("FailedCreatePodSandBox", stuck, "plugin not initialized", first=ago(121), count=9)
    assert "plugin not initialized" in found(stuck, events=[said]).cause
    assert cause(stuck, events=[event("FailedCreatePodSandBox", stuck, "x", first=ago(90), count=8)]) is None
