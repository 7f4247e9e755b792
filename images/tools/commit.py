#!/usr/bin/python3
"""Commits files to a branch of a bare repository, atomically, and prints the new revision.

The changes are a JSON object from path to base64 of the content, or to null, which deletes the file; `-` reads it from
standard input. `--directory PREFIX SOURCE` takes the files of a directory instead.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

AUTHOR = {
    "GIT_AUTHOR_NAME": "conformance",
    "GIT_AUTHOR_EMAIL": "conformance@example.com",
    "GIT_COMMITTER_NAME": "conformance",
    "GIT_COMMITTER_EMAIL": "conformance@example.com",
}
ATTEMPTS = 10
NO_OBJECT = "0" * 40


class Repository:
    """A bare repository, written with git's plumbing: there is no working copy that could be half written."""

    def __init__(self, path: Path, index: Path) -> None:
        self._path = path
        self._env = {**os.environ, **AUTHOR, "GIT_INDEX_FILE": str(index)}

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Output of a git command, stripped."""
        words = ["git", "-C", str(self._path), *arguments]
        done = subprocess.run(words, input=stdin, env=self._env, check=True, stdout=subprocess.PIPE)
        return done.stdout.decode().strip()

    def head(self, branch: str) -> str:
        """Revision of a branch; empty if there is no such branch."""
        return self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")

    def commit(self, branch: str, message: str, changes: dict[str, bytes | None]) -> str:
        """Commit on top of what the branch is now; a change of the branch meanwhile makes git refuse.

        Returns:
            The new revision; the old one if nothing changes.
        """
        parent = self.head(branch)
        self.git("read-tree", *([parent] if parent else ["--empty"]))
        entries = [f"{self._blob(content)}\t{path}\0" for path, content in changes.items()]
        self.git("update-index", "-z", "--index-info", stdin="".join(entries).encode())
        tree = self.git("write-tree")
        if parent and tree == self.git("rev-parse", f"{parent}^{{tree}}"):
            return parent
        revision = self.git("commit-tree", tree, "-m", message, *(["-p", parent] if parent else []))
        self.git("update-ref", f"refs/heads/{branch}", revision, parent or NO_OBJECT)
        return revision

    def _blob(self, content: bytes | None) -> str:
        """Mode and object of a file, as `git update-index --index-info` takes them; mode 0 removes it."""
        if content is None:
            return f"0 {NO_OBJECT}"
        return f"100644 {self.git('hash-object', '-w', '--stdin', stdin=content)}"


def changes_of(text: str) -> dict[str, bytes | None]:
    """Changes from their JSON form.

    Raises:
        ValueError: it is not of that form, or a path leaves the repository.
    """
    given = json.loads(text)
    if not isinstance(given, dict) or not given:
        raise ValueError("the changes are not a JSON object with at least one path")
    for path in given:
        parts = PurePosixPath(path).parts
        if not parts or parts[0] == "/" or {"..", ".git"} & set(parts):
            raise ValueError(f"the path {path!r} leaves the repository")
    return {
        path: None if content is None else base64.b64decode(content, validate=True) for path, content in given.items()
    }


def files_of(prefix: str, directory: Path) -> dict[str, bytes | None]:
    """Files of a directory, without hidden ones: a mounted ConfigMap has its own bookkeeping there."""
    files = [path for path in sorted(directory.iterdir()) if path.is_file() and not path.name.startswith(".")]
    return {f"{prefix}/{path.name}": path.read_bytes() for path in files}


def main() -> int:
    """Read the command line, commit, print the revision."""
    parser = argparse.ArgumentParser(prog="commit", description=__doc__)
    parser.add_argument("--repository", type=Path, default=Path("/srv/git/airflow-dags.git"))
    parser.add_argument("--branch", default="main")
    parser.add_argument("--message", required=True)
    parser.add_argument("--directory", metavar="PREFIX", help="take the files of the directory CHANGES")
    parser.add_argument("changes", metavar="CHANGES")
    options = parser.parse_args()
    try:
        if options.directory:
            changes = files_of(options.directory, Path(options.changes))
        else:
            changes = changes_of(sys.stdin.read() if options.changes == "-" else options.changes)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as scratch:
        for attempt in range(ATTEMPTS):
            repository = Repository(options.repository, Path(scratch) / str(attempt))
            before = repository.head(options.branch)
            try:
                print(repository.commit(options.branch, options.message, changes))
                return 0
            except subprocess.CalledProcessError as error:
                if repository.head(options.branch) == before:
                    print(f"commit: {error}", file=sys.stderr)
                    return 1
    print(f"commit: {options.branch} kept changing during {ATTEMPTS} attempts", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
