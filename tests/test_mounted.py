"""Which ConfigMap a file of a container comes from."""

from __future__ import annotations

from fixtures.observations.mounted import mounted_config_map
from tests.pods import scheduler


def test_where_the_template_is_mounted_from() -> None:
    assert mounted_config_map(scheduler(), "scheduler", "/t/file.yaml") == ("airflow-config", "pod_template_file.yaml")
    assert mounted_config_map(scheduler(), "scheduler", "/elsewhere.yaml") is None


def test_a_key_that_is_mounted_under_another_name_is_found() -> None:
    pod = scheduler()
    pod.raw["spec"]["volumes"][0]["configMap"]["items"] = [{"key": "site.cfg", "path": "airflow.cfg"}]
    assert mounted_config_map(pod, "scheduler", "/opt/airflow/airflow.cfg") == ("airflow-config", "site.cfg")
