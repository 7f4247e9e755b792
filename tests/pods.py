"""Pods as tests need them: of a template, of a scheduler, with git-sync, and with files from ConfigMaps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fixtures.kube import Json
from fixtures.objects import Pod


def spec(**changes: Any) -> dict[str, Any]:
    base = {
        "name": "base",
        "image": "apache/airflow:2.9.0",
        "args": [],
        "env": [{"name": "A", "value": "1"}, {"name": "EMPTY", "value": ""}],
        "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}},
        "volumeMounts": [
            {"name": "config", "mountPath": "/opt/airflow/airflow.cfg", "subPath": "airflow.cfg"},
            {"name": "dags", "mountPath": "/opt/airflow/dags"},
        ],
    }
    volumes = [{"name": "config", "configMap": {"name": "airflow-config"}}, {"name": "dags", "emptyDir": {}}]
    clone = {"name": "git-sync-init", "volumeMounts": [{"name": "dags", "mountPath": "/git"}]}
    rest = {"volumes": volumes, "restartPolicy": "Never", "affinity": {}}
    return {"initContainers": [clone], "containers": [base], **rest, **changes}


def scheduler() -> Pod:
    body = spec()
    body["containers"][0]["name"] = "scheduler"
    template_mount = {"name": "config", "mountPath": "/t/file.yaml", "subPath": "pod_template_file.yaml"}
    body["containers"][0]["volumeMounts"].append(template_mount)
    return Pod({"metadata": {"name": "s", "uid": "u"}, "spec": {**body, "securityContext": {"fsGroup": 0}}})


def syncing_with(*taken: str) -> Pod:
    """A pod whose git-sync takes variables from keys of the Secret `git`."""
    env = [{"name": key, "valueFrom": {"secretKeyRef": {"name": "git", "key": key}}} for key in taken]
    return Pod({"metadata": {"name": "s", "uid": "s"}, "spec": {"containers": [{"name": "git-sync", "env": env}]}})


class Release:
    """A scheduler and a webserver whose containers hold files, and ConfigMaps; as much of a subject as that needs."""

    HOME = "/opt/airflow/"

    def __init__(self, now: dict[str, str], files: dict[str, dict[str, str]]) -> None:
        self.now, self.files, self.cluster = now, files, self

    def workloads(self) -> list[Any]:
        return [SimpleNamespace(component=name) for name in ("scheduler", "webserver", "statsd")]

    def running(self, component: str) -> list[Pod]:
        return [self.pod(name, component) for name in self.files if name.startswith(component)]

    def pod(self, name: str, component: str) -> Pod:
        mounts = [{"name": "config", "mountPath": f"{self.HOME}{key}", "subPath": key} for key in self.now]
        container = {"name": component, "image": "airflow", "volumeMounts": mounts}
        volumes = [{"name": "config", "configMap": {"name": "airflow-config"}}]
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        spec: Json = {"containers": [container], "volumes": volumes}
        return Pod({"metadata": {"name": name, "uid": name}, "spec": spec, "status": status})

    def inside(self, pod: Pod, container: str) -> Any:
        def run(command: str, path: str) -> Any:
            return SimpleNamespace(rc=0, stdout=self.files[pod.name].get(path.removeprefix(self.HOME), ""))

        return SimpleNamespace(run=run)

    def config_map(self, name: str) -> dict[str, str]:
        return self.now
