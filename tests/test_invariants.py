"""Restarts, probes and errors in logs, read from what Kubernetes and the components really write."""

from typing import Any

from fixtures.invariants import endings, errors_in, expected_errors, probes, unexpected
from fixtures.objects import Pod


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


def test_a_command_is_tried_once_with_the_shortest_time() -> None:
    command = {"exec": {"command": ["check"]}}
    [probe] = probes(pod({}, livenessProbe={**command, "timeoutSeconds": 20}, readinessProbe=command))
    assert (probe.kind, probe.command, probe.timeout) == ("readinessProbe", ("check",), 1.0)
    assert probes(pod({}, livenessProbe={"httpGet": {"path": "/health"}})) == []


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


def test_an_error_is_told_in_one_line() -> None:
    first = unexpected("scheduler", LOG, [])[0]
    assert "Exception when executing the loop" in first
    assert first.endswith("sqlalchemy.exc.OperationalError: server closed the connection")


def test_what_is_expected_is_left_out() -> None:
    log = "[2026-11-22T19:00:01.000+0000] {x.py:1} ERROR - task conformance_failing.fail failed\n"
    assert unexpected("scheduler", log, []) != []
    assert unexpected("scheduler", log, expected_errors()) == []
