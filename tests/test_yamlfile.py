"""YAML that people write: every complaint names the line, whatever it is about."""

from __future__ import annotations

import pytest

from fixtures import yamlfile
from fixtures.errors import UsageError


def test_an_alias_is_what_it_stands_for() -> None:
    found = yamlfile.parse("a: &a {b: 1}\nc: [*a, *a]\n", "f.yaml")
    assert found.content == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}
    assert found.lines[("a", "b")] == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 0x_\n", "f.yaml:2:4: `0x_` is no int"),
        ("a: !!bool perhaps", "f.yaml:1:4: `perhaps` is no bool"),
        ("a: !!int ''", "f.yaml:1:4: `` is no int"),
        ("a: !!timestamp soon", "f.yaml:1:4: `soon` is no timestamp"),
        ("a: &a [*a]", "f.yaml:1:4: what an alias stands for holds the alias"),
        ("a: &a {b: {c: *a}}", "f.yaml:1:4: what an alias stands for holds the alias"),
        ("a: " + "[" * 5000, "f.yaml: it is nested too deep"),
        ("a: \0", "f.yaml: unacceptable character"),
        ("- 1", "f.yaml:1:1: the top level is a list"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        yamlfile.parse(text, "f.yaml")
    assert told in refused.value.cause


def test_aliases_that_multiply_are_refused_at_once() -> None:
    doubled = "".join(f"k{n}: &k{n} [*k{n - 1}, *k{n - 1}]\n" for n in range(1, 60))
    with pytest.raises(UsageError, match="more than 200000 values"):
        yamlfile.parse("k0: &k0 1\n" + doubled, "f.yaml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "null"])
def test_a_file_that_says_nothing_is_an_empty_mapping(text: str) -> None:
    assert yamlfile.parse(text, "f.yaml") == yamlfile.Document({}, {})
    assert yamlfile.value(text) is None
