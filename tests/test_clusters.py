"""Clusters of the suite's own: nobody deletes one whose run is alive, everybody that of one that was killed."""

from pathlib import Path

import pytest

from fixtures import clusters
from fixtures.errors import Refused
from fixtures.process import CommandFailed
from images import node


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_a_cluster_is_in_use_while_its_run_lives() -> None:
    cluster, alive = clusters.register("airflow-conformance-1", own_engine=False)
    assert cluster.in_use
    assert clusters.orphans() == []
    alive.release()
    assert not cluster.in_use
    assert clusters.orphans() == [cluster]


def test_a_kept_cluster_is_no_orphan() -> None:
    cluster, alive = clusters.register("airflow-conformance-1", own_engine=True)
    cluster.keep()
    alive.release()
    assert clusters.orphans() == []
    assert clusters.existing() == [cluster]
    assert cluster.kept
    assert cluster.own_engine


def test_nobody_removes_a_cluster_that_is_held() -> None:
    cluster, alive = clusters.register("airflow-conformance-1", own_engine=False)
    with pytest.raises(Refused, match="somebody is at work in cluster airflow-conformance-1"), cluster.held():
        pass
    alive.release()
    with cluster.held(), cluster.held():
        assert cluster.in_use
    assert not cluster.in_use


def test_what_others_put_there_is_not_ours(cache: Path) -> None:
    (cache / "airflow-conformance" / "clusters" / "kind").mkdir(parents=True)
    assert clusters.existing() == []


def test_a_name_is_given_once() -> None:
    clusters.register("airflow-conformance-1", own_engine=False)
    with pytest.raises(FileExistsError):
        clusters.register("airflow-conformance-1", own_engine=False)


def stub_kind(directory: Path) -> Path:
    """A program that writes its command line down."""
    program = directory / "kind"
    program.write_text(f'#!/bin/sh\necho "$@" >> {directory}/calls\n')
    program.chmod(0o755)
    return program


def test_deleting_takes_the_directory_and_the_context(tmp_path: Path) -> None:
    cluster, alive = clusters.register("airflow-conformance-1", own_engine=False)
    alive.release()
    clusters.delete(cluster, stub_kind(tmp_path), {})
    assert not cluster.directory.exists()
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"delete cluster --name airflow-conformance-1 --kubeconfig {cluster.kubeconfig}"
    ]


def test_a_kept_cluster_leaves_the_users_kubeconfig_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "mine"))
    cluster, alive = clusters.register("airflow-conformance-1", own_engine=False)
    cluster.keep()
    alive.release()
    clusters.delete(cluster, stub_kind(tmp_path), {})
    assert f"--kubeconfig {tmp_path / 'mine'}" in (tmp_path / "calls").read_text()


def programs(directory: Path, **scripts: str) -> Path:
    """Programs made of scripts; returns where kind is."""
    directory.mkdir()
    for name, script in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    return directory / "kind"


def test_a_node_that_cannot_end_is_thawed_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kind fails as long as a container of the node stands still, and only the groups of that node are changed."""
    states = [tmp_path / "docker" / name / "pod" / "freezer.state" for name in ("ours", "others")]
    for state in states:
        state.parent.mkdir(parents=True)
        state.write_text("FROZEN\n")
    monkeypatch.setattr(node, "FREEZER", tmp_path)
    kind = programs(tmp_path / "bin", docker="echo ours", kind=f"grep -q THAWED {states[0]}")
    cluster, alive = clusters.register("airflow-conformance-1", own_engine=False)
    alive.release()
    clusters.delete(cluster, kind, {"PATH": f"{kind.parent}:/usr/bin:/bin"})
    assert [state.read_text().strip() for state in states] == ["THAWED", "FROZEN"]
    assert not cluster.directory.exists()


def test_a_cluster_that_nobody_can_delete_in_time_is_thawed_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    thawed: list[str] = []
    monkeypatch.setattr(node, "thaw", lambda name, _: thawed.append(name))
    monkeypatch.setattr(clusters, "DELETING", 2.0)
    kind = programs(tmp_path / "bin", kind=f"[ -e {tmp_path}/again ] || {{ touch {tmp_path}/again; sleep 60; }}")
    cluster, alive = clusters.register("airflow-conformance-1", own_engine=False)
    alive.release()
    clusters.delete(cluster, kind, {})
    assert thawed == [cluster.name]
    assert not cluster.directory.exists()


def test_a_cluster_that_cannot_be_deleted_for_another_reason_is_told(tmp_path: Path) -> None:
    kind = programs(tmp_path / "bin", docker="true", kind="echo no; exit 1")
    cluster, alive = clusters.register("airflow-conformance-1", own_engine=False)
    alive.release()
    with pytest.raises(CommandFailed, match="no"):
        clusters.delete(cluster, kind, {"PATH": f"{kind.parent}:/usr/bin:/bin"})
    assert cluster.directory.exists()
