"""What is installed, and what is put beside it, as far as it is known without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures import kind
from fixtures.chart import Chart
from fixtures.deployment import Deployment
from fixtures.errors import UsageError

SECRET = {"kind": "Secret", "metadata": {"name": "airflow-secrets"}}
CHART = Chart(Path("airflow.tgz"), "airflow", "1.15.0", "", "")
VERSIONS = ("1.15.0", "2.9.0")


def test_what_an_overlay_brings_at_the_installation_is_not_put_beside_it() -> None:
    own = Deployment("own", overlay=Path("own"), objects=(SECRET,))
    assert kind.brought_by(own) == {("Secret", "airflow-secrets")}


def test_a_release_that_the_suite_renders_keeps_what_it_needs() -> None:
    """Whatever the overlay after it brings: the reference values name the Secrets of the suite."""
    rendered = Deployment("rendered", chart=CHART, overlay=Path("written"), objects=(SECRET,))
    assert kind.brought_by(rendered) == set()


def test_versions_of_an_overlay_are_promised_only_where_somebody_named_them() -> None:
    told, guessed = (kind.overlay_of(Path("own"), VERSIONS, promised=promised) for promised in (True, False))
    assert (told.chart_version, told.airflow, told.images) == (*VERSIONS, VERSIONS)
    assert (guessed.chart_version, guessed.airflow, guessed.images) == ("", "", VERSIONS)


@pytest.mark.parametrize(
    ("release", "bundled", "refused"),
    [
        ("airflow", {"enabled": True}, True),
        ("airflow", {"enabled": False}, False),
        ("prod", {"enabled": True}, False),
        ("prod", {"enabled": True, "fullnameOverride": "airflow-postgresql"}, True),
        ("airflow", {"enabled": True, "nameOverride": "db"}, False),
        ("airflow", None, False),
    ],
)
def test_a_second_database_of_the_same_name_is_refused(release: str, bundled: Any, refused: bool) -> None:
    if not refused:
        kind.refuse_second_database(release, {"postgresql": bundled})
        return
    with pytest.raises(UsageError, match=r"postgresql\.enabled is true.*would be airflow-postgresql") as told:
        kind.refuse_second_database(release, {"postgresql": bundled})
    assert "postgresql.enabled false" in told.value.remedy
