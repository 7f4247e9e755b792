"""Which releases are broken, and which never."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixtures import prove, standing
from fixtures.errors import Refused
from fixtures.progress import Progress
from fixtures.settings import Executor


def test_a_cluster_that_is_not_the_suites_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given, progress = prove.options({"CONTEXT": "production"}), Progress((tmp_path / "out").open("w"))
    with ExitStack() as stack, pytest.raises(Refused, match="production is no cluster of the suite's own"):
        standing.bring_up(given, (Executor.CELERY,), tmp_path, progress, threading.Event(), stack)
