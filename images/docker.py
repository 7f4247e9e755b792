"""The Docker engine: the machine's own where it answers, otherwise one that the suite starts and stops itself.

Standard library only: `make clean-cache` stops the engine without an environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fixtures import apt, locks, process
from fixtures.errors import HarnessError, UsageError
from images.cache import Cache

CAP_SYS_RESOURCE = 24
RUNC_WRAP = Path(__file__).parent / "runc-wrap"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CALL_DEADLINE = 120.0
_PROBE_DEADLINE = 10.0
_START_DEADLINE = 60.0
_STOP_DEADLINE = 30.0
_LONGEST_SOCKET_PATH = 107
"""Bytes that the kernel allows for the path of a Unix socket (unix(7), sun_path)."""
_DEEPEST_SOCKET = "exec/containerd/containerd.sock.ttrpc"

# What dockerd says when it does not start → what to do about it.
_REMEDIES = {
    "iptables": "try the other variant: update-alternatives --set iptables /usr/sbin/iptables-legacy (or iptables-nft)",
    "overlay": "the cache directory must be on a file system that overlayfs can use (ext4, xfs): set XDG_CACHE_HOME",
    "cgroup": "mount the control groups: install the package cgroupfs-mount, or boot with systemd",
    "no space left": "make room on the file system of the cache directory, or set XDG_CACHE_HOME",
}
# Starts the engine in a session of its own, so that the end of the run does not take it along, and returns when the
# engine's process exists. Arguments: file for the process id, log file, command line.
_LAUNCH = """
setsid sh -c 'echo $$ >"$1"; log=$2; shift 2; exec "$@" >>"$log" 2>&1 </dev/null' sh "$@" &
until [ -s "$1" ]; do sleep 0.05; done
"""


@dataclass
class Docker:
    """An engine and the client that speaks to it.

    Attributes:
        client: the docker executable.
        host: address of the engine; empty for the client's own default.
        environment: variables with which docker, kind and people reach the same engine.
        own: directory of the engine that the suite started; None for the machine's own, which is never stopped.
    """

    client: Path
    host: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    own: Path | None = None
    _user: locks.Lock | None = None

    def run(
        self,
        *words: str | os.PathLike[str],
        deadline: float = _CALL_DEADLINE,
        stdin: str | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
        cancelled: threading.Event | None = None,
        remedy: str = "",
    ) -> process.Result:
        """Run the client to its end; see `fixtures.process.run`."""
        return process.run(
            [self.client, *words],
            deadline=deadline,
            env={**self.environment, "DOCKER_BUILDKIT": "0"},  # Debian's client has no buildx
            stdin=stdin,
            check=check,
            on_line=on_line,
            cancelled=cancelled,
            remedy=remedy,
        )

    def image_id(self, name: str) -> str:
        """Digest of an image's configuration; empty when the engine has no such image."""
        result = self.run("image", "inspect", "--format", "{{.Id}}", name, check=False)
        return result.stdout.strip() if result.code == 0 else ""

    def release(self, *, keep: bool = False) -> None:
        """Let go of the engine; the last user stops it if the suite started it and nothing runs in it.

        Args:
            keep: leave it running for what was kept in it.
        """
        if self.own is None or self._user is None:
            return
        with locks.locked(self.own / "start.lock"):
            self._user.release()
            self._user = None
            others = locks.try_lock(self.own / "users.lock")
            if others is None:
                return
            try:
                running = self.run("ps", "--quiet", check=False)
                if not keep and running.code == 0 and not running.stdout.strip():
                    _stop(self.own)
            finally:
                others.release()


def machine_engine() -> Docker | str:
    """Return the machine's own engine, or the reason why there is none."""
    client = shutil.which("docker")
    if client is None:
        return "there is no docker on PATH"
    docker = Docker(Path(client), os.environ.get("DOCKER_HOST", ""))
    try:
        result = docker.run("version", "--format", "{{.Server.Version}}", deadline=_PROBE_DEADLINE, check=False)
    except process.CommandTimedOut:
        return f"the Docker engine did not answer within {_PROBE_DEADLINE:g} s"
    if result.code != 0:
        return "no Docker engine answers: " + last_line(result.output)
    return docker


