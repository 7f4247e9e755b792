#!/usr/bin/python3
"""Keeps a directory at a revision of a git repository: a stand-in for git-sync 4 and 3 as the Airflow chart uses them.

Honours both families of variables, GITSYNC_* and the older GIT_SYNC_*, with the precedence of git-sync 4.1.0 (its
main.go). Layout: `<root>/.worktrees/<sha>`, and `<root>/<link>`, a relative symbolic link that is replaced atomically.
Where only the older family is given, as charts before 1.13 do, it is git-sync 3.6: other defaults, one more failure
before it gives up, and the layout `<root>/<sha>` (its flags and main loop: branch v3.x, main.go).
The log has the form of git-sync 4 in any case. Hooks, HTTP endpoint, sparse checkout, cookies and askpass are not
there; a variable that asks for one of them is named in the log.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

KNOWN = frozenset(
    {
        "REPO",
        "REF",
        "REV",
        "BRANCH",
        "DEPTH",
        "ROOT",
        "LINK",
        "DEST",
        "PERIOD",
        "WAIT",
        "SYNC_TIMEOUT",
        "TIMEOUT",
        "ONE_TIME",
        "MAX_FAILURES",
        "MAX_SYNC_FAILURES",
        "ADD_USER",
        "GROUP_WRITE",
        "SUBMODULES",
        "USERNAME",
        "PASSWORD",
        "PASSWORD_FILE",
        "SSH",
        "SSH_KEY_FILE",
        "SSH_KNOWN_HOSTS",
        "KNOWN_HOSTS",
        "SSH_KNOWN_HOSTS_FILE",
        "VERBOSE",
        "V",
    }
)

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

# What git-sync 3.6 takes for granted where git-sync 4 takes something else; its root is `git` below HOME.
_OLD_DEFAULTS = {"GIT_SYNC_BRANCH": "master", "GIT_SYNC_DEPTH": "0", "GIT_SYNC_WAIT": "1"}


class ConfigError(Exception):
    """The variables do not make sense; git-sync ends with exit code 1."""


class SyncError(Exception):
    """One synchronisation failed; the next one may not."""


@dataclass(frozen=True)
class Options:
    """What the environment asks for.

    Attributes:
        depth: commits to fetch; 0 means all.
        worktrees: where below `root` the checkouts are, each in a directory named by its commit.
        link: path of the link, absolute or relative to `root`.
        period, sync_timeout: seconds.
        max_failures: consecutive failures at which the program ends; -1 means never, 0 the first one.
        notes: which deprecated variables decided, in git-sync's words.
    """

    repo: str
    ref: str
    depth: int
    root: Path
    worktrees: str
    link: str
    period: float
    sync_timeout: float
    one_time: bool
    max_failures: int
    add_user: bool
    group_write: bool
    submodules: str
    username: str
    password: str = field(repr=False)
    ssh: bool
    ssh_key_file: Path
    known_hosts: bool
    known_hosts_file: Path
    notes: tuple[str, ...]


def log(message: str, **details: object) -> None:
    """Write one line to standard error, in git-sync 4's form."""
    entry = {"logger": "", "ts": datetime.now(UTC).isoformat(sep=" "), "level": 0, "msg": message, **details}
    print(json.dumps(entry, default=str), file=sys.stderr, flush=True)


def duration(text: str) -> float:
    """Seconds of a Go duration such as `60s`, `1m30s` or `24h`.

    Raises:
        ConfigError: it is none.
    """
    units = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", text)
    if text == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ConfigError(f"invalid duration {text!r}: write for example 60s or 1m30s")
    return sum(float(number) * units[unit] for number, unit in parts)


