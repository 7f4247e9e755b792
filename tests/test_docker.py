"""Finding, starting, sharing and stopping a Docker engine, against stand-ins for its programs."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from fixtures import locks
from fixtures.errors import HarnessError, UsageError
from images import docker
from images.cache import Cache
from images.docker import Docker

# Serves `GET /_ping` on the configured socket until it is ended, as the engine does.
DOCKERD = """#!{python}
import json, os, signal, socket, sys
configuration = json.load(open(sys.argv[sys.argv.index("--config-file") + 1]))
open(configuration["pidfile"], "w").write(str(os.getpid()))
address = configuration["hosts"][0].removeprefix("unix://")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with socket.socket(socket.AF_UNIX) as server:
    server.bind(address)
    server.listen()
    while True:
        connection, _ = server.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nOK")
        connection.close()
"""


class Silent:
    """A reporter that nobody hears."""

    def step(self, text: str) -> None:
        """Say nothing."""

    waiting = step


def program(directory: Path, name: str, text: str) -> Path:
    """Write an executable."""
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A directory that is all there is on PATH, besides the system's own programs."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setattr(docker, "SYSTEM_PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return directory


@pytest.fixture
def cache():
    """A cache whose path is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        yield Cache(Path(name), Silent())
        docker.stop_own(Path(name))


@pytest.fixture
def machine(programs, monkeypatch):
    """A machine of root with the programs of an engine."""
    monkeypatch.setattr(docker.os, "geteuid", lambda: 0)
    program(programs, "iptables", "#!/bin/sh\n")
    program(programs, "debootstrap", "#!/bin/sh\n")
    program(programs, "docker", "#!/bin/sh\n")
    program(programs, "dockerd", DOCKERD.format(python=sys.executable))


def test_a_machine_without_docker_says_so(programs, monkeypatch):
    monkeypatch.setenv("PATH", str(programs))
    assert docker.machine_engine() == "there is no docker on PATH"


def test_an_engine_that_does_not_answer_is_no_engine(programs):
    program(programs, "docker", "#!/bin/sh\necho Cannot connect to the Docker daemon >&2\nexit 1\n")
    assert docker.machine_engine() == "no Docker engine answers: Cannot connect to the Docker daemon"


def test_a_hanging_engine_is_no_engine(programs, monkeypatch):
    monkeypatch.setattr(docker, "_PROBE_DEADLINE", 0.2)
    program(programs, "docker", "#!/bin/sh\nexec tail -f /dev/null\n")
    assert docker.machine_engine() == "the Docker engine did not answer within 0.2 s"


def test_an_answering_engine_is_used_and_never_stopped(programs, monkeypatch):
    program(programs, "docker", "#!/bin/sh\necho 28.0.0\n")
    monkeypatch.setattr(docker, "_stop", lambda directory: pytest.fail("it is not ours"))
    engine = docker.machine_engine()
    assert engine.client == programs / "docker"
    engine.release()


def test_an_engine_elsewhere_cannot_build(monkeypatch):
    assert "not on this machine" in docker.fit_for_building(Docker(Path("docker"), "tcp://elsewhere:2376"))


def test_an_engine_that_cannot_run_privileged_containers_cannot_build(programs, monkeypatch):
    client = program(programs, "docker", "#!/bin/sh\necho runc\n")
    monkeypatch.setattr(docker, "lacks_capability", lambda: True)
    assert "CAP_SYS_RESOURCE" in docker.fit_for_building(Docker(client))
    monkeypatch.setattr(docker, "lacks_capability", lambda: False)
    assert docker.fit_for_building(Docker(client)) == ""


@pytest.mark.parametrize(("bounding_set", "lacks"), [("000001fffeffffff", True), ("000001ffffffffff", False)])
def test_the_bounding_set_tells_of_a_missing_capability(tmp_path, bounding_set, lacks):
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapBnd:\t{bounding_set}\n")
    assert docker.lacks_capability(status=status) is lacks


def test_an_engine_of_its_own_needs_root(cache, monkeypatch):
    monkeypatch.setattr(docker.os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="only root can start one"):
        docker.start_own(cache)


def test_a_path_that_is_too_long_for_a_socket_is_refused(tmp_path, machine):
    with pytest.raises(UsageError, match="too long for a Unix socket"):
        docker.start_own(Cache(tmp_path / ("long" * 20), Silent()))


def test_an_engine_of_its_own_is_shared_and_stopped_by_its_last_user(cache, machine):
    first = docker.start_own(cache)
    address = cache.root / "docker" / "docker.sock"
    assert first.host == first.environment["DOCKER_HOST"] == f"unix://{address}"
    second = docker.start_own(cache)
    first.release()
    assert docker.answers(address), "the second run still uses it"
    second.release()
    assert not docker.answers(address)
    assert not address.exists()
    second.release()  # does no harm


