"""What must reach the tasks of what the parser's environment defines."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.objects import Json, Pod
from fixtures.observations import credentials, task_environment
from fixtures.observations.credentials import Holder
from fixtures.settings import Executor


def with_names(built_in: bool, stored: dict[str, str] | None = None, /, **of_tasks: str) -> Any:
    """A release whose scheduler has two connections in its environment, and whose task pod has these.

    Args:
        built_in: whether the chart defines one of them.
        stored: connections in the metadata database, with their descriptions.
        of_tasks: value by name.
    """
    stored = defaultdict(str, stored or {})
    parser = {"AIRFLOW_CONN_AIRFLOW_DB": "1", "AIRFLOW_CONN_LAKE": "2"}
    found = [
        Holder("the scheduler", "scheduler", "", {}, parser),
        Holder("task pod x", "task", "", {}, of_tasks, runs_tasks=True),
    ]
    return SimpleNamespace(
        see=lambda one: found if one.name == credentials.holders.name else None,
        executor=Executor.CELERY,
        running=lambda _: [],
        parser="scheduler",
        value=lambda path, default: built_in,
        run_id="r1",
        airflow=SimpleNamespace(has_connection=lambda name: name in stored, description=lambda _, name: stored[name]),
    )


def test_the_charts_own_connection_need_not_reach_the_tasks() -> None:
    """A template that is written out does without it; a connection of the site's must be there."""
    assert task_environment.missing_names(with_names(True, AIRFLOW_CONN_LAKE="2")) == []
    (missing,) = task_environment.missing_names(with_names(True))
    assert missing.startswith("AIRFLOW_CONN_LAKE is defined in the scheduler and missing in task pod x")


def test_the_sites_own_connection_of_that_name_must_reach_the_tasks() -> None:
    (missing,) = task_environment.missing_names(with_names(False, AIRFLOW_CONN_LAKE="2"))
    assert missing.startswith("AIRFLOW_CONN_AIRFLOW_DB is defined")


def test_a_connection_of_the_suites_own_replaces_none_that_tasks_lack() -> None:
    assert task_environment.missing_names(with_names(True, {"lake": "of the team"})) == []
    assert len(task_environment.missing_names(with_names(True, {"lake": "conformance run r1"}))) == 1


def of_volumes(container: str, env: list[Json], *paths: str) -> Pod:
    """A pod with such an environment, and volumes at these paths; one at /etc/site is of a ConfigMap."""
    mounts = [{"name": path, "mountPath": path} for path in paths]
    kinds = {"/etc/site": "configMap"}
    volumes = [{"name": path, kinds.get(path, "secret"): {"name": "x"}} for path in paths]
    spec = {"containers": [{"name": container, "env": env, "volumeMounts": mounts}], "volumes": volumes}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return Pod({"metadata": {"name": container, "uid": container}, "spec": spec, "status": ready})


def scheduler_and_worker(scheduler: Pod, worker: Pod, **options: str) -> Any:
    """A release of these two pods; options of `[secrets]` are by `<pod>_<option>`."""
    return SimpleNamespace(
        parser="scheduler",
        pod=lambda _: scheduler,
        running=lambda _: [worker],
        executor=Executor.CELERY,
        cluster=None,
        option=lambda _, key, component: options.get(f"{component}_{key}", ""),
        option_in=lambda pod, _, section, key: options.get(f"{pod.name}_{key}", ""),
        notes=(notes := []),
        note=lambda _, finding: notes.append(finding),
    )


@pytest.mark.parametrize(
    ("name", "value", "mounted", "told"),
    [
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            "/var/secrets/google/key.json",
            "/other",
            "/var/secrets/google/key.json, which",
        ),
        ("AIRFLOW_CONN_X", "gcp://?key_path=%2Fvar%2Fsecrets%2Fgoogle%2Fkey.json", "/other", "/key.json, which"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/var/secrets/google/key.json", "/var/secrets", ""),
        ("ELSEWHERE", "/var/secrets/google-too/key.json", "/other", ""),
        ("OF_A_CONFIG_MAP", "/etc/site/file", "/other", ""),
        ("KUBECONFIG", "/var/secrets/google/kubeconfig", "/other", ""),
    ],
)
def test_a_secret_that_only_the_parser_mounts_is_told_if_tasks_are_led_there(
    name: str, value: str, mounted: str, told: str
) -> None:
    scheduler = of_volumes("scheduler", [], "/var/secrets/google", "/etc/site")
    worker = of_volumes("worker", [{"name": name, "value": value}], mounted)
    found = task_environment.missing_files(scheduler_and_worker(scheduler, worker))
    assert [told in one for one in found] == [True] * bool(told)


FILES = "airflow.secrets.local_filesystem.LocalFilesystemBackend"


@pytest.mark.parametrize(
    ("options", "mounted", "told"),
    [
        ({"worker_backend": FILES, "worker_backend_kwargs": '{"connections_file_path": "/etc/site/c"}'}, "/other", 1),
        ({"worker_backend": FILES, "scheduler_backend_kwargs": '{"connections_file_path": "/etc/site/c"}'}, "/x", 1),
        ({"worker_backend": FILES, "worker_backend_kwargs": '{"connections_file_path": "/etc/site/c"}'}, "/etc", 0),
        ({"worker_backend": FILES, "worker_backend_kwargs": '{"connections_file_path": "/opt/image/c"}'}, "/other", 0),
        ({"worker_backend": "Ssm", "worker_backend_kwargs": '{"connections_prefix": "/airflow"}'}, "/other", 0),
        ({"worker_backend_kwargs": '{"connections_file_path": "/etc/site/c"}'}, "/other", 0),
    ],
)
def test_a_file_of_a_secrets_backend_must_be_mounted_where_tasks_run(
    options: dict[str, str], mounted: str, told: int
) -> None:
    of_both = of_volumes("scheduler", [], "/etc/site"), of_volumes("worker", [], mounted)
    found = task_environment.missing_files(scheduler_and_worker(*of_both, **options))
    says = "[secrets] backend_kwargs leads to /etc/site/c, which the scheduler mounts and worker does not"
    assert [one.startswith(says) for one in found] == [True] * told


@pytest.mark.parametrize(
    ("parser", "tasks", "told", "noted"),
    [(FILES, "", 1, 0), (FILES, FILES, 0, 0), ("", FILES, 0, 0), (FILES, "B", 0, 1)],
)
def test_a_secrets_backend_of_the_parser_must_be_there_for_tasks(
    parser: str, tasks: str, told: int, noted: int
) -> None:
    pods = of_volumes("scheduler", []), of_volumes("worker", [])
    subject = scheduler_and_worker(*pods, scheduler_backend=parser, worker_backend=tasks)
    assert (len(task_environment.missing_backend(subject)), len(subject.notes)) == (told, noted)