class _Environment:
    """Typed access to variables by several names, of which the first one that is set decides."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, default: str, *names: str) -> str:
        return next((self._environ[name] for name in names if self._environ.get(name)), default)

    def number(self, default: int, *names: str) -> int:
        text = self.text(str(default), *names)
        try:
            return int(text)
        except ValueError as error:
            raise ConfigError(f"invalid number {text!r} for {names[0]}") from error

    def flag(self, default: bool, *names: str) -> bool:
        text = self.text(str(default), *names).lower()
        if text not in ("1", "t", "true", "0", "f", "false"):
            raise ConfigError(f"invalid boolean {text!r} for {names[0]}")
        return text in ("1", "t", "true")


def options(environ: Mapping[str, str]) -> Options:
    """Read the variables.

    Raises:
        ConfigError: one is missing or makes no sense.
    """
    if any(name.startswith("GITSYNC_") for name in environ):
        return _options(_Environment(environ))
    given = {name: value for name, value in environ.items() if value}
    env = _Environment({**_OLD_DEFAULTS, "GIT_SYNC_ROOT": f"{environ.get('HOME', '')}/git", **given})
    found = _options(env)
    return replace(
        found,
        worktrees="",
        period=float(env.text("", "GIT_SYNC_WAIT")),  # 0, too, is an interval there
        max_failures=found.max_failures + 1 if found.max_failures >= 0 else -1,  # so many are retried
        notes=(),
    )


def _options(env: _Environment) -> Options:
    """The variables as git-sync 4 reads them."""
    notes: list[str] = []
    repo = env.text("", "GITSYNC_REPO", "GIT_SYNC_REPO")
    if not repo:
        raise ConfigError("required flag: --repo must be specified")
    depth = env.number(1, "GITSYNC_DEPTH", "GIT_SYNC_DEPTH")
    if depth < 0:
        raise ConfigError("invalid flag: --depth must be greater than or equal to 0")
    submodules = env.text("recursive", "GITSYNC_SUBMODULES", "GIT_SYNC_SUBMODULES")
    if submodules not in ("recursive", "shallow", "off"):
        raise ConfigError("invalid flag: --submodules must be one of recursive, shallow, or off")
    username, password = _credentials(env)
    return Options(
        repo=repo,
        ref=_ref(env, notes),
        depth=depth,
        root=Path(env.text("/git", "GITSYNC_ROOT", "GIT_SYNC_ROOT")).absolute(),
        worktrees=".worktrees",
        link=_link(env, repo, notes),
        period=_period(env, notes),
        sync_timeout=_sync_timeout(env, notes),
        one_time=env.flag(False, "GITSYNC_ONE_TIME", "GIT_SYNC_ONE_TIME"),
        max_failures=_max_failures(env, notes),
        add_user=env.flag(False, "GITSYNC_ADD_USER", "GIT_SYNC_ADD_USER"),
        group_write=env.flag(False, "GITSYNC_GROUP_WRITE", "GIT_SYNC_GROUP_WRITE"),
        submodules=submodules,
        username=username,
        password=password,
        ssh=env.flag(False, "GITSYNC_SSH", "GIT_SYNC_SSH"),
        ssh_key_file=Path(
            env.text("/etc/git-secret/ssh", "GITSYNC_SSH_KEY_FILE", "GIT_SYNC_SSH_KEY_FILE", "GIT_SSH_KEY_FILE")
        ),
        known_hosts=env.flag(True, "GITSYNC_SSH_KNOWN_HOSTS", "GIT_SYNC_KNOWN_HOSTS", "GIT_KNOWN_HOSTS"),
        known_hosts_file=Path(
            env.text(
                "/etc/git-secret/known_hosts",
                "GITSYNC_SSH_KNOWN_HOSTS_FILE",
                "GIT_SYNC_SSH_KNOWN_HOSTS_FILE",
                "GIT_SSH_KNOWN_HOSTS_FILE",
            )
        ),
        notes=tuple(notes),
    )


def _ref(env: _Environment, notes: list[str]) -> str:
    """The deprecated branch wins over the ref, and a deprecated revision other than HEAD wins over both."""
    branch, revision = env.text("", "GIT_SYNC_BRANCH"), env.text("", "GIT_SYNC_REV")
    if branch and revision in ("", "HEAD"):
        notes.append("setting --ref from deprecated --branch")
        return branch
    if revision:
        notes.append("setting --ref from deprecated --rev")
        return revision
    return env.text("HEAD", "GITSYNC_REF")


def _link(env: _Environment, repo: str, notes: list[str]) -> str:
    if destination := env.text("", "GIT_SYNC_DEST"):
        notes.append("setting --link from deprecated --dest")
        return destination
    return env.text(repo.strip("/").rsplit("/", 1)[-1], "GITSYNC_LINK", "GIT_SYNC_LINK")


def _period(env: _Environment, notes: list[str]) -> float:
    wait = env.text("0", "GIT_SYNC_WAIT")
    try:
        seconds = float(wait)
    except ValueError as error:
        raise ConfigError(f"invalid number {wait!r} for GIT_SYNC_WAIT") from error
    if seconds:
        notes.append("setting --period from deprecated --wait")
    else:
        seconds = duration(env.text("10s", "GITSYNC_PERIOD", "GIT_SYNC_PERIOD"))
    if not 0.01 <= seconds < float("inf"):
        raise ConfigError("invalid flag: --period must be at least 10ms")
    return seconds


def _sync_timeout(env: _Environment, notes: list[str]) -> float:
    if seconds := env.number(0, "GIT_SYNC_TIMEOUT"):
        notes.append("setting --sync-timeout from deprecated --timeout")
        return float(seconds)
    return duration(env.text("120s", "GITSYNC_SYNC_TIMEOUT", "GIT_SYNC_SYNC_TIMEOUT"))


def _max_failures(env: _Environment, notes: list[str]) -> int:
    if deprecated := env.number(0, "GIT_SYNC_MAX_SYNC_FAILURES"):
        notes.append("setting --max-failures from deprecated --max-sync-failures")
        return deprecated
    return env.number(0, "GITSYNC_MAX_FAILURES", "GIT_SYNC_MAX_FAILURES")


def _credentials(env: _Environment) -> tuple[str, str]:
    username = env.text("", "GITSYNC_USERNAME", "GIT_SYNC_USERNAME")
    password = env.text("", "GITSYNC_PASSWORD", "GIT_SYNC_PASSWORD")
    file = env.text("", "GITSYNC_PASSWORD_FILE", "GIT_SYNC_PASSWORD_FILE")
    if password and file:
        raise ConfigError("invalid flag: only one of $GITSYNC_PASSWORD and --password-file may be specified")
    if file:
        try:
            password = Path(file).read_text().rstrip("\n")
        except OSError as error:
            raise ConfigError(f"can't read password file {file}: {error.strerror}") from error
    if bool(username) != bool(password):
        raise ConfigError("invalid flag: a username goes with a password, and a password with a username")
    return username, password


class Sync:
    """One repository, synchronised into one directory."""

    def __init__(self, wanted: Options, scratch: Path) -> None:
        self._options = wanted
        self._root = wanted.root.resolve()
        self._link = self._root / wanted.link
        self._scratch = scratch
        self._env = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": str(scratch / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "true",
            "GIT_TERMINAL_PROMPT": "0",
        }
        self._deadline = float("inf")

    def prepare(self) -> None:
        """Configure git: no prompts, any owner of the volume, credentials and ssh key where there are some.

        Raises:
            ConfigError: the ssh key or the known hosts are missing.
        """
        for name, value in (("safe.directory", "*"), ("gc.autoDetach", "false"), ("advice.detachedHead", "false")):
            self.git("config", "--global", name, value)
        if self._options.username:
            store = self._scratch / "credentials"
            self.git("config", "--global", "credential.helper", f"store --file={store}")
            described = (
                f"url={self._options.repo}\nusername={self._options.username}\npassword={self._options.password}\n"
            )
            self.git("credential", "approve", stdin=described)
        if self._options.ssh_key_file.exists():
            self._env["GIT_SSH_COMMAND"] = self._ssh_command()
        elif self._options.ssh:
            raise ConfigError(f"can't access SSH key {self._options.ssh_key_file}")

    def once(self) -> tuple[str, bool]:
        """Synchronise; return the revision and whether the link was moved.

        Raises:
            SyncError: a git command failed, or all of them took longer than the time-out.
        """
        self._deadline = time.monotonic() + self._options.sync_timeout
        try:
            self._initialise()
            revision = self._fetch()
            if self._current() == revision and self._is_sane(revision):
                return revision, False
            worktree = self._check_out(revision)
            self._publish(revision, worktree)
            self._clean_up(worktree)
        except OSError as error:
            raise SyncError(str(error)) from error
        return revision, True

    def git(self, *arguments: str, cwd: Path | None = None, stdin: str = "") -> str:
        """Output of a git command, stripped.

        Raises:
            SyncError: it failed, or the time-out of this synchronisation has passed.
        """
        words = ["git", *arguments]
        left = self._deadline - time.monotonic()
        try:
            done = subprocess.run(
                words,
                cwd=cwd,
                input=stdin,
                env=self._env,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=None if left == float("inf") else max(left, 0.01),
            )
        except subprocess.TimeoutExpired as error:
            raise SyncError(f"git {arguments[0]}: not done within {self._options.sync_timeout:g} s") from error
        if done.returncode != 0:
            raise SyncError(f"git {arguments[0]}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout.strip()

    def _initialise(self) -> None:
        """Make the root a usable repository; what is there and is none goes, as after a crash."""
        self._root.mkdir(parents=True, exist_ok=True)
        if not self._is_repository():
            for entry in self._root.iterdir():
                _remove(entry)
            log("initializing repo directory", path=self._root)
            self.git("init", "-q", "-b", "git-sync", cwd=self._root)

    def _is_repository(self) -> bool:
        git = self._root / ".git"
        if not git.is_dir() or (git / "shallow.lock").exists() or (git / "index.lock").exists():
            return False
        try:
            return self.git("rev-parse", "--show-toplevel", cwd=self._root) == str(self._root)
        except SyncError:
            return False

    def _fetch(self) -> str:
        depth = ["--depth", str(self._options.depth)] if self._options.depth else []
        if not depth and self.git("rev-parse", "--is-shallow-repository", cwd=self._root) == "true":
            depth = ["--unshallow"]
        arguments = ["--no-progress", "--prune", "--no-auto-gc", *depth, "--", self._options.repo, self._options.ref]
        self.git("fetch", *arguments, cwd=self._root)
        return self.git("rev-parse", "FETCH_HEAD^{commit}", cwd=self._root)

    def _current(self) -> str:
        try:
            return self._link.readlink().name
        except OSError:
            return ""

    def _is_sane(self, revision: str) -> bool:
        worktree = self._worktree(revision)
        try:
            return worktree.is_dir() and self.git("rev-parse", "HEAD", cwd=worktree) == revision
        except SyncError:
            log("worktree failed checks or was empty", path=worktree)
            return False

    def _worktree(self, revision: str) -> Path:
        return self._root / self._options.worktrees / revision

    def _check_out(self, revision: str) -> Path:
        worktree = self._worktree(revision)
        log("update required", ref=self._options.ref, local=self._current(), remote=revision)
        _remove(worktree)  # a check-out that was interrupted
        self.git("worktree", "prune", cwd=self._root)
        self.git("worktree", "add", "--force", "--detach", "--no-checkout", str(worktree), revision, cwd=self._root)
        # Relative, because other containers see this volume at another path. Git chooses another name for what belongs
        # to the checkout where there is one of that commit in the other layout.
        link = worktree / ".git"
        directory = link.read_text().removeprefix("gitdir: ").strip()
        link.write_text(f"gitdir: {os.path.relpath(worktree / directory, worktree)}\n")
        self.git("reset", "--hard", revision, "--", cwd=worktree)
        if self._options.submodules != "off" and (worktree / ".gitmodules").exists():
            depth = ["--depth", str(self._options.depth)] if self._options.depth else []
            deep = ["--recursive"] if self._options.submodules == "recursive" else []
            self.git("submodule", "update", "--init", *deep, *depth, cwd=worktree)
        return worktree

    def _publish(self, revision: str, worktree: Path) -> None:
        self._link.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._link.parent / "tmp-link"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(worktree, self._link.parent))
        temporary.replace(self._link)
        log("updated successfully", ref=self._options.ref, remote=revision)

    def _clean_up(self, published: Path) -> None:
        """Remove what is no longer published, in either layout; failing at that is not failing to synchronise."""
        checkouts = [entry for entry in self._root.iterdir() if _SHA.fullmatch(entry.name)]
        for entry in [*checkouts, *self._root.glob(".worktrees/*")]:
            if entry != published:
                _remove(entry)
        with contextlib.suppress(SyncError):
            self.git("worktree", "prune", cwd=self._root)
            self.git("gc", "--auto", "--quiet", cwd=self._root)

    def _ssh_command(self) -> str:
        hosts = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        if self._options.known_hosts:
            file = self._options.known_hosts_file
            if not file.exists():
                raise ConfigError(f"can't access SSH known_hosts file {file}")
            hosts = ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={file}"]
        return shlex.join(["ssh", "-o", "IdentitiesOnly=yes", "-i", str(self._options.ssh_key_file), *hosts])


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def redacted(url: str) -> str:
    """An address without its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.username}:REDACTED@{parts.netloc.rsplit('@', 1)[-1]}"))


