"""Evidence: what must not be in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import yaml

from fixtures import evidence
from fixtures.redaction import MARK, Redactor


def test_values_are_shown_without_the_data_of_extra_secrets() -> None:
    values = {"extraSecrets": {"own": {"type": "Opaque", "stringData": {"pin": "123", "word": "hunter2"}}}, "a": 1}
    subject: Any = SimpleNamespace(values=values)
    shown = yaml.safe_load(evidence.values_text(subject, Redactor()))
    assert shown["a"] == 1
    assert shown["extraSecrets"]["own"]["type"] == "Opaque"
    assert yaml.safe_load(shown["extraSecrets"]["own"]["stringData"]) == {"pin": MARK, "word": MARK}
