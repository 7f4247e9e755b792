"""`make reproduce`: what it asks the suite for, what it refuses, and what it packs; no cluster is brought up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures import bundle, replay, reproduce, runs, settings
from fixtures.errors import UsageError
from fixtures.plugin import preface_of
from fixtures.preface import Preface
from fixtures.reproduce import Options
from fixtures.run import Run
from fixtures.settings import Executor, Settings
from tests.charting import published
from tests.test_bundle import CANARIES, finished


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """An environment of its own, with results in a directory of the test's."""
    names = set(Options.model_fields) | {"MAKEFLAGS", "MAKEOVERRIDES"}
    copy = {name: value for name, value in os.environ.items() if name not in names}
    copy["RESULTS"] = str(tmp_path / "results")
    monkeypatch.setattr(os, "environ", copy)
    return copy


class Suite:
    """Stands in for the run of the checks: notes what it was asked for, and leaves a run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, results: Path, *, leaves: bool = True) -> None:
        self.options = Settings()
        self.notes: Sequence[str] = ()
        self.left: list[Path] = []
        self._results = results
        self._leaves = leaves
        monkeypatch.setattr(reproduce.main, "main", self.run)

    def run(self, arguments: list[str], preface: Preface) -> int:
        self.options, self.notes = settings.load(os.environ), preface.notes
        if self._leaves:
            self._results.mkdir(exist_ok=True)
            self.left.append(finished(self._results, name=preface.run))
        return 10


def test_exactly_that_is_run_left_up_and_packed(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = Suite(monkeypatch, tmp_path / "results")
    values, dag = tmp_path / "customer.yaml", tmp_path / "their_dag.py"
    values.touch()
    dag.write_text("import airflow\n")
    environ |= {
        "ID": "AF-POD-002",
        "CHART": "1.15.0",
        "AIRFLOW": "2.9.3",
        "EXECUTOR": "celery",
        "VALUES": str(values),
        "DAG": str(dag),
        "MAKEFLAGS": f"w -- ID=AF-POD-002 BUNDLE= DAG={dag}",
    }
    assert reproduce.run() == 10
    found = suite.options
    assert (found.ID, found.CHART_VERSION, found.AIRFLOW) == (("AF-POD-002",), "1.15.0", "2.9.3")
    assert (found.executors, found.VALUES, found.DAG) == ((Executor.CELERY,), (values,), (dag,))
    assert found.KEEP
    assert "make reproduce BUNDLE=bundle.tar.gz" in capsys.readouterr().out
    assert (runs.find("latest", tmp_path / "results").parent / "bundle.tar.gz").is_file()


def test_the_cluster_goes_with_keep_0(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite = Suite(monkeypatch, tmp_path / "results")
    environ |= {"ID": "AF-POD-002", "KEEP": "0"}
    reproduce.run()
    assert not suite.options.KEEP


def test_a_run_that_leaves_nothing_is_not_packed(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Suite(monkeypatch, tmp_path / "results", leaves=False)
    environ["ID"] = "AF-POD-002"
    assert reproduce.run() == 10
    assert "bundle" not in capsys.readouterr().out


def test_a_run_has_the_id_that_it_was_given(tmp_path: Path) -> None:
    run = Run.prepare(settings.load({"RESULTS": str(tmp_path)}), "20261125-000000-abcd")
    run.progress.close()
    assert run.context.directory == tmp_path / "20261125-000000-abcd"


def test_the_run_of_somebody_else_is_not_packed(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    suite = Suite(monkeypatch, tmp_path / "results")

    def run(arguments: list[str], preface: Preface) -> int:
        suite.run(arguments, preface)
        finished(tmp_path / "results")  # is the latest now
        return 10

    monkeypatch.setattr(reproduce.main, "main", run)
    environ["ID"] = "AF-POD-002"
    assert reproduce.run() == 10
    assert [path.parent for path in (tmp_path / "results").glob("2*/bundle.tar.gz")] == suite.left


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "nothing says what to reproduce"),
        ({"BUNDLE": "no/such.tar.gz"}, "BUNDLE=no/such.tar.gz: there is no no/such.tar.gz"),
        ({"BUNDLE": "x" * 5000}, "it cannot be looked at: File name too long"),
        ({"BUNDLE": "~nobody-is-called-so/x"}, "it cannot be looked at: Could not determine home"),
        ({"BUNDLE": "docs"}, "BUNDLE=docs: it is no file"),
        ({"BUNDLE": "README.md"}, "is not a whole bundle"),
        ({"BUNDLE": "README.md", "BUG": "acme/flow#1"}, "BUG and BUNDLE both say"),
        ({"BUNDLE": "README.md", "CHART": "1.11.0"}, "error: CHART is decided by the bundle"),
        ({"BUNDLE": "README.md", "CHART_VERSION": "1.11.0"}, "error: CHART_VERSION is decided by the bundle"),
        ({"BUNDLE": "README.md", "AIRFLOW": "2.7.1"}, "AIRFLOW is decided by the bundle"),
        ({"BUG": "acme/flow#1"}, "no file is about that thread"),
        ({"BUG": "apache/airflow#35678", "ID": "AF-MET-001"}, "ID does not go with BUG"),
        ({"BUG": "apache/airflow#35678", "CHART": "1.11.0"}, "error: CHART does not go with BUG"),
        (
            {"BUG": "apache/airflow#35678", "PROVIDER": "existing", "CONTEXT": "staging"},
            "PROVIDER does not go with BUG",
        ),
        ({"BUG": "apache/airflow#35678", "EXECUTOR": "celery"}, "EXECUTOR does not go with BUG"),
        ({"BUG": "apache/airflow#35678", "VALUES": "pyproject.toml"}, "VALUES does not go with BUG"),
        ({"BUG": "apache/airflow#35678", "REFERENCE": "0"}, "REFERENCE does not go with BUG"),
        ({"BUG": "apache/airflow#35678", "AUDIT": "1"}, "AUDIT does not go with BUG"),
        ({"BUG": "apache/airflow#35678", "DISRUPTIVE": "1"}, "DISRUPTIVE does not go with BUG"),
        ({"BUG": "apache/airflow#35678", "PUSH_URL": "s3://bucket/"}, "PUSH_URL does not go with BUG"),
        ({"BUG": "x", "MENDED": "perhaps"}, "MENDED=perhaps"),
        ({"ID": "AF-POD-002", "EXECUTOR": "local"}, "EXECUTOR=local"),
        ({"ID": "AF-POD-002", "DAG": "no.py"}, "there is no no.py"),
        ({"MAKEFLAGS": "w -- BUNDEL=x"}, "did you mean BUNDLE?"),
    ],
)
def test_bad_options_are_refused(
    environ: dict[str, str], given: dict[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environ |= given
    assert reproduce.run() == 2
    assert told in capsys.readouterr().err


def test_options_about_the_machine_go_with_a_bug(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    known = {"KEEP": "0", "MENDED": "0", "IMAGES": "build", "CHARTS_DIR": ".", "NAMESPACE": "a", "BUDGET_SCALE": "2"}
    environ |= {"BUG": "?", "RELEASE": "flow", **known}
    assert reproduce.run() == 0
    assert "apache/airflow#35678" in capsys.readouterr().out
    assert {"BUG", "RESULTS", "RELEASE", *known} == set(reproduce.WITH_BUG)


def test_every_option_is_described() -> None:
    assert all(option.description for option in settings.options(Options))
    assert settings.options(bundle.Options)


# Replays


def packed(directory: Path, **options: str) -> Path:
    directory.mkdir()
    return bundle.pack(finished(directory, **options))


def test_a_bundle_of_staging_is_brought_up_here(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    published("1.15.0")
    suite = Suite(monkeypatch, tmp_path / "results")
    environ["BUNDLE"] = str(packed(tmp_path / "staging"))
    assert reproduce.run() == 10
    found = suite.options
    assert (found.PROVIDER, found.CHART_VERSION, found.AIRFLOW) == ("kind", "1.15.0", "2.9.0")
    assert (found.executors, found.NAMESPACE, found.RELEASE) == ((Executor.CELERY,), "data", "flow")
    assert found.ID == ("AF-MET-001",)
    assert not found.REFERENCE
    (values,) = found.VALUES
    given = yaml.safe_load(values.read_text())
    assert given["data"]["metadataConnection"]["host"] == "airflow-postgresql"
    assert not [secret for secret in CANARIES.values() if secret in values.read_text()]
    assert [dag.name for dag in found.DAG] == ["their_dag.py"]
    told = "\n".join(suite.notes)
    assert "run 20261125-000000-abcd" in told
    assert "something was redacted in their_dag.py" in told
    assert "namespace data is data-celery here" in told


def test_a_replay_begins_with_an_empty_directory(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    published("1.15.0")
    suite = Suite(monkeypatch, tmp_path / "results")
    left = tmp_path / "results" / "replay" / "20261125-000000-abcd" / "dags" / "of_another_bundle.py"
    left.parent.mkdir(parents=True)
    left.touch()
    environ["BUNDLE"] = str(packed(tmp_path / "staging"))
    reproduce.run()
    assert [dag.parent for dag in suite.options.DAG] == [left.parent]
    assert not left.exists()


def test_a_replay_writes_nowhere_else(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published("1.15.0")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = tmp_path / "results" / "replay" / "20261125-000000-abcd"
    place.parent.mkdir(parents=True)
    place.symlink_to(elsewhere)
    environ["BUNDLE"] = str(packed(tmp_path / "staging"))
    assert reproduce.run() == 2
    assert f"leads to {elsewhere}" in capsys.readouterr().err
    assert not list(elsewhere.iterdir())


def test_the_callers_values_and_ids_come_on_top(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    published("1.15.0")
    suite = Suite(monkeypatch, tmp_path / "results")
    own = tmp_path / "own.yaml"
    own.touch()
    environ |= {"BUNDLE": str(packed(tmp_path / "staging")), "VALUES": str(own), "ID": "AF-LOG-001"}
    reproduce.run()
    assert suite.options.VALUES[-1] == own
    assert suite.options.ID == ("AF-LOG-001",)


def test_a_chart_that_is_not_known_is_refused_before_anything_is_touched(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Suite(monkeypatch, tmp_path / "results")
    release = replay.release_of

    def forked(*arguments: Any) -> Any:
        return release(*arguments).model_copy(update={"chart": "1.15.0-team.2"})

    monkeypatch.setattr(replay, "release_of", forked)
    environ["BUNDLE"] = str(packed(tmp_path / "staging"))
    assert reproduce.run() == 2
    assert "chart version 1.15.0-team.2 is not known" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_notes_reach_the_run() -> None:
    manager = pytest.PytestPluginManager()
    assert preface_of(manager) == Preface()
    manager.register(Preface(("replayed",)))
    assert preface_of(manager).notes == ("replayed",)


def test_a_bundle_of_two_releases_needs_an_executor(environ: dict[str, str], tmp_path: Path) -> None:
    path = packed(tmp_path / "staging")
    with pytest.raises(UsageError, match="holds no release under kubernetes"):
        reproduce.from_bundle(settings.load_as(Options, {"EXECUTOR": "kubernetes"}), path)
