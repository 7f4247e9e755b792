"""DAGs by ConfigMap (README: DAG Management, ConfigMap)."""

from fixtures.catalogue import requirement
from fixtures.observations import LOGS_GONE
from fixtures.observations.architecture import (
    absent_dag_files,
    by_configmap,
    dag_config_maps,
    dag_config_maps_of_components,
    needing_dags,
    older_dag_files,
)
from fixtures.subject import Subject


@requirement("AF-CM-001")
def test_a_dag_by_configmap_runs(subject: Subject) -> None:
    """A DAG mounted from a ConfigMap MUST run, not merely be listed."""
    own = dag_config_maps(subject)
    if own and not subject.value("dags.gitSync.enabled", False):
        missing = {
            component: sorted(lacks)
            for component in needing_dags(subject)
            if (lacks := set().union(*own.values()) - own.get(component, set()))
        }
        assert not missing, f"DAGs are listed and cannot run, components lack their ConfigMaps: {missing}"
        absent = absent_dag_files(subject)
        assert not absent, "; ".join(absent)
        return
    made = subject.see(by_configmap)
    if LOGS_GONE not in made.logs[0]:
        assert made.tokens[0] in made.logs[0], f"the run did not execute the mounted file:\n{made.logs[0][-2000:]}"
    subject.note(
        "AF-CM-001",
        "the README mounts the ConfigMap at the top level, for webserver and scheduler; the chart ignores that, and "
        "tasks need it too: use scheduler.extraVolumes and workers.extraVolumes, each with its extraVolumeMounts",
    )


@requirement("AF-CM-002")
def test_a_changed_configmap_takes_effect(subject: Subject) -> None:
    """A changed ConfigMap MUST reach the tasks: at once in new task pods, and Celery workers when they are replaced."""
    old = subject.see(older_dag_files)
    assert not old, "; ".join(old)
    made = subject.see(by_configmap)
    assert not made.refused, f"the ConfigMap could not be changed: {made.refused}"
    if LOGS_GONE not in made.logs[1]:
        assert made.tokens[1] in made.logs[1], f"the run still executed the old content:\n{made.logs[1][-2000:]}"
    if made.stale:
        subject.note(
            "AF-CM-002",
            f"a file mounted by subPath never changes in a running pod: the {subject.parser} kept the old content; "
            f"after each change kubectl rollout restart deployment/{subject.fullname}-{subject.parser}",
        )


@requirement("AF-CM-003")
def test_git_sync_and_configmap_are_not_mixed(subject: Subject) -> None:
    """DAGs SHOULD come by git-sync or by ConfigMap, not both."""
    found = dag_config_maps_of_components(subject) or dag_config_maps(subject)
    mounts = {component: sorted(names) for component, names in found.items()}
    if subject.value("dags.gitSync.enabled", False) or subject.git_sync in subject.pod(subject.parser).containers:
        assert not mounts, (
            f"dags.gitSync.enabled is set and ConfigMaps are mounted below the DAG folder, whose files are "
            f"never read from there, and pods that mount one there beside git-sync cannot start: {mounts}"
        )
        subject.note(
            "AF-CM-003",
            "the README does not say that its two ways for DAGs, git-sync and ConfigMap, exclude each other",
        )