def fit_for_building(docker: Docker) -> str:
    """Return why the sealed build cannot use an engine; empty when it can.

    It mounts directories of this machine into containers, and it needs privileged ones.
    """
    if docker.host and not docker.host.startswith("unix://"):
        return f"the Docker engine {docker.host} is not on this machine"
    if lacks_capability() and _default_runtime(docker) == "runc":
        return "the machine's Docker engine cannot run privileged containers: CAP_SYS_RESOURCE is missing"
    return ""


def lacks_capability(number: int = CAP_SYS_RESOURCE, status: Path = Path("/proc/self/status")) -> bool:
    """Whether a capability is missing from the bounding set, so that no container can be given it."""
    for line in status.read_text().splitlines():
        if line.startswith("CapBnd:"):
            return not int(line.split()[1], 16) >> number & 1
    return False


def start_own(cache: Cache) -> Docker:
    """Return the suite's own engine, starting it first where no other run has done so.

    It has its socket, data and containerd namespace below the cache directory and no bridge of its own, so that an
    engine of the machine is never touched. Concurrent runs share it; the last one stops it.

    Raises:
        UsageError: the caller is not root, or the cache directory is unfit.
        HarnessError: the engine did not come up.
    """
    if os.geteuid() != 0:
        raise UsageError(
            "building the images needs a Docker engine, none answers, and only root can start one",
            "start Docker, or run as root on Debian 12",
        )
    directory = cache.root / "docker"
    address = directory / "docker.sock"
    if len(os.fsencode(directory / _DEEPEST_SOCKET)) > _LONGEST_SOCKET_PATH:
        raise UsageError(f"the path {directory} is too long for a Unix socket", "set XDG_CACHE_HOME to a shorter one")
    _require_packages(cache)
    with locks.locked(directory / "start.lock", cancelled=cache.cancelled):
        user = locks.try_lock(directory / "users.lock", shared=True)
        if user is None:
            raise HarnessError(f"somebody holds {directory / 'users.lock'} alone", "find out who with `fuser`")
        started = False
        try:
            if not answers(address):
                cache.reporter.step(f"starting a Docker engine of the suite's own (log: {directory / 'dockerd.log'})")
                started = True
                _start(directory, cache.cancelled)
            return _client(directory, user)
        except BaseException:
            if started:
                _stop(directory)
            user.release()
            raise


def stop_own(root: Path) -> None:
    """Stop the engine below a cache directory if it runs, whoever started it."""
    directory = root / "docker"
    if directory.exists():
        with locks.locked(directory / "start.lock"):
            _stop(directory)


