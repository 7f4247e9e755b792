"""The interval that git-sync keeps, from the environment that the chart gives it, and the host that it asks."""

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import gitsync
from fixtures.errors import HarnessError


@pytest.mark.parametrize(("text", "seconds"), [("5s", 5), ("1m30s", 90), ("24h", 86400), ("500ms", 0.5), ("1.5s", 1.5)])
def test_durations(text: str, seconds: float) -> None:
    assert gitsync.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "five seconds", "5s!"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(HarnessError, match="no duration"):
        gitsync.duration(text)


def test_the_deprecated_wait_wins() -> None:
    assert gitsync.effective_period({"GIT_SYNC_WAIT": "60", "GITSYNC_PERIOD": "5s"}) == 60
    assert gitsync.effective_period({"GITSYNC_PERIOD": "5s"}) == 5
    assert gitsync.effective_period({}) == 10


def test_the_values_declare_the_period() -> None:
    container = SimpleNamespace(env={"GIT_SYNC_WAIT": "60"})

    def declared(**git_sync: object) -> float:
        def value(path: str, default: object) -> object:
            return git_sync.get(path.rpartition(".")[2], default)

        pod: Any = SimpleNamespace(container=lambda name: container)
        subject: Any = SimpleNamespace(value=value, git_sync="git-sync")
        return gitsync.declared_period(subject, pod)

    assert declared(wait=5, period="1m") == 5
    assert declared(wait=None, period="1m") == 60
    assert declared(period="24h") == 86400
    assert declared() == 60


@pytest.mark.parametrize(
    ("repository", "host"),
    [
        ("git://git-server/dags.git", "git-server"),
        ("https://user@example.com:8443/dags.git", "example.com"),
        ("git@example.com:dags.git", "example.com"),
        ("/srv/dags.git", ""),
    ],
)
def test_host_of_a_repository(repository: str, host: str) -> None:
    assert gitsync.host_of(repository) == host
