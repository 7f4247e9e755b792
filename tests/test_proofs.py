"""What is kept of what was found out, and for how long."""

from pathlib import Path

import pytest

from fixtures import detection, faults, proofs
from fixtures.progress import Progress
from fixtures.settings import Executor
from tests.cases import case, result


def test_results_are_kept_by_the_content_of_the_file(tmp_path: Path) -> None:
    store, subject = proofs.Store(tmp_path), case()
    assert store.get(subject, Executor.CELERY) is None
    store.put(subject, result(subject))
    assert store.get(subject, Executor.CELERY) == result(subject)
    assert store.get(subject, Executor.KUBERNETES) is None
    assert store.get(case(digest="another"), Executor.CELERY) is None
    store.forget(subject, Executor.CELERY)
    assert store.get(subject, Executor.CELERY) is None


def test_a_result_of_another_version_of_the_suite_counts_no_more(tmp_path: Path) -> None:
    (tmp_path / "GS-03-celery.json").write_text('{"id": "GS-03"}')
    assert proofs.Store(tmp_path).get(case(), Executor.CELERY) is None


def test_results_of_earlier_runs_stay_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, progress = tmp_path / "detection.json", Progress(stream=(tmp_path / "out").open("w"))
    monkeypatch.setattr(detection.load, "__defaults__", (saved,))
    monkeypatch.setattr(detection.save, "__defaults__", (saved,))
    entries = {"AF-X-001": faults.Requirement("AF-X-001", "area", "MUST", (Executor.CELERY,))}
    first, second = (case(id, executors=(Executor.CELERY,)) for id in ("GS-03", "GS-04"))

    def names() -> list[str]:
        found = detection.load()
        return [r.id for r in found.results] if found else []

    for subject, directory in ((first, "one"), (second, "two")):
        store = proofs.Store(tmp_path / directory)
        store.directory.mkdir()
        store.put(subject, result(subject))
        proofs.save(progress, store, [first, second], entries)
    assert names() == ["GS-03", "GS-04"]
    changed = case("GS-03", executors=(Executor.CELERY,), digest="another")
    proofs.save(progress, proofs.Store(tmp_path / "none"), [changed, second], entries)
    assert names() == ["GS-04"]
