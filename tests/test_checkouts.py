"""What a release declares of the checkouts of its DAGs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.observations.checkouts import declared_ref

CHART = {"branch": "v2-2-stable", "ref": "v2-2-stable", "rev": "HEAD"}
"""The chart's own values."""


@pytest.mark.parametrize(
    ("git_sync", "ref"),
    [
        ({}, "main"),
        ({"branch": "main"}, "main"),
        ({"branch": "main", "ref": "v1"}, "v1"),
        ({"branch": "main", "rev": "v1"}, "v1"),
        ({"branch": "", "ref": "v1", "rev": ""}, "v1"),
        ({"branch": "main", "ref": "main", "rev": "0f3a1c"}, "0f3a1c"),
    ],
)
@pytest.mark.parametrize("helm", [True, False])
def test_a_rev_pins_what_a_branch_would_follow(git_sync: dict[str, str], ref: str, helm: bool) -> None:
    """Without Helm the container's environment tells the same."""
    declared = {**CHART, **git_sync}
    env = dict(zip(("GIT_SYNC_BRANCH", "GITSYNC_REF", "GIT_SYNC_REV"), declared.values(), strict=True))
    subject: Any = SimpleNamespace(
        values={"dags": {"gitSync": declared}} if helm else {},
        value=lambda path: declared[path.rpartition(".")[2]] if helm else None,
        parser="scheduler",
        git_sync="git-sync",
        pod=lambda _: SimpleNamespace(container=lambda _: SimpleNamespace(env=env)),
    )
    assert declared_ref(subject) == ref