def test_an_engine_with_a_kept_cluster_is_left_running(cache, machine):
    engine = docker.start_own(cache)
    engine.release(keep=True)
    assert docker.answers(cache.root / "docker" / "docker.sock")
    docker.stop_own(cache.root)
    assert not docker.answers(cache.root / "docker" / "docker.sock")


def test_an_engine_in_which_something_runs_is_left_running(cache, machine, programs):
    program(programs, "docker", "#!/bin/sh\n[ $1 != ps ] || echo 0123456789ab\n")
    engine = docker.start_own(cache)
    engine.release()
    assert docker.answers(cache.root / "docker" / "docker.sock")
    docker.stop_own(cache.root)


def test_what_a_killed_engine_left_is_no_obstacle(cache, machine):
    directory = cache.root / "docker"
    directory.mkdir(parents=True)
    (directory / "docker.sock").touch()
    (directory / "dockerd.pid").write_text(str(os.getpid()))  # the number belongs to another process now
    (directory / "launched").write_text("not a number")
    engine = docker.start_own(cache)
    assert docker.answers(directory / "docker.sock")
    engine.release()


def test_an_engine_that_does_not_start_says_why(cache, machine, programs):
    program(
        programs,
        "dockerd",
        "#!/bin/sh\necho 'level=info msg=Starting'\necho 'failed to start daemon: iptables failed'\n",
    )
    with pytest.raises(HarnessError, match="failed to start daemon: iptables failed") as error:
        docker.start_own(cache)
    assert "update-alternatives" in error.value.remedy
    assert locks.try_lock(cache.root / "docker" / "users.lock"), "it is not counted as a user"


def test_a_client_that_the_engine_refuses_is_not_used(cache, machine, programs, tmp_path, monkeypatch):
    new = program(tmp_path / "new", "docker", "#!/bin/sh\necho 'client version is too new' >&2\nexit 1\n")
    monkeypatch.setenv("PATH", f"{new.parent}:{os.environ['PATH']}")
    engine = docker.start_own(cache)
    assert engine.client == programs / "docker"
    first_on_path = Path(engine.environment["PATH"].partition(":")[0])
    assert (first_on_path / "docker").resolve() == engine.client, "kind looks for docker on PATH"
    engine.release()


def test_the_wrapper_is_the_runtime_only_where_the_capability_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(docker, "lacks_capability", lambda: False)
    assert "default-runtime" not in docker._configuration(tmp_path)
    monkeypatch.setattr(docker, "lacks_capability", lambda: True)
    configuration = docker._configuration(tmp_path)
    assert configuration["default-runtime"] == "runc-wrap"
    assert os.access(configuration["runtimes"]["runc-wrap"]["path"], os.X_OK)


@pytest.fixture
def wrapper():
    """The program images/runc-wrap as a module."""
    loader = importlib.machinery.SourceFileLoader("runc_wrap", str(docker.RUNC_WRAP))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("runc_wrap", loader))
    loader.exec_module(module)
    return module


def become(wrapper, monkeypatch, *arguments):
    """Call the wrapper and return the command line that it would become."""
    became = []
    monkeypatch.setattr(wrapper.shutil, "which", lambda name, path: "/usr/sbin/runc")
    monkeypatch.setattr(wrapper.os, "execv", lambda path, words: became.append(words))
    wrapper.main([str(word) for word in arguments])
    return became[0]


@pytest.mark.parametrize("option", [["--bundle"], ["-b"]])
def test_the_wrapper_drops_the_capability_when_a_container_is_made(wrapper, monkeypatch, tmp_path, option):
    sets = {"bounding": ["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"], "effective": ["CAP_SYS_RESOURCE"]}
    (tmp_path / "config.json").write_text(json.dumps({"process": {"capabilities": sets}, "other": 1}))
    words = ["--log", "/log", "create", *option, tmp_path, "name"]
    assert become(wrapper, monkeypatch, *words) == ["/usr/sbin/runc", *map(str, words)]
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "process": {"capabilities": {"bounding": ["CAP_SYS_ADMIN"], "effective": []}},
        "other": 1,
    }


def test_the_wrapper_drops_the_capability_when_a_process_joins(wrapper, monkeypatch, tmp_path):
    process = tmp_path / "process.json"
    process.write_text(json.dumps({"capabilities": {"bounding": ["CAP_SYS_RESOURCE"]}}))
    become(wrapper, monkeypatch, "exec", f"--process={process}", "name")
    assert json.loads(process.read_text()) == {"capabilities": {"bounding": []}}


def test_the_wrapper_leaves_everything_else_alone(wrapper, monkeypatch, tmp_path):
    process = tmp_path / "process.json"
    process.write_text('{"capabilities": null}')
    become(wrapper, monkeypatch, "exec", "--process", process, "name")
    assert process.read_text() == '{"capabilities": null}'
    assert become(wrapper, monkeypatch, "kill", "name", "9") == ["/usr/sbin/runc", "kill", "name", "9"]
