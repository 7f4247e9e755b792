"""Restarts, probes and errors in logs, read from what Kubernetes and the components really write."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fixtures.invariants import endings, errors_in, expected_errors, probes, taken_away, unexpected
from fixtures.objects import Pod, Workload
from fixtures.observations.invariants import own_containers
from fixtures.subject import Subject


def pod(status: dict[str, Any], **container: Any) -> Pod:
    return Pod(
        {
            "metadata": {"name": "airflow-scheduler-x", "uid": "u"},
            "spec": {"containers": [{"name": "scheduler", **container}]},
            "status": {"phase": "Running", **status},
        }
    )


def restarted(times: int, reason: str, code: int) -> Pod:
    last = {"terminated": {"reason": reason, "exitCode": code}}
    return pod(
        {
            "containerStatuses": [
                {"name": "scheduler", "restartCount": times, "state": {"running": {}}, "lastState": last}
            ]
        }
    )


def test_a_container_that_ends_by_itself_is_told() -> None:
    [ending] = endings([restarted(3, "Completed", 0)], {("u", "scheduler"): 1})
    assert "ended 2 times (Completed, exit code 0)" in str(ending)
    assert "num_runs" in str(ending)


def test_restarts_of_before_do_not_count() -> None:
    assert endings([restarted(3, "OOMKilled", 137)], {("u", "scheduler"): 3}) == []


def test_a_container_that_has_just_ended_counts() -> None:
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    status = [{"name": "scheduler", "restartCount": 0, "state": ended}]
    [ending] = endings([pod({"containerStatuses": status})], {})
    assert "more memory than its limit" in str(ending)


def test_an_evicted_pod_counts() -> None:
    [ending] = endings([pod({"phase": "Failed", "reason": "Evicted", "message": "low on memory"})], {})
    assert "Evicted" in str(ending)
    assert "low on memory" in str(ending)


PREEMPTED = {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}


@pytest.mark.parametrize(("why", "told"), [({}, 0), ({"reason": "Evicted"}, 1), (PREEMPTED, 1)])
def test_a_pod_that_somebody_deletes_is_none_that_lost_its_place(why: dict[str, Any], told: int) -> None:
    ended = [{"name": "scheduler", "restartCount": 0, "state": {"terminated": {"reason": "Error", "exitCode": 143}}}]
    seen = pod({"phase": "Failed", "containerStatuses": ended, **why})
    gone = Pod({**seen.raw, "metadata": {**seen.raw["metadata"], "deletionTimestamp": "2026-11-22T19:00:00Z"}})
    assert len(endings([gone], {})) == told


SHUTDOWN = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ({"reason": "Terminated"}, 0),
        ({"reason": "NodeShutdown"}, 0),
        ({"conditions": [SHUTDOWN]}, 0),
        ({"conditions": [{**SHUTDOWN, "status": "False"}]}, 1),
        ({"reason": "Evicted", "conditions": [SHUTDOWN]}, 1),
        (PREEMPTED, 1),
        ({}, 1),
    ],
)
def test_a_pod_whose_node_goes_did_not_end_by_itself(why: dict[str, Any], told: int) -> None:
    """It stays there as failed, and nobody deletes it."""
    ended = [{"name": "scheduler", "restartCount": 0, "state": {"terminated": {"reason": "Error", "exitCode": 143}}}]
    assert len(endings([pod({"phase": "Failed", "containerStatuses": ended, **why})], {})) == told


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"conditions": [{**SHUTDOWN, "reason": "EvictionByEvictionAPI"}]}, "EvictionByEvictionAPI"),
        ({"conditions": [{**SHUTDOWN, "reason": "DeletionByTaintManager"}]}, "DeletionByTaintManager"),
        ({"reason": "Terminated", "conditions": [SHUTDOWN]}, "Terminated"),
        ({"reason": "Evicted", "conditions": [SHUTDOWN]}, ""),
        ({"reason": "Evicted"}, ""),
        ({}, ""),
    ],
)
def test_what_the_cluster_takes_away_is_no_doing_of_a_pod(status: dict[str, Any], why: str) -> None:
    """The kubelet evicts a pod that uses more disk than it may."""
    assert taken_away(pod(status)) == why


def test_a_command_is_tried_once_with_the_shortest_time() -> None:
    command = {"exec": {"command": ["check"]}}
    [probe] = probes(pod({}, livenessProbe={**command, "timeoutSeconds": 20}, readinessProbe=command))
    assert (probe.kind, probe.command, probe.timeout) == ("readinessProbe", ("check",), 1.0)
    assert probes(pod({}, livenessProbe={"httpGet": {"path": "/health"}})) == []


@pytest.mark.parametrize(
    ("word", "run"),
    [
        ("$(AIRFLOW_HOME)/airflow.cfg", "/opt/airflow/airflow.cfg"),
        ("celery@$(hostname)", "celery@$(hostname)"),
        ("$(PASSWORD)", ""),
        ("$$(AIRFLOW_HOME) $HOME", "$(AIRFLOW_HOME) $HOME"),
    ],
)
def test_a_probe_may_name_variables_of_its_container(word: str, run: str) -> None:
    env = [{"name": "AIRFLOW_HOME", "value": "/opt/airflow"}, {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {}}}]
    [probe] = probes(pod({}, env=env, livenessProbe={"exec": {"command": ["test", word]}}))
    assert probe.command == ("test", run)


LOG = """\
[2026-11-22T19:00:00.000+0000] {scheduler_job_runner.py:776} INFO - ERRORS are counted: 0
[2026-11-22T19:00:01.000+0000] {scheduler_job_runner.py:776} ERROR - Exception when executing the loop
Traceback (most recent call last):
  File "x.py", line 1, in run