def add_user() -> None:
    """Give the current user id an entry in /etc/passwd, without which ssh refuses to work."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        entry = f"git-sync:x:{os.getuid()}:{os.getgid()}::{os.environ.get('HOME', '/tmp')}:/sbin/nologin\n"  # noqa: S108
        with open("/etc/passwd", "a") as passwd:
            passwd.write(entry)


def unsupported(environ: Mapping[str, str]) -> Iterator[str]:
    """Variables of git-sync that are set and have no effect here."""
    for name, value in sorted(environ.items()):
        match = re.fullmatch(r"(?:GITSYNC|GIT_SYNC)_(\w+)", name)
        if match and value and match[1] not in KNOWN:
            yield name


def run(wanted: Options, scratch: Path) -> int:
    """Synchronise until told to end, or once; return the exit code."""
    sync = Sync(wanted, scratch)
    sync.prepare()
    failures = 0
    while True:
        try:
            revision, _ = sync.once()
        except SyncError as error:
            failures += 1
            if 0 <= wanted.max_failures <= failures:
                log("too many failures, aborting", error=str(error), failCount=failures)
                return 1
            log("error syncing repo, will retry", error=str(error), failCount=failures)
        else:
            failures = 0
            if wanted.one_time:
                log("exiting after one sync", status=0)
                return 0
            if revision == wanted.ref:
                log("ref appears to be a git hash, no further sync needed", ref=wanted.ref)
                signal.pause()
        time.sleep(wanted.period)


def main() -> int:
    """Read the environment and synchronise; return the exit code."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: sys.exit(0))
    try:
        wanted = options(os.environ)
        for note in wanted.notes:
            log(note)
        for name in unsupported(os.environ):
            log("variable has no effect in this stand-in", name=name)
        log("starting up", pid=os.getpid(), uid=os.getuid(), repo=redacted(wanted.repo), ref=wanted.ref)
        os.umask(0o002 if wanted.group_write else 0o022)
        wanted.root.mkdir(parents=True, exist_ok=True)
        if wanted.add_user:
            add_user()
        with tempfile.TemporaryDirectory(prefix="git-sync.") as scratch:
            return run(wanted, Path(scratch))
    except (ConfigError, SyncError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
