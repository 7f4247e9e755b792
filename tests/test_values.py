from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import values
from fixtures.chart import Chart
from fixtures.errors import UsageError

_scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3))
_trees = st.recursive(
    st.dictionaries(st.sampled_from("abc"), _scalars, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(_scalars, inner), max_size=3),
    max_leaves=8,
)


def write(tmp_path: Path, text: str, name: str = "mine.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_later_files_win_and_maps_merge(tmp_path: Path) -> None:
    first = write(tmp_path, "a: {x: 1, y: [1, 2]}\nb: 1\n", "1.yaml")
    second = write(tmp_path, "a: {y: [3], z: 4}\nb: {c: 1}\n", "2.yaml")
    assert values.load([first, second]) == {"a": {"x": 1, "y": [3], "z": 4}, "b": {"c": 1}}


def test_null_deletes_a_default_even_when_an_earlier_file_set_the_key(tmp_path: Path, small_chart: Chart) -> None:
    first = write(tmp_path, "nested: {a: 5}\n", "1.yaml")
    second = write(tmp_path, "nested: {a: null}\nvolumes: null\n", "2.yaml")
    effective = values.effective(small_chart, [first, second])
    assert effective["nested"] == {"b": 2}
    assert "volumes" not in effective
    assert effective["executor"] == "CeleryExecutor"


@given(base=_trees, overlay=_trees)
def test_merge_leaves_no_null_of_the_overlay_and_changes_neither_side(base: Any, overlay: Any) -> None:
    before = repr((base, overlay))
    merged = values.merge(base, overlay)
    assert repr((base, overlay)) == before
    for key, value in overlay.items():
        if value is None:
            assert key not in merged
        elif not isinstance(value, dict):
            assert merged[key] == value
    assert set(merged) == (set(base) | set(overlay)) - {key for key, value in overlay.items() if value is None}


@given(base=_trees)
def test_merging_nothing_changes_nothing(base: Any) -> None:
    assert values.merge(base, {}) == base


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1\nc: 2\n", r"mine\.yaml:3:2: .*expected ',' or '\]'"),
        ("a: 1\n\tb: 2\n", r"mine\.yaml:2:1: "),
        ("a: 1\nb: 2\na: 3\n", r"mine\.yaml:3:1: the key `a` is set twice: in line 1 and in line 3"),
        ("x:\n  y: 1\n  z: 2\n  y: 3\n", r"mine\.yaml:4:3: the key `y` is set twice: in line 2 and in line 4"),
        ("- a\n- b\n", r"mine\.yaml:1:1: the top level is a list"),
        ("hello\n", r"mine\.yaml:1:1: the top level is `hello`"),
        ("a: 1\n---\nb: 2\n", r"mine\.yaml:2:1: .*single document"),
        ("? [a]\n: 1\n", r"mine\.yaml:1:3: a key must be plain text"),
        ("a: !!python/object:os.system {}\n", r"mine\.yaml:1:4: could not determine a constructor"),
    ],
)
def test_a_broken_file_is_named_with_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        values.load([write(tmp_path, text)])
    assert caught.value.remedy


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no .*missing\.yaml"):
        values.load([tmp_path / "missing.yaml"])
    with pytest.raises(UsageError, match="cannot be read"):
        values.load([tmp_path])
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4\n")
    with pytest.raises(UsageError, match="cannot be read"):
        values.load([tmp_path / "latin.yaml"])


def test_yaml_is_read_as_helm_reads_it(tmp_path: Path) -> None:
    text = "date: 2024-01-01\nanchor: &a {x: 1}\nuse: {<<: *a, y: 2}\n8080: port\nempty:\n"
    assert values.load([write(tmp_path, text)]) == {
        "date": "2024-01-01",
        "anchor": {"x": 1},
        "use": {"x": 1, "y": 2},
        "8080": "port",
        "empty": None,
    }
    assert values.load([write(tmp_path, "# nothing\n")]) == {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "workers:\n  resources:\n    limits: {cpu: 500}\n",
            "workers.resources.limits.cpu: 500 is not of type string (F:3)",
        ),
        ("executor: {podTemplate: x}\n", 'executor: {"podTemplate": "x"} is not of type string (F:1)'),
        ("executor: Local\n", 'executor: "Local" is not CeleryExecutor or KubernetesExecutor (F:1)'),
        ("workers:\n  replica: 2\n", "workers.replica: unknown key, did you mean `replicas`? (F:2)"),
        ("env:\n- name: A\n  value: 1\n", "env[0].value: 1 is not of type string (F:3)"),
        ("env:\n- name: A\n", "env[0]: 'value' is a required property (F:2)"),
        ("podTemplate: [1]\n", "podTemplate: [1] is not of type string or null (F:1)"),
    ],
)
def test_what_helm_would_refuse_is_said_with_its_place(
    tmp_path: Path, small_chart: Chart, text: str, error: str
) -> None:
    file = write(tmp_path, text)
    findings = values.validate(values.load([file]), small_chart, [file])
    assert error.replace("F:", f"{file}:") in findings.errors
    with pytest.raises(UsageError, match=r"do not fit the chart airflow 9\.9\.9"):
        values.check(small_chart, [file])


def test_the_place_is_the_file_that_set_the_key_last(tmp_path: Path, small_chart: Chart) -> None:
    first = write(tmp_path, "workers: {replicas: x}\n", "1.yaml")
    second = write(tmp_path, "\nworkers: {replicas: y}\n", "2.yaml")
    findings = values.validate(values.load([first, second]), small_chart, [first, second])
    assert findings.errors == (f'workers.replicas: "y" is not of type integer ({second}:2)',)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("postgress: {enabled: false}\n", "which ignores it silently, did you mean `postgresql`? (F:1)"),
        ("extraVolumes: []\n", "which ignores it silently; it exists below scheduler, workers (F:1)"),
        ("zzz: 1\n", "which ignores it silently (F:1)"),
    ],
)
def test_keys_that_the_chart_ignores_are_warned_of(tmp_path: Path, small_chart: Chart, text: str, warning: str) -> None:
    file = write(tmp_path, text)
    (found,) = values.check(small_chart, [file])
    assert found.endswith(warning.replace("F:", f"{file}:"))


def test_known_keys_and_subcharts_are_not_warned_of(tmp_path: Path, small_chart: Chart) -> None:
    file = write(tmp_path, "postgresql: {enabled: false}\nglobal: {}\nvolumes: []\npodTemplate: x\nold: null\n")
    assert values.check(small_chart, [file]) == []


def test_the_readme_as_written_against_the_published_chart(tmp_path: Path, published_chart: Chart) -> None:
    """Two errors for `env[].valueFrom`, none for extraVolumes, of which the schema says nothing."""
    file = write(
        tmp_path,
        "env: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b}}}]\n"
        "extraVolumes: [{name: my-dag}]\n"
        "dags: {gitSync: {enabled: true, repo: x, branch: main, subPath: dags/, wait: 60}}\n",
    )
    findings = values.validate(values.load([file]), published_chart, [file])
    assert [error.split(":")[0] for error in findings.errors] == ["env[0]", "env[0].valueFrom"]
    assert len(findings.warnings) == 1 and "extraVolumes" in findings.warnings[0]