def answers(address: Path) -> bool:
    """Whether an engine serves a Unix socket (Docker Engine API, `GET /_ping`)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(address))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def _require_packages(cache: Cache) -> None:
    # debootstrap belongs to the next step; one call of apt-get is quicker than two
    wanted = {"dockerd": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap"}
    missing = [package for program, package in wanted.items() if shutil.which(program, path=SYSTEM_PATH) is None]
    if missing:
        apt.install(missing, "there is no Docker engine", cache.reporter.step, cancelled=cache.cancelled)


def _client(directory: Path, user: locks.Lock) -> Docker:
    """Find a client that the engine understands: a very new one may refuse Debian's engine, whose own one never does.

    kind looks for docker on PATH, so the choice is put there.
    """
    host = f"unix://{directory / 'docker.sock'}"
    candidates = [shutil.which("docker"), shutil.which("docker", path=SYSTEM_PATH), "/usr/bin/docker"]
    complaint = ""
    for candidate in dict.fromkeys(path for path in candidates if path):
        docker = Docker(Path(candidate), host, {"DOCKER_HOST": host}, directory, user)
        result = docker.run("version", "--format", "{{.Server.Version}}", deadline=_PROBE_DEADLINE, check=False)
        if result.code == 0:
            if candidate != candidates[0]:
                _put_on_path(docker, directory / "bin")
            return docker
        complaint = last_line(result.output)
    raise HarnessError(f"no docker client can speak to the engine: {complaint}", "install Debian's package docker.io")


def _put_on_path(docker: Docker, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    link = directory / "docker"
    link.unlink(missing_ok=True)
    link.symlink_to(docker.client)
    docker.environment = {**docker.environment, "PATH": f"{directory}:{os.environ.get('PATH', SYSTEM_PATH)}"}


def _start(directory: Path, cancelled: threading.Event) -> None:
    """Start dockerd and wait until it answers.

    Raises:
        HarnessError: it ended, or did not answer in time; its last words are in the message.
    """
    _stop(directory)  # what is left of an engine that was killed
    configuration = directory / "daemon.json"
    configuration.write_text(json.dumps(_configuration(directory), indent=2) + "\n")
    log = directory / "dockerd.log"
    log.write_text("")
    dockerd = shutil.which("dockerd", path=SYSTEM_PATH)
    process.run(
        ["sh", "-c", _LAUNCH, "sh", directory / "launched", log, str(dockerd), "--config-file", configuration],
        deadline=_START_DEADLINE,
        env={"PATH": f"{SYSTEM_PATH}:{os.environ.get('PATH', '')}", "DOCKER_HOST": ""},
    )
    end = time.monotonic() + _START_DEADLINE
    while not answers(directory / "docker.sock"):
        if cancelled.wait(0.1) or time.monotonic() > end or not _processes(directory):
            _stop(directory)
            raise HarnessError(*_why_not_started(log))


def _configuration(directory: Path) -> dict[str, object]:
    """Configuration of the engine (dockerd(8)); it replaces /etc/docker/daemon.json."""
    configuration: dict[str, object] = {
        "hosts": [f"unix://{directory / 'docker.sock'}"],
        "pidfile": str(directory / "dockerd.pid"),
        "exec-root": str(directory / "exec"),
        "data-root": str(directory / "data"),
        "containerd-namespace": "airflow-conformance",
        "containerd-plugins-namespace": "airflow-conformance-plugins",
        "bridge": "none",
        "default-address-pools": [{"base": "10.213.0.0/16", "size": 24}],  # where few machines have a network already
        "shutdown-timeout": 5,
    }
    if lacks_capability():
        wrapper = directory / "runc-wrap"  # a copy, because the engine may outlive the checkout
        shutil.copy(RUNC_WRAP, wrapper)
        configuration["runtimes"] = {"runc-wrap": {"path": str(wrapper)}}
        configuration["default-runtime"] = "runc-wrap"
    return configuration


def _why_not_started(log: Path) -> tuple[str, str]:
    """Cause and remedy from the engine's log."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    failure = next(
        (line for line in reversed(lines) if "failed to start" in line), lines[-1] if lines else "no message"
    )
    remedy = next((remedy for word, remedy in _REMEDIES.items() if word in failure.lower()), f"read {log}")
    return f"the Docker engine did not start: {failure}", remedy


def _stop(directory: Path) -> None:
    """Stop the engine below a directory, and remove what it or a killed one left behind."""
    for pid in _processes(directory):
        _end(pid)
    for mounted in _mounts_below(directory):
        process.run(["umount", "--lazy", mounted], deadline=_CALL_DEADLINE, check=False)
    for leftover in ("docker.sock", "dockerd.pid", "launched", "exec/containerd/containerd.pid"):
        with contextlib.suppress(FileNotFoundError):
            (directory / leftover).unlink()


def _processes(directory: Path) -> list[int]:
    """Processes of the engine below a directory: dockerd first, then its containerd.

    A process id in a file proves nothing after a restart of the machine, so the command line must name the directory.
    """
    found = []
    for name in ("launched", "dockerd.pid", "exec/containerd/containerd.pid"):
        try:
            pid = int((directory / name).read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if os.fsencode(directory) in command and pid not in found:
            found.append(pid)
    return found


def _mounts_below(directory: Path) -> list[str]:
    """Mount points below a directory, the innermost first (proc(5), mountinfo; its paths have octal escapes)."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return sorted((point for point in points if point.startswith(f"{directory}/")), reverse=True)


def _end(pid: int) -> None:
    """End a process and wait until it is gone: SIGTERM first, SIGKILL when it takes too long."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            if select.select([descriptor], [], [], _STOP_DEADLINE)[0]:
                return
        finally:
            os.close(descriptor)


def _default_runtime(docker: Docker) -> str:
    return docker.run("info", "--format", "{{.DefaultRuntime}}", check=False).stdout.strip()


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message")
