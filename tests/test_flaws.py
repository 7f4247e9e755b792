"""What pydantic found, in words."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError, field_validator, model_validator

from fixtures import flaws


class Side(BaseModel):
    chart: str

    @field_validator("chart")
    @classmethod
    def _known(cls, chart: str) -> str:
        if chart != "1.15.0":
            raise ValueError("this chart is not known")
        return chart


class File(BaseModel):
    sides: list[Side]

    @model_validator(mode="after")
    def _not_empty(self) -> File:
        if not self.sides:
            raise ValueError("it is empty")
        return self


def error_of(content: object) -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        File.model_validate(content)
    return raised.value


def test_every_flaw_has_its_place() -> None:
    error = error_of({"sides": [{"chart": "1"}, {}]})
    assert flaws.of(error) == [
        (("sides", 0, "chart"), "this chart is not known"),
        (("sides", 1, "chart"), "Field required"),
    ]
    assert flaws.told(error) == ["sides.0.chart: this chart is not known", "sides.1.chart: Field required"]
    assert flaws.first(error) == "sides.0.chart: this chart is not known"


def test_a_flaw_of_the_whole() -> None:
    error = error_of({"sides": []})
    assert flaws.of(error) == [((), "it is empty")]
    assert flaws.first(error) == "it is empty"
    assert flaws.first(error, "top level") == "top level: it is empty"
