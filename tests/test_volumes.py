"""Which ConfigMap a file of a container comes from."""

from __future__ import annotations

import pytest

from fixtures.kube import Json
from fixtures.volumes import mounted_config_map, single_files
from tests.pods import scheduler


def test_where_the_template_is_mounted_from() -> None:
    assert mounted_config_map(scheduler(), "scheduler", "/t/file.yaml") == ("airflow-config", "pod_template_file.yaml")
    assert mounted_config_map(scheduler(), "scheduler", "/elsewhere.yaml") is None


def test_a_key_that_is_mounted_under_another_name_is_found() -> None:
    pod = scheduler()
    pod.raw["spec"]["volumes"][0]["configMap"]["items"] = [{"key": "site.cfg", "path": "airflow.cfg"}]
    assert mounted_config_map(pod, "scheduler", "/opt/airflow/airflow.cfg") == ("airflow-config", "site.cfg")


@pytest.mark.parametrize(
    ("source", "mount", "found"),
    [
        ({"name": "m"}, {"subPath": "a.py"}, {"/dags/a.py": ("m", "a.py")}),
        ({"name": "m", "items": [{"key": "k", "path": "a.py"}]}, {"subPath": "a.py"}, {"/dags/a.py": ("m", "k")}),
        ({"name": "m", "items": [{"key": "k", "path": "a.py/b"}]}, {"subPath": "a.py"}, {}),
        ({"name": "m", "optional": True}, {"subPath": "a.py"}, {}),
        ({"name": "m"}, {}, {}),
    ],
)
def test_single_files(source: Json, mount: Json, found: dict[str, tuple[str, str]]) -> None:
    body = {
        "volumes": [{"name": "v", "configMap": source}, {"name": "w", "emptyDir": {}}],
        "containers": [
            {
                "name": "c",
                "volumeMounts": [
                    {"name": "v", "mountPath": "/dags/a.py", **mount},
                    {"name": "w", "mountPath": "/logs", "subPath": "a.py"},
                ],
            }
        ],
    }
    assert single_files(body, "c") == found


def test_single_files_of_secrets() -> None:
    mount = {"name": "v", "mountPath": "/etc/git-secret/ssh", "subPath": "gitSshKey"}
    volume = {"name": "v", "secret": {"secretName": "deploy-key"}}
    body = {"volumes": [volume], "containers": [{"name": "git-sync", "volumeMounts": [mount]}]}
    assert single_files(body, "git-sync", "secret") == {"/etc/git-secret/ssh": ("deploy-key", "gitSshKey")}
    assert single_files(body, "git-sync") == {}
