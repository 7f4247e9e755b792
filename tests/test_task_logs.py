"""What logs of tasks say of where they come from, of why they are lost, and of whom they are."""

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.airflow import DagRun
from fixtures.environment import Environments
from fixtures.objects import Pod
from fixtures.observations.task_logs import log_source, not_sent, others_in, proxy_asked, why_lost


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("Could not read served logs: 403 Client Error: FORBIDDEN", "secret_key"),
        ("Could not read served logs: [Errno -2] Name or service not known", "does not resolve"),
        ("Could not read served logs: timed out", "NetworkPolicy"),
        ("Could not read served logs: [Errno 111] Connection refused", "nothing listens"),
        ("all is well", ""),
    ],
)
def test_the_cause_of_a_lost_log(log: str, cause: str) -> None:
    assert cause in why_lost(log) and bool(cause) == bool(why_lost(log))


WORKER = "airflow-worker-0.airflow-worker.airflow.svc.cluster.local"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://proxy:1"}, ""),  # logs are served without TLS
        ({"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "localhost, .svc.cluster.local"}, ""),
        ({"HTTP_PROXY": "http://proxy:1", "no_proxy": "cluster.local"}, ""),
        ({"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "localhost,*"}, ""),
        ({"HTTP_PROXY": "http://proxy:1", "http_proxy": ""}, ""),
        ({"HTTP_PROXY": "http://me:hun/ter2@proxy:1/x"}, "the proxy proxy:1 for it"),
        ({"all_proxy": "proxy:1", "NO_PROXY": "localhost,10.0.0.0/8"}, "add .svc.cluster.local to NO_PROXY"),
    ],
)
def test_a_proxy_that_is_asked_for_logs_is_named(variables: dict[str, str], told: str) -> None:
    env = [{"name": name, "value": value} for name, value in variables.items()]
    webserver = Pod(
        {"metadata": {"name": "w", "uid": "w"}, "spec": {"containers": [{"name": "webserver", "env": env}]}}
    )
    subject: Any = SimpleNamespace(pod=lambda _: webserver, environments=Environments(None))  # type: ignore[arg-type]
    asked = proxy_asked(subject, WORKER)
    assert told in asked and bool(told) == bool(asked) and "hun" not in asked


def test_the_source_of_a_log() -> None:
    served = "*** Found logs served from host http://worker-0:8793/log/x\n[time] INFO\n"
    assert "worker-0" in log_source(served)
    assert "local files" in log_source("*** Found local files:\n***   * /opt/airflow/logs/x.log\n")
    assert log_source("INFO - nothing\n") == ""


@pytest.mark.parametrize(
    ("log", "storage"),
    [
        ("*** No logs found on s3 for ti=<TaskInstance: d.t r [success]>\n*** Found local files:", "s3"),
        ("*** Found local files:\n***   * /t.log\n*** No logs found in GCS; ti=<TaskInstance: d.t r [success]>", "GCS"),
        ("*** No logs found in Azure; ti=<TaskInstance: d.t r [success]>", "Azure"),
        ("*** Found logs in s3:\n***   * s3://bucket/t.log\nINFO - No logs found on my desk", ""),
    ],
)
def test_a_log_that_is_not_where_logs_are_sent_is_told(log: str, storage: str) -> None:
    subject: Any = SimpleNamespace(option=lambda *_, **__: "somewhere")
    said = not_sent(subject, log)
    assert bool(said) == bool(storage) and f"the log is not in {storage}" in (said or "the log is not in ")


EXTRACT = """\
[2026-11-25T10:26:50.681+0000] {task_command.py:426} INFO - Running <TaskInstance: etl_pipeline.extract r1 [queued]> on host a
[2026-11-25T10:26:51.000+0000] {dagrun.py:632} DEBUG - number of tis tasks for <DagRun etl_pipeline>: <TaskInstance: etl_pipeline.load r1 [None]>
[2026-11-25T10:26:51.257+0000] {task_command.py:426} INFO - Running <TaskInstance: etl_pipeline.extract r1 [running]> on host a
"""  # noqa: E501


@pytest.mark.parametrize(
    ("log", "others"),
    [
        (EXTRACT, []),
        ("", []),
        (EXTRACT + EXTRACT.replace(".extract", ".load"), ["etl_pipeline.load r1"]),
        (EXTRACT + EXTRACT.replace(" r1 ", " r2 "), ["etl_pipeline.extract r2"]),
        (EXTRACT.replace(".extract r1 [", ".load r1 map_index=2 ["), ["etl_pipeline.load r1"]),
    ],
)
def test_a_log_that_holds_those_of_others_is_told(log: str, others: list[str]) -> None:
    assert others_in(log, DagRun("etl_pipeline", "r1", "success"), "extract") == others
