"""A cache of the test's own, and a reporter that remembers what it was told."""

from pathlib import Path

import pytest

from images.cache import Cache


class Said:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, text: str) -> None:
        self.lines.append(text)

    waiting = step


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache."""
    return Cache(tmp_path / "cache", Said())
