"""Artifacts of the build, keyed by the content of their recipe and kept outside the checkout."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fixtures.errors import HarnessError
from fixtures.locks import Cancelled, locked, try_lock

KEY_LENGTH = 20
_KEPT = 2
_UNUSED_SECONDS = 86400.0
_UNUSED_SECONDS_IF_SHORT = 3600.0
_ROOM = 20 * 2**30
"""Bytes of free disk below which room counts as short: a node's storage and its images take 10 GiB while it is made."""


class Reporter(Protocol):
    """What the build tells the user; `fixtures.progress.Progress` is one."""

    def step(self, text: str) -> None:
        """Say one thing that happened or begins."""

    def waiting(self, text: str) -> None:
        """Say what is being waited for; the next call replaces it."""


@dataclass(frozen=True)
class Cache:
    """A directory of artifacts that concurrent runs share.

    An artifact is complete or absent: it is built beside its place, under a lock of its own, and renamed into it.

    Attributes:
        root: the suite's cache directory.
        reporter: told when a run waits for another one.
        cancelled: set when the run ends early.
    """

    root: Path
    reporter: Reporter
    cancelled: threading.Event = field(default_factory=threading.Event)

    def artifact(self, name: str, key: str, build: Callable[[Path], None]) -> Path:
        """Return a finished artifact, building it first when it is missing.

        Args:
            name: what it is; part of its path.
            key: from `key_of`, over everything that decides its content.
            build: fills the empty directory that it is given.

        Raises:
            whatever `build` raises; nothing is kept then.
        """
        place = self.path(name, key)
        if not place.exists():
            with self.lock(_lock_of(place), name):
                if not place.exists():
                    self._build(place, build)
        os.utime(place)  # the last use, for whoever tidies the cache
        return place

    def path(self, name: str, key: str) -> Path:
        """Where an artifact is, or would be."""
        return self.root / "artifacts" / name / key

    def lock(self, path: Path, what: str) -> AbstractContextManager[None]:
        """Hold a lock alone; the user is told when another run is in the way."""
        return locked(
            path,
            on_wait=lambda: self.reporter.step(f"{what}: another run is at it; waiting for its result"),
            cancelled=self.cancelled,
        )

    def sweep(self) -> None:
        """Remove what killed builds left, unless another run is building the same artifact at this moment."""
        for partial in self.root.glob("artifacts/*/*.partial-*"):
            lock = try_lock(_lock_of(partial.with_name(partial.name.partition(".")[0])))
            if lock is not None:
                remove(partial)
                lock.release()

    def prune(self, name: str) -> None:
        """Remove artifacts that made room for newer ones: neither among the last two in use, nor used for a day.

        Where room on the disk is short, an hour is enough.
        """
        short = shutil.disk_usage(self.root).free < _ROOM
        longest = _UNUSED_SECONDS_IF_SHORT if short else _UNUSED_SECONDS
        places = [place for place in (self.root / "artifacts" / name).glob("*") if place.suffix == ""]
        places.sort(key=lambda place: place.stat().st_mtime, reverse=True)
        for place in places[_KEPT:]:
            if time.time() - place.stat().st_mtime > longest:
                remove(place)

    def _build(self, place: Path, build: Callable[[Path], None]) -> None:
        partial = place.with_name(f"{place.name}.partial-{secrets.token_hex(4)}")
        partial.mkdir(parents=True)
        try:
            build(partial)
            if self.cancelled.is_set():  # a program that was ended early raises nothing
                raise Cancelled(f"{place.parent.name} was not finished")
            partial.rename(place)
        except BaseException:
            remove(partial)
            raise


def _lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def key_of(*parts: str | Path | Iterable[Path]) -> str:
    """Digest of everything that decides what an artifact contains; never of a time or a place.

    Args:
        parts: text as it is; a file by its bytes and its executable bit; a directory by the names and content of its
            files. The machine's architecture is always part of the key.

    Returns:
        20 hexadecimal digits.

    Raises:
        HarnessError: a file of the recipe is missing.
    """
    digest = hashlib.sha256(platform.machine().encode())
    for part in parts:
        if isinstance(part, str):
            _feed(digest, "text", part.encode())
        elif isinstance(part, Path):
            _feed_path(digest, part)
        else:
            for path in part:
                _feed_path(digest, path)
    return digest.hexdigest()[:KEY_LENGTH]


def _feed_path(digest: hashlib._Hash, path: Path) -> None:
    if not path.exists():
        raise HarnessError(f"{path} is missing from the recipe", "restore it: `git status` shows what has changed")
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    for file in files:
        if "__pycache__" in file.parts:
            continue
        name = str(file.relative_to(path)) if path.is_dir() else file.name
        _feed(digest, f"{name} {os.access(file, os.X_OK)}", file.read_bytes())


def _feed(digest: hashlib._Hash, name: str, content: bytes) -> None:
    digest.update(f"\0{name}\0{len(content)}\0".encode())
    digest.update(content)


def remove(path: Path) -> None:
    """Remove a tree as far as possible; what an orphaned program still writes there is left for the next time."""
    shutil.rmtree(path, ignore_errors=True)
