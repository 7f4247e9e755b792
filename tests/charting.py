"""Charts for tests: small ones made on the spot, and the published one where this machine has it."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from fixtures import chart as charts
from fixtures.chart import Chart
from fixtures.errors import UsageError
from fixtures.paths import cache_dir

SCHEMA = """
{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
 "properties": {
   "executor": {"type": "string", "enum": ["CeleryExecutor", "KubernetesExecutor"]},
   "workers": {"type": "object", "additionalProperties": false, "properties": {
     "replicas": {"type": "integer"}, "extraVolumes": {"type": "array"},
     "resources": {"type": "object", "properties": {"limits": {"type": "object",
        "additionalProperties": {"type": "string"}}}}}},
   "podTemplate": {"anyOf": [{"type": "string"}, {"type": "null"}]},
   "env": {"type": "array", "items": {"type": "object", "required": ["name", "value"],
     "additionalProperties": false, "properties": {"name": {"type": "string"}, "value": {"type": "string"}}}}}}
"""
FILES = {
    "Chart.yaml": "name: airflow\nversion: 9.9.9\ndependencies: [{name: postgresql, version: 1.0.0}]\n",
    "values.yaml": "executor: CeleryExecutor\nworkers: {replicas: 1, extraVolumes: []}\nscheduler: {extraVolumes: []}\n"
    "volumes: []\nenv: []\nnested: {a: 1, b: 2}\n",
    "values.schema.json": SCHEMA,
}


def archive(directory: Path, name: str = "airflow-9.9.9.tgz", files: Mapping[str, str] = FILES) -> Path:
    """Write a chart archive; names are below the directory `airflow/` unless they begin with a dot or a slash."""
    path = directory / name
    with tarfile.open(path, "w:gz") as tar:
        for file, text in files.items():
            member = tarfile.TarInfo(file if file.startswith((".", "/")) else f"airflow/{file}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def unpacked(directory: Path, files: Mapping[str, str] = FILES) -> Path:
    """Write a chart as a directory."""
    for file, text in files.items():
        path = directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


class Quiet:
    """Progress that nobody watches."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def small_chart(tmp_path: Path) -> Chart:
    """A chart of a few lines."""
    return charts.locate("9.9.9", chart=str(archive(tmp_path)), charts_dir=None, cache=tmp_path, progress=Quiet())


def published(version: str) -> Chart:
    """A published chart, from CHARTS_DIR, the directory beside the checkout, or what an earlier run downloaded."""
    named = os.environ.get("CHARTS_DIR")
    try:
        return charts.locate(
            version, chart=None, charts_dir=Path(named) if named else None, cache=cache_dir(), progress=Quiet()
        )
    except UsageError as error:
        pytest.skip(f"needs the published chart: {error.cause}")


@pytest.fixture(scope="session")
def published_chart() -> Chart:
    """The chart that the suite installs where nobody asks for another one."""
    return published("1.15.0")


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    """Helm from the variable HELM, from PATH, or from what `make conformance` built or downloaded."""
    built = sorted(cache_dir().glob("artifacts/*helm*/*/**/helm"), key=lambda path: path.stat().st_mtime)
    for candidate in (os.environ.get("HELM"), shutil.which("helm"), *reversed(built)):
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate)
    pytest.skip("needs helm: run `make conformance` once, or set HELM to its path")
