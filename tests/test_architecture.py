"""What is read from git-sync's log and from pod specs."""

from __future__ import annotations

import pytest

from fixtures.observations.architecture import error_of, mounted_below

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
        "containers": [{"volumeMounts": [{"name": "v", "mountPath": path}, {"name": "w", "mountPath": path}]}],
        "volumes": [{"name": "v", "configMap": {"name": "my-dag"}}, {"name": "w", "emptyDir": {}}],
    }
    assert mounted_below(spec, "/opt/airflow/dags") == found
