"""The contract of Sonobuoy's plugins, with a stand-in for the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from fixtures.paths import ROOT
from tests.stub_api import eventually
from tests.test_fleet import STAND_IN

PLUGIN = ROOT / "manifests" / "sonobuoy" / "plugin.yaml"


def start(place: Path, becomes: str) -> subprocess.Popen[str]:
    """The plugin's command, with a run that becomes this."""
    code = f"""
import sys
from fixtures import child, sonobuoy
child.COMMAND = (sys.executable, "-c", {STAND_IN!r})
sys.exit(sonobuoy.main())
"""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**environment, "SONOBUOY_RESULTS_DIR": str(place), "CONTEXT": becomes, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def handed_over(place: Path) -> ElementTree.Element:
    """What Sonobuoy's own container would make of the directory."""
    path = Path((place / "done").read_text())
    assert path.parent == place
    assert str(path).partition(".")[2] == "tar.gz"
    with tarfile.open(path) as archive:
        [name] = [name for name in archive.getnames() if Path(name).name in result_files()]
        content = archive.extractfile(name)
        assert content is not None
        return ElementTree.fromstring(content.read())


def result_files() -> list[str]:
    return yaml.safe_load(PLUGIN.read_text())["sonobuoy-config"]["result-files"]


@pytest.mark.parametrize(("becomes", "failures"), [("conformant", "0"), ("non-conformant", "1")])
def test_the_run_is_handed_over(tmp_path: Path, becomes: str, failures: str) -> None:
    command = start(tmp_path, becomes)
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 0, output
    found = handed_over(tmp_path)
    assert (found.get("tests"), found.get("failures")) == ("1", failures)


@pytest.mark.parametrize(
    ("becomes", "why"), [("usage", "no such context"), ("broken", "Traceback"), ("killed", "judging")]
)
def test_a_run_that_breaks_is_an_error_and_no_silence(tmp_path: Path, becomes: str, why: str) -> None:
    command = start(tmp_path, becomes)
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 0, output
    found = handed_over(tmp_path)
    assert found.get("errors") == "1"
    [error] = found.iter("error")
    assert why in error.attrib["message"]


def test_an_interrupted_run_is_handed_over(tmp_path: Path) -> None:
    command = start(tmp_path, "slow")
    eventually(lambda: (tmp_path / "runs" / "begun").exists() or command.poll() is not None)
    command.send_signal(signal.SIGTERM)
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 0, output
    assert handed_over(tmp_path).get("tests") == "1"


def test_the_plugin_calls_the_command_and_shares_the_directory() -> None:
    plugin = yaml.safe_load(PLUGIN.read_text())
    assert plugin["sonobuoy-config"]["driver"] == "Job"
    assert plugin["sonobuoy-config"]["result-format"] == "junit"
    assert plugin["spec"]["command"][-2:] == ["-m", "fixtures.sonobuoy"]
    assert {"name": "results", "mountPath": "/tmp/sonobuoy/results"} in plugin["spec"]["volumeMounts"]
