"""Which releases are broken, and which never."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixtures import clusters, prove, standing
from fixtures.errors import Refused
from fixtures.progress import Progress
from fixtures.settings import Executor


def test_a_cluster_that_is_not_the_suites_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given, progress = prove.options({"CONTEXT": "production"}), Progress((tmp_path / "out").open("w"))
    with ExitStack() as stack, pytest.raises(Refused, match="production is no cluster of the suite's own"):
        standing.bring_up(given, (Executor.CELERY,), tmp_path, progress, threading.Event(), stack)


def test_a_kept_cluster_that_enforces_no_policies_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept, alive = clusters.register("airflow-conformance-1", own_engine=False)
    alive.release()
    given = prove.options({"CONTEXT": kept.context, "NETWORK_POLICIES": "1"})
    with ExitStack() as stack, pytest.raises(Refused, match="does not enforce NetworkPolicies") as told:
        standing.bring_up(given, (Executor.CELERY,), tmp_path, Progress(), threading.Event(), stack)
    assert "KEEP=1 NETWORK_POLICIES=1" in told.value.remedy
