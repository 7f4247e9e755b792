"""Git repositories for tests, made on the spot and free of the machine's own git configuration."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from fixtures.paths import ROOT

COMMIT = ROOT / "images" / "tools" / "commit.py"
QUIET = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "true", "LC_ALL": "C"}


def git(repository: Path, *arguments: str) -> str:
    """Output of a git command, stripped."""
    words = ["git", "-C", str(repository), *arguments]
    return subprocess.run(words, env={**os.environ, **QUIET}, check=True, capture_output=True, text=True).stdout.strip()


def bare(path: Path) -> Path:
    """Make an empty bare repository whose default branch is main."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "--bare", "--initial-branch=main")
    git(path, "config", "uploadpack.allowAnySHA1InWant", "true")
    return path


def run_commit(repository: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the suite's program `commit` on a repository."""
    words = [sys.executable, str(COMMIT), "--repository", str(repository), *arguments]
    return subprocess.run(words, env={**os.environ, **QUIET}, input=stdin, capture_output=True, text=True)


def commit(repository: Path, files: Mapping[str, str | None], branch: str = "main") -> str:
    """Commit text by path (None deletes) and return the new revision."""

    changes = {path: None if text is None else base64.b64encode(text.encode()).decode() for path, text in files.items()}
    done = run_commit(repository, "--branch", branch, "--message", "test", json.dumps(changes))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
