"""What `make bench` makes of reports."""

from fixtures import bench
from fixtures.outcome import Verdict
from fixtures.report import Phase, Report


def report(cluster: float, install: float, checks: float) -> Report:
    """A report, of which the times matter here."""
    seconds = {"images": 1.0, "cluster": cluster, "install": install, "checks": checks}
    return Report(
        run="r",
        verdict=Verdict.CONFORMANT,
        exit_code=0,
        reason="all promises hold",
        started="2026-01-01T00:00:00Z",
        seconds=sum(seconds.values()) + 5,
        phases=[Phase(name=name, seconds=value) for name, value in seconds.items()],
        environment={"cores": "2", "memory": "24 GiB"},
    )


def test_spread() -> None:
    assert bench.spread([3, 1, 2]) == (1, 2, 3)
    assert bench.spread([1, 2]) == (1, 1.5, 2)


def test_creation_to_verdict_is_its_three_phases_of_the_same_run() -> None:
    rows = dict(bench.rows([report(10, 30, 20), report(20, 20, 30)]))
    assert rows["cluster"] == (10, 15, 20)
    assert rows["cluster creation to verdict"] == (60, 65, 70)
    assert rows["whole run"] == (66, 71, 76)


def test_a_phase_that_only_some_runs_had_counts_where_it_was() -> None:
    interrupted = report(10, 30, 20)
    interrupted.phases.pop()
    rows = dict(bench.rows([report(10, 30, 20), interrupted]))
    assert rows["checks"] == (20, 20, 20)


def test_the_title_names_the_machine_and_the_verdicts() -> None:
    assert bench.title([report(1, 1, 1)] * 2) == "2 runs on 2 cores, 24 GiB: conformant, conformant"
