"""Artifacts are complete or absent, made once, and keyed by content."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixtures.errors import HarnessError
from fixtures.locks import Cancelled, locked, try_lock
from fixtures.paths import ROOT
from images.cache import key_of


def test_an_artifact_is_built_once(cache):
    built = []

    def build(directory: Path) -> None:
        built.append(directory)
        (directory / "file").write_text("content")

    first = cache.artifact("thing", "abc", build)
    assert cache.artifact("thing", "abc", build) == first
    assert (first / "file").read_text() == "content"
    assert len(built) == 1
    assert built[0] != first, "it is built beside its place"


def test_a_failed_build_leaves_nothing(cache):
    def build(directory: Path) -> None:
        (directory / "half").touch()
        raise HarnessError("no network")

    with pytest.raises(HarnessError, match="no network"):
        cache.artifact("thing", "abc", build)
    assert [path.suffix for path in cache.path("thing", "abc").parent.iterdir()] == [".lock"]


def test_a_build_whose_program_was_ended_early_is_not_kept(cache):
    with pytest.raises(Cancelled):
        cache.artifact("thing", "abc", lambda directory: cache.cancelled.set())
    assert not cache.path("thing", "abc").exists()


def test_concurrent_builders_share_one_result(cache):
    begun, finish = threading.Event(), threading.Event()
    built = []

    def build(directory: Path) -> None:
        begun.set()
        assert finish.wait(30)
        built.append(directory)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.artifact, "thing", "abc", build)
        assert begun.wait(30)
        second = pool.submit(cache.artifact, "thing", "abc", build)
        while not cache.reporter.lines:
            assert not second.done()
        finish.set()
        assert first.result() == second.result()
    assert len(built) == 1
    assert cache.reporter.lines == ["thing: another run is at it; waiting for its result"]


def test_a_build_that_was_killed_is_swept_and_made_anew(cache):
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED_BUILD, str(cache.root)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "building\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert list(cache.root.glob("artifacts/thing/*.partial-*"))
    cache.sweep()
    assert not list(cache.root.glob("artifacts/thing/*.partial-*"))
    assert cache.artifact("thing", "abc", lambda directory: None).exists()


KILLED_BUILD = """
import sys, threading
from pathlib import Path
from images.cache import Cache

def build(directory):
    (directory / "half").touch()
    print("building", flush=True)
    threading.Event().wait()

Cache(Path(sys.argv[1]), None).artifact("thing", "abc", build)
"""


def test_sweeping_spares_a_build_that_is_going_on(cache):
    def build(directory: Path) -> None:
        cache.sweep()
        assert directory.exists()

    cache.artifact("thing", "abc", build)


def test_old_artifacts_make_room(cache):
    for age, key in enumerate("abcd"):
        cache.artifact("thing", key, lambda directory: None)
        old = 1_000_000_000 - age
        os.utime(cache.path("thing", key), (old, old))
    cache.artifact("thing", "c", lambda directory: None)  # used just now
    cache.prune("thing")
    assert sorted(path.name for path in cache.path("thing", "a").parent.glob("?")) == ["a", "c"]


@pytest.mark.parametrize(("free", "stays"), [(2**40, True), (2**30, False)])
def test_old_artifacts_make_room_sooner_where_it_is_short(cache, monkeypatch, free, stays):
    monkeypatch.setattr("images.cache.shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    for age, key in enumerate("abc"):
        cache.artifact("thing", key, lambda directory: None)
        then = time.time() - 2 * 3600 - age
        os.utime(cache.path("thing", key), (then, then))
    cache.prune("thing")
    assert cache.path("thing", "c").exists() is stays


def test_a_key_follows_content_and_nothing_else(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for directory in (one, two):
        (directory / "sub").mkdir(parents=True)
        (directory / "sub" / "file").write_text("content")
    os.utime(two / "sub" / "file", (1, 1))
    same = key_of(one, "text")
    assert key_of(two, "text") == same

    assert key_of(one, "other text") != same
    (two / "sub" / "file").chmod(0o755)
    assert key_of(two, "text") != same, "an executable bit matters to an image"
    (two / "sub" / "file").chmod(0o644)
    (two / "sub" / "file").rename(two / "sub" / "renamed")
    assert key_of(two, "text") != same


def test_parts_of_a_key_do_not_run_together():
    assert key_of("ab", "c") != key_of("a", "bc")


def test_a_key_ignores_compiled_python(tmp_path):
    (tmp_path / "module.py").write_text("")
    before = key_of(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "module.pyc").write_text("")
    assert key_of(tmp_path) == before


def test_a_missing_file_of_a_recipe_is_named(tmp_path):
    with pytest.raises(HarnessError, match="Dockerfile is missing"):
        key_of(tmp_path / "Dockerfile")


def test_shared_holders_keep_an_exclusive_one_out(tmp_path):
    path = tmp_path / "lock"
    first, second = try_lock(path, shared=True), try_lock(path, shared=True)
    assert try_lock(path) is None
    first.release()
    first.release()
    assert try_lock(path) is None
    second.release()
    assert try_lock(path) is not None


def test_waiting_for_a_lock_can_be_given_up(tmp_path):
    cancelled, told = threading.Event(), threading.Event()
    holder = try_lock(tmp_path / "lock")

    def give_up() -> None:
        told.set()
        cancelled.set()

    with pytest.raises(Cancelled), locked(tmp_path / "lock", on_wait=give_up, cancelled=cancelled):
        pytest.fail("the lock is held")
    assert told.is_set()
    holder.release()
