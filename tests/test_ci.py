"""The workflow files that people copy: they need nothing but names, and ask for no more than they need."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from fixtures import bootstrap, child, clean, settings
from fixtures.chart import newest_until
from fixtures.paths import MANIFESTS, ROOT
from images.versions import load

CI = MANIFESTS / "ci"


@pytest.fixture(params=["github", "gitlab"])
def text(request: pytest.FixtureRequest) -> str:
    return (CI / f"{request.param}.yaml").read_text()


def github() -> dict[Any, Any]:
    return yaml.safe_load((CI / "github.yaml").read_text())


def test_every_command_exists(text: str) -> None:
    called = set(re.findall(r"sh fixtures/run ([a-z-]+)", text))
    assert called == {"clean", "conformance", "history"}
    assert called <= bootstrap.commands().keys()


def test_every_option_is_one(text: str) -> None:
    assigned = set(re.findall(r"\b([A-Z_]+)[=:]", re.sub(r"#.*", "", text)))
    own = {name for name in assigned if name.startswith(("STAGING_", "KUBECONFIG_", "XDG_"))}
    assert assigned - own <= settings.Settings.model_fields.keys() | {"EXPIRED"}
    assert "EXPIRED" in clean.Options.model_fields


def test_every_chart_is_known(text: str) -> None:
    for versions in re.findall(r"(?:chart|CHART_VERSION): \[(.*)\]", text):
        for version in versions.split(", "):
            assert newest_until(version, load().charts) == version


def test_every_file_is_there(text: str) -> None:
    for path in re.findall(r"\b(?:docs/[\w-]+\.md|constraints\.txt|images/versions\.yaml|fixtures/run)\b", text):
        assert (ROOT / path).exists(), path


def test_the_workflow_may_only_read() -> None:
    assert github()["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in github()["jobs"].values())


def test_nothing_of_others_is_put_into_a_script() -> None:
    """An expression inside `run` would be pasted into the shell's text."""
    for job in github()["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def test_actions_are_pinned_to_a_major_version() -> None:
    used = re.findall(r"uses: (\S+)", (CI / "github.yaml").read_text())
    assert used
    assert all(re.fullmatch(r"actions/[a-z/-]+@v\d+", action) for action in used)


def test_the_login_of_staging_reaches_no_other_job(text: str) -> None:
    """GitLab gives every job all variables of the project, under the names that they have there."""
    told = re.sub(r"^ *#.*", "", text, flags=re.MULTILINE)
    for name in ("USERNAME", "PASSWORD"):
        assert len(re.findall(rf"AIRFLOW_{name}\b", told)) == 1
        assert re.search(rf"AIRFLOW_{name}\W.*\bSTAGING_{name}\b", told)


def test_every_job_ends_by_itself() -> None:
    assert all(job["timeout-minutes"] <= 120 for job in github()["jobs"].values())


def test_a_run_against_staging_cleans_up_before_its_job_is_killed(text: str) -> None:
    [(kill_after, minutes)] = re.findall(
        r"timeout --preserve-status --signal=TERM --kill-after=(\d+) (\d+)m sh fixtures/run conformance", text
    )
    [limit] = re.findall(r"(?:timeout-minutes: |timeout: )(75)m?\b", text)
    assert int(kill_after) >= child.GRACE
    assert int(minutes) + int(kill_after) / 60 <= int(limit) - 10, "the rest of the job needs some time too"
    assert text.index("EXPIRED=1 sh fixtures/run clean") < text.index("timeout --preserve-status")


def test_what_a_run_against_staging_left_is_kept_whatever_became_of_it() -> None:
    after = False
    for step in github()["jobs"]["staging"]["steps"]:
        if after:
            assert "always()" in step["if"]
        after = after or step.get("name") == "Judge staging"
    gitlab = yaml.safe_load((CI / "gitlab.yaml").read_text())
    assert gitlab[".run"]["artifacts"]["when"] == "always"
