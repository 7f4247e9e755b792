"""The image of the suite: what is in it, and what becomes of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import settings, version
from fixtures.errors import HarnessError, UsageError
from fixtures.paths import ROOT
from images import build, docker, suite, toolchain
from images.cache import Cache
from images.suite import Options
from tests.caching import Said


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+==\S+)", lock.read_text(), re.MULTILINE))


def test_its_packages_are_a_part_of_those_that_are_tested() -> None:
    inside, outside = pins(suite.LOCK), pins(ROOT / "constraints.txt")
    assert inside < outside
    assert not {pin.partition("==")[0] for pin in inside} & {"mypy", "ruff", "playwright", "hypothesis", "uv"}


# Refuses every package that the image does not have, and then does what a run in a pod does first.
IMPORTS = """
import importlib.metadata, re, sys
from pathlib import Path
inside = set(re.findall(r"^([a-z0-9-]+)==", Path(sys.argv[1]).read_text(), re.MULTILINE))
missing = {
    module for module, owners in importlib.metadata.packages_distributions().items()
    if not any(re.sub("[-_.]+", "-", owner).lower() in inside for owner in owners)
}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ImportError(f"{name} is not in the image")
sys.meta_path.insert(0, Refuse())
import fixtures.sonobuoy, fixtures.fleet, fixtures.clean, pytest
sys.exit(pytest.main(["conformance", "--collect-only", "-q", "-p", "no:hypothesispytest"]))
"""


def test_a_run_needs_no_other_package() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, str(suite.LOCK)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AF" in done.stdout or "test_" in done.stdout


def test_the_checkout_in_it_is_whole_and_clean(tmp_path: Path) -> None:
    suite.copy_checkout(tmp_path)
    found = tmp_path / "checkout"
    assert not [path for path in found.rglob("*") if path.suffix == ".pyc"]
    for path in ("fixtures/main.py", "manifests/requirements.yaml", "images/versions.yaml", "pyproject.toml"):
        assert (found / path).read_bytes() == (ROOT / path).read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", "import fixtures.main, fixtures.plugin; print(fixtures.main.__file__)"],
        cwd=found,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(found / "fixtures" / "main.py")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker on PATH that writes down what it is called with and what is in the context; returns that file."""
    calls, directory = tmp_path / "calls", tmp_path / "bin"
    directory.mkdir()
    (directory / "docker").write_text(
        f"""#!/bin/sh
echo "$*" >> {calls}
case "$*" in
*inspect*airflow-conformance-build/suite:*) exit 1;;
*inspect*Size*) echo 250000000;;
build*) for last; do :; done; ls "$last" >> {calls};;
"push refused"*) echo denied: requested access >&2; exit 1;;
*inspect*|version*) echo 1;;
esac
"""
    )
    (directory / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(docker, "lacks_capability", lambda: False)
    return calls


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the place of what would be compiled and downloaded."""
    for name in ("kubectl", "helm"):
        (tmp_path / "programs" / name).mkdir(parents=True)
        (tmp_path / "programs" / name / name).touch()
    (tmp_path / "packages" / "site").mkdir(parents=True)
    monkeypatch.setattr(toolchain, "make", lambda name, cache: tmp_path / "programs" / name / name)
    monkeypatch.setattr(build, "packages", lambda *_: tmp_path / "packages")


def make(cache: Cache, **options: str) -> list[str]:
    suite.make(settings.read(Options, options), cache)
    assert isinstance(cache.reporter, Said)
    return cache.reporter.lines


@pytest.mark.usefixtures("parts")
def test_the_context_holds_what_the_recipe_copies(cache: Cache, engine: Path) -> None:
    told = make(cache, TAG="registry.example/conformance:1")
    calls = engine.read_text()
    copied = re.findall(r"^COPY (.*) \S+$", (suite.RECIPE / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for names in copied for name in names.split()} <= set(calls.splitlines())
    assert "--build-arg=BASE=debian:bookworm-slim" in calls
    assert f"--build-arg=REVISION={version.revision()}" in calls
    assert re.search(r"^tag airflow-conformance-build/suite:\w+ registry\.example/conformance:1$", calls, re.MULTILINE)
    assert "image registry.example/conformance:1, 250 MB" in told
    assert "docker push registry.example/conformance:1" in told[-1]


@pytest.mark.usefixtures("parts")
def test_it_is_pushed_and_saved_on_demand(cache: Cache, engine: Path, tmp_path: Path) -> None:
    told = make(cache, TAG="registry.example/c:1", PUSH="1", ARCHIVE=str(tmp_path / "c.tar"))
    calls = engine.read_text().splitlines()
    assert "push registry.example/c:1" in calls
    assert f"save --output {tmp_path}/c.tar registry.example/c:1" in calls
    assert told[-1] == "pushed registry.example/c:1"


@pytest.mark.usefixtures("parts", "engine")
def test_a_registry_that_refuses_is_told(cache: Cache) -> None:
    with pytest.raises(HarnessError, match="refused/c:1 cannot be pushed: denied: requested access"):
        make(cache, TAG="refused/c:1", PUSH="1")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"TAG": "Has Spaces"}, "TAG=Has Spaces"),
        ({"ARCHIVE": "/no/such/place/image.tar"}, "no directory /no/such/place"),
        ({"PUSH": "maybe"}, "PUSH=maybe"),
        ({"MAKEFLAGS": "-- TAGS=a"}, "did you mean TAG"),
    ],
)
def test_bad_options_are_told(options: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        settings.read(Options, options)
    assert told in str(refused.value)


def test_the_revision_is_told_where_there_is_no_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(version.VARIABLE, "abc1234")
    assert version.revision() == "abc1234"
    assert f"ENV {version.VARIABLE}=${{REVISION}}" in (suite.RECIPE / "Dockerfile").read_text()
