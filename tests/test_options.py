"""What `make help` says about the options."""

from __future__ import annotations

from fixtures import options


def test_each_option_is_listed_once_and_described() -> None:
    words = [line.split(maxsplit=1) for line in options.lines()]
    names = [name for name, _ in words]
    assert len(names) == len(set(names))
    assert set(names) == {name for model in options.MODELS for name in model.model_fields}
    assert all(len(word) == 2 for word in words)


def test_a_default_is_told() -> None:
    assert any(line.startswith("  CHART_VERSION ") and line.endswith(" [1.15.0]") for line in options.lines())
