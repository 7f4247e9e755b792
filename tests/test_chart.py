from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fixtures import chart as charts
from fixtures.chart import Chart
from fixtures.errors import HarnessError, UsageError
from tests.charting import FILES, Quiet, archive, unpacked


@pytest.fixture
def known_digest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the suite know one chart only: the archive in `published/`."""
    directory = tmp_path / "published"
    directory.mkdir()
    path = archive(directory)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = charts.Known("https://charts.example.com", "airflow", {"9.9.9": digest})
    monkeypatch.setattr(charts, "known", lambda: known)
    return path


def locate(
    tmp_path: Path,
    *,
    version: str = "9.9.9",
    chart: Path | str | None = None,
    charts_dir: Path | None = None,
    pull: charts.Pull | None = None,
) -> Chart:
    return charts.locate(
        version,
        chart=str(chart) if chart else None,
        charts_dir=charts_dir,
        cache=tmp_path / "cache",
        progress=Quiet(),
        pull=pull,
        neighbour=tmp_path / "no-neighbour",
    )


def test_the_committed_list_of_charts_is_whole() -> None:
    known = charts.known()
    assert {"1.11.0", "1.15.0", "1.18.0", "1.20.0"} <= set(known.sha256)
    assert all(len(digest) == 64 and int(digest, 16) for digest in known.sha256.values())


def test_a_published_archive_is_verified(known_digest: Path, tmp_path: Path) -> None:
    for found in (locate(tmp_path, charts_dir=known_digest.parent), locate(tmp_path, chart=known_digest)):
        assert (found.name, found.version, found.warnings) == ("airflow", "9.9.9", ())
        assert found.digest == hashlib.sha256(known_digest.read_bytes()).hexdigest()
    assert "verified" in locate(tmp_path, charts_dir=known_digest.parent).source


def test_a_changed_archive_is_refused_where_the_published_one_is_promised(known_digest: Path, tmp_path: Path) -> None:
    archive(known_digest.parent, files={**FILES, "values.yaml": "executor: LocalExecutor\n"})
    with pytest.raises(UsageError, match=r"is not the published chart airflow 9\.9\.9") as caught:
        locate(tmp_path, charts_dir=known_digest.parent)
    assert "CHART=path" in caught.value.remedy


def test_ones_own_chart_is_taken_with_a_warning(known_digest: Path, tmp_path: Path) -> None:
    fork = archive(tmp_path, "fork.tgz", files={**FILES, "values.yaml": "{}\n"})
    found = locate(tmp_path, chart=fork)
    assert "not verified" in found.source
    assert found.warnings and "fork.tgz" in found.warnings[0] and found.digest in found.warnings[0]


def test_a_directory_is_taken_and_said_to_be_unverified(tmp_path: Path) -> None:
    directory = unpacked(tmp_path / "chart")
    first = locate(tmp_path, chart=directory)
    assert (first.version, "not verified: a directory" in first.source) == ("9.9.9", True)
    assert locate(tmp_path, chart=directory).digest == first.digest
    (directory / "values.yaml").rename(directory / "values2.yaml")
    assert locate(tmp_path, chart=directory).digest != first.digest, "the names of files count too"


def test_a_version_that_is_not_known_names_those_that_are(known_digest: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"1\.14\.0 is not known .* known are 9\.9\.9") as caught:
        locate(tmp_path, version="1.14.0", charts_dir=known_digest.parent)
    assert "CHART_VERSION" in caught.value.remedy


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "nowhere.tgz", r"CHART=.*nowhere\.tgz: there is no such file"),
        (lambda path: path, r"is not a chart: it has no Chart\.yaml"),
        (
            lambda path: archive(path, "other.tgz", {"Chart.yaml": "name: redis\nversion: 1.0.0\n"}),
            "is the chart `redis`",
        ),
        (lambda path: archive(path, "empty.tgz", {"README": "hello"}), r"holds no Chart\.yaml"),
        (lambda path: archive(path, "broken.tgz", {"Chart.yaml": "a: [1"}), r"Chart\.yaml of .* is broken"),
        (lambda path: archive(path, "evil.tgz", {**FILES, "../../etc/passwd": "x"}), "leaves its directory"),
    ],
)
def test_what_is_no_airflow_chart_is_refused(tmp_path: Path, make: object, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        locate(tmp_path, chart=make(tmp_path))  # type: ignore[operator]
    assert caught.value.remedy


@pytest.mark.parametrize("cut", [0, 10, 100, -20])
def test_a_truncated_archive_is_told_apart_from_a_changed_one(known_digest: Path, tmp_path: Path, cut: int) -> None:
    known_digest.write_bytes(known_digest.read_bytes()[:cut])
    with pytest.raises(UsageError, match="not a whole chart archive"):
        locate(tmp_path, charts_dir=known_digest.parent)
    with pytest.raises(UsageError, match="not a whole chart archive"):
        locate(tmp_path, chart=known_digest)


def test_a_directory_without_the_version_lists_what_it_holds(known_digest: Path, tmp_path: Path) -> None:
    known_digest.rename(known_digest.parent / "airflow-1.0.0.tgz")
    with pytest.raises(UsageError, match=r"holds no airflow-9\.9\.9\.tgz; it holds airflow-1\.0\.0\.tgz"):
        locate(tmp_path, charts_dir=known_digest.parent)
    with pytest.raises(UsageError, match=r"CHARTS_DIR=.*there is no such directory"):
        locate(tmp_path, charts_dir=tmp_path / "missing")


def test_a_download_happens_once_and_is_verified(known_digest: Path, tmp_path: Path) -> None:
    asked = []

    def pull(repository: str, name: str, version: str, directory: Path) -> Path:
        asked.append((repository, name, version))
        return Path(archive(directory)).rename(directory / "airflow-9.9.9.tgz")

    archive_bytes = known_digest.read_bytes()

    def published(repository: str, name: str, version: str, directory: Path) -> Path:
        pull(repository, name, version, directory).write_bytes(archive_bytes)
        return directory / "airflow-9.9.9.tgz"

    for _ in range(2):
        found = locate(tmp_path, pull=published)
        assert found.source == "https://charts.example.com, verified"
    assert asked == [("https://charts.example.com", "airflow", "9.9.9")]
    assert locate(tmp_path).digest == found.digest, "once downloaded, nothing is needed any more"


def test_a_wrong_download_is_not_kept(known_digest: Path, tmp_path: Path) -> None:
    def wrong(repository: str, name: str, version: str, directory: Path) -> Path:
        return archive(directory, files={**FILES, "values.yaml": "evil: true\n"})

    for _ in range(2):
        with pytest.raises(UsageError, match="is not the published chart"):
            locate(tmp_path, pull=wrong)


def test_an_unreachable_repository_says_what_to_do_instead(known_digest: Path, tmp_path: Path) -> None:
    def offline(repository: str, name: str, version: str, directory: Path) -> Path:
        raise HarnessError("no route to host")

    with pytest.raises(HarnessError, match=r"could not be had from https://charts\.example\.com: no route") as caught:
        locate(tmp_path, pull=offline)
    assert "CHARTS_DIR" in caught.value.remedy
    with pytest.raises(UsageError, match="CHART and CHARTS_DIR are not set"):
        locate(tmp_path)


@pytest.mark.parametrize(
    ("version", "found"),
    [("1.15.0", "1.15.0"), ("1.20.1", "1.15.0"), ("1.9.0", "1.9.0"), ("1.14.9", "1.9.0"), ("1.2.0", "1.9.0")],
)
def test_a_version_is_served_by_the_newest_that_is_not_newer(version: str, found: str) -> None:
    assert charts.newest_until(version, ["1.15.0", "1.9.0"]) == found


def test_files_of_a_chart_can_be_read_from_both_forms(tmp_path: Path) -> None:
    for path in (archive(tmp_path), unpacked(tmp_path / "chart")):
        found = locate(tmp_path, chart=path)
        assert charts.read(found, "values.yaml") == FILES["values.yaml"].encode()
        assert charts.read(found, "missing.yaml") is None
        assert charts.subcharts(found) == {"postgresql"}
