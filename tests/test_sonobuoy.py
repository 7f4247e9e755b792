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

from fixtures import child, sonobuoy
from fixtures.errors import HarnessError
from fixtures.paths import MANIFESTS, ROOT
from tests.stand_in import STAND_IN
from tests.stub_api import eventually

PLUGIN = MANIFESTS / "sonobuoy" / "plugin.yaml"


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


@pytest.mark.parametrize("error", [HarnessError("it is too large"), OSError("no space left"), PermissionError("no")])
def test_a_run_that_cannot_be_packed_is_an_error_and_no_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def archive(directory: Path) -> bytes:
        raise error

    ended = child.Ended(0, 1.0, "20260101-120000-abcd", tmp_path / "runs" / "report.json", "")
    monkeypatch.setattr(sonobuoy.child, "run", lambda *_, **__: ended)
    monkeypatch.setattr(sonobuoy.publish, "archive", archive)
    monkeypatch.setenv("SONOBUOY_RESULTS_DIR", str(tmp_path))
    assert sonobuoy.main() == 0
    [told] = handed_over(tmp_path).iter("error")
    assert str(error) in told.attrib["message"]


def test_a_plugin_that_breaks_is_handed_over_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> child.Ended:
        raise ZeroDivisionError

    monkeypatch.setattr(sonobuoy.child, "run", run)
    monkeypatch.setenv("SONOBUOY_RESULTS_DIR", str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        sonobuoy.main()
    [told] = handed_over(tmp_path).iter("error")
    assert "the plugin broke" in told.attrib["message"]


def test_without_room_for_the_run_an_error_is_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if len(content) > 1000:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    sonobuoy.hand_over(b"x" * 1001, tmp_path)
    [told] = handed_over(tmp_path).iter("error")
    assert "No space left on device" in told.attrib["message"]


def test_done_is_written_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        sonobuoy.hand_over(b"", tmp_path)
    assert (tmp_path / "done").read_text() == str(tmp_path / sonobuoy.ARCHIVE)


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