sqlalchemy.exc.OperationalError: server closed the connection
[2026-11-22T19:00:02.000+0000] {scheduler_job_runner.py:776} INFO - going on
[2026-11-22 19:00:03,000: ERROR/MainProcess] consumer: Cannot connect to redis
ts=2026-11-22T19:00:04Z caller=main.go:1 level=error msg="bad line"
"""


def test_errors_are_told_with_what_belongs_to_them() -> None:
    found = list(errors_in(LOG))
    assert len(found) == 3
    assert found[0].endswith("server closed the connection")


TRACE = """\
Traceback (most recent call last):
  File "urllib3/response.py", line 761, in _error_catcher
    ERROR = 1
urllib3.exceptions.ReadTimeoutError: Read timed out.
"""


def as_json(**fields: Any) -> str:
    """An entry of a log as a formatter of JSON writes it."""
    return json.dumps({"asctime": "2026-11-22 19:00:01,000", **fields}) + "\n"


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("[2026-11-22T19:00:01.000+0000] {x.py:121} WARNING - timeout accessing the Kube API. Retrying.\n" + TRACE, 0),
        ("[2026-11-22 19:00:01,000: WARNING/MainProcess] retrying\n" + TRACE, 0),
        ("[2026-11-22 19:00:01 +0000] [7] [WARNING] retrying\n" + TRACE, 0),
        ("[2026-11-22T19:00:01.000+0000] {x.py:121} WARNING - state ERROR of another system\n", 0),
        ("[2026-11-22T19:00:01.000+0000] {x.py:121} WARNING - x\nException in thread Thread-1:\n" + TRACE, 1),
        ("[2026-11-22T19:00:01.000+0000] {x.py:121} WARNING - x\nProcess ForkProcess-1:\n" + TRACE, 1),
        ("[2026-11-22 19:00:01,000: WARNING/ForkPoolWorker-1] " + TRACE, 1),
        ("[2026-11-22T19:00:01.000+0000] {x.py:121} INFO - going on\n" + TRACE, 1),
        ("[2026-11-22T19:00:01.000+0000] {x.py:121} ERROR - it broke\n" + TRACE, 1),
        ("[2026-11-22T19:00:01.000+0000] [SOURCE:DAG_PROCESSOR] {x.py:121} ERROR - it broke\n" + TRACE, 1),
        (TRACE, 1),
        (as_json(levelname="WARNING", message="timeout accessing the Kube API", exc_info=TRACE), 0),
        (as_json(level="warning", event="state ERROR of another system", exception=TRACE), 0),
        (as_json(severity="INFO", message="going on") + TRACE, 1),
        (as_json(levelname="ERROR", message="it broke", exc_info=TRACE), 1),
        (as_json(level=0, msg="no level of Python's", error=TRACE), 1),
    ],
)
def test_a_traceback_is_as_bad_as_what_it_belongs_to(log: str, told: int) -> None:
    again = log + "[2026-11-22T19:00:02.000+0000] {x.py:1} ERROR - another\n"
    assert (len(list(errors_in(log))), len(list(errors_in(again)))) == (told, told + 1)


def test_an_error_is_told_in_one_line() -> None:
    first = unexpected("scheduler", LOG, [])[0]
    assert "Exception when executing the loop" in first
    assert first.endswith("sqlalchemy.exc.OperationalError: server closed the connection")


def test_what_is_expected_is_left_out() -> None:
    log = "[2026-11-22T19:00:01.000+0000] {x.py:1} ERROR - task conformance_failing.fail failed\n"
    assert unexpected("scheduler", log, []) != []
    assert unexpected("scheduler", log, expected_errors()) == []


TASK = "<TaskInstance: sales.load scheduled__2026-11-22T00:00:00+00:00 [queued]>"


@pytest.mark.parametrize(
    ("component", "entry"),
    [
        (
            "scheduler",
            "[2026-11-22T19:00:01.000+0000] {dagrun.py:820} ERROR - Marking run <DagRun sales @ 2026-11-22 "
            "00:00:00+00:00: scheduled__2026-11-22T00:00:00+00:00, state:running. externally triggered: False> failed",
        ),
        (
            "scheduler",
            f"[2026-11-22T19:00:01.000+0000] {{x.py:91}} ERROR - Executor reports task instance {TASK} "
            "finished (failed) although the task says it's queued. (Info: None) Was the task killed externally?",
        ),
        (
            "scheduler",
            "[2026-11-22T19:00:01.000+0000] {task_context_logger.py:91} ERROR - Detected zombie job: "
            "{'full_filepath': '/opt/airflow/dags/repo/dags/sales.py', 'simple_task_instance': 'sales.load'}",
        ),
        (
            "scheduler",
            "[2026-11-22T19:00:01.000+0000] {kubernetes_executor_utils.py:269} ERROR - "
            "Event: sales-load-x7d Failed, annotations: <omitted>",
        ),
        (
            "worker",
            "[2026-11-22 19:00:01,000: ERROR/MainProcess] Task airflow.celery_executor_utils."
            "execute_command[1d2e-4f] raised unexpected: AirflowException('Celery command failed')\n"
            "Traceback (most recent call last):\nairflow.exceptions.AirflowException: Celery command failed",
        ),
        ("worker", "[2026-11-22 19:00:01,000: ERROR/ForkPoolWorker-1] [1d2e-4f] Failed to execute task."),
    ],
)
def test_a_failed_run_of_somebody_else_is_no_error_of_a_component(component: str, entry: str) -> None:
    assert unexpected(component, entry, []) != []
    assert unexpected(component, entry, expected_errors()) == []


GONE = """\
[2026-11-22T19:00:01.000+0000] {kubernetes_executor_utils.py:121} ERROR - Unknown error in KubernetesJobWatcher. Failing
Traceback (most recent call last):
  File "kubernetes/watch/watch.py", line 182, in stream
    raise client.rest.ApiException(
kubernetes.client.exceptions.ApiException: (%s)
Reason: %s

Process KubernetesJobWatcher-8:
Traceback (most recent call last):
  File "kubernetes/watch/watch.py", line 182, in stream
    raise client.rest.ApiException(
kubernetes.client.exceptions.ApiException: (%s)
Reason: %s
[2026-11-22T19:00:02.000+0000] {kubernetes_executor_utils.py:387} ERROR - Error while health checking kube watcher \
process for namespace airflow. Process died for unknown reasons
"""


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (("410", "Expired: too old resource version: 725263658 (725300129)"), 0),
        (("410", "Gone: too old resource version: 1 (2)"), 0),
        (("403", "Forbidden: pods is forbidden: User cannot watch resource pods"), 1),
        (("500", "InternalError: the watch failed"), 1),
    ],
)
def test_a_watch_that_is_too_old_begins_anew(answer: tuple[str, str], told: int) -> None:
    assert len(unexpected("scheduler", GONE % (*answer, *answer), expected_errors())) == told
    trace = (GONE % (*answer, *answer)).partition("\n\n")[0]
    in_json = as_json(levelname="ERROR", message="Unknown error in KubernetesJobWatcher. Failing", exc_info=trace)
    assert len(unexpected("scheduler", in_json, expected_errors())) == told
    split = GONE.replace("\nProcess", "[2026-11-22T19:00:01.500+0000] {x.py:1} INFO - going on\nProcess")
    assert len(unexpected("scheduler", split % (*answer, *answer), expected_errors())) == 2 * told


def test_what_a_policy_of_the_site_logs_is_told() -> None:
    """As in tests/faults/RN-50.yaml."""
    log = "[2026-11-22T19:00:01.000+0000] {policies.py:5} ERROR - no answer from the quota service\n"
    assert unexpected("scheduler", log, expected_errors()) != []


def test_containers_of_the_site_are_no_components_of_airflow() -> None:
    names = ("scheduler", "git-sync", "log-shipper")
    declared = {"spec": {"template": {"spec": {"containers": [{"name": name} for name in names]}}}}
    seen = {"containers": [{"name": name} for name in (*names, "istio-proxy")]}
    labelled = {"name": "s", "uid": "u", "labels": {"component": "scheduler"}}
    subject = SimpleNamespace(
        cluster=SimpleNamespace(workload=lambda component: Workload({"kind": "Deployment", **declared})),
        component_value=lambda component, path: [{"name": "log-shipper"}] if subject.values else None,
        git_sync="git-sync",
    )
    pod = Pod({"metadata": labelled, "spec": seen})
    for subject.values in ({"executor": "CeleryExecutor"}, {}):  # made by Helm, or not
        assert own_containers(cast("Subject", subject), pod) == ["scheduler", "git-sync"]
