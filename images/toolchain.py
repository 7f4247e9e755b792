"""Everything a cluster is made of: programs and images, pulled where that is possible, built where it is not."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fixtures import process
from fixtures.errors import HarnessError, UsageError
from fixtures.report import Image as ReportedImage
from images import build, golang, node
from images import docker as engines
from images.cache import Cache, Reporter, key_of
from images.docker import Docker
from images.versions import Image, load

Mode = Literal["pull", "build"]
Client = Literal["kind", "helm", "kubectl", "kubeseal"]
_PROBE_DEADLINE = 10.0
_PULL_DEADLINE = 1800.0
_VERSION_DEADLINE = 20.0


@dataclass(frozen=True)
class Clients:
    """Programs with which the suite talks to a cluster.

    Attributes:
        kubeseal: None where it is not at hand: one requirement needs it, and only where a cluster unseals at all, so it
            is not built for a cluster that is there.
    """

    helm: Path
    kubectl: Path
    kubeseal: Path | None


@dataclass(frozen=True)
class Toolchain:
    """What a cluster is made of.

    Attributes:
        mode: how the images came about.
        images: images that run in the cluster, with digest and origin.
        node_image: image of the kind node.
        store: directory with the storage that every node starts from; None where images are loaded into it.
    """

    kind: Path
    helm: Path
    kubectl: Path
    kubeseal: Path
    docker: Docker
    mode: Mode
    images: list[ReportedImage]
    node_image: str
    store: Path | None

    @property
    def docker_host(self) -> str:
        """Address of the engine; empty for the client's own default."""
        return self.docker.host

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which kind and docker reach the engine that holds the node."""
        return {"KIND_EXPERIMENTAL_PROVIDER": "docker", **self.docker.environment}

    def release(self, *, keep: bool = False) -> None:
        """Let go of the engine; one that the suite started stops with its last user.

        Args:
            keep: leave it running, for a cluster that is kept.
        """
        self.docker.release(keep=keep)


@dataclass(frozen=True)
class Choice:
    """Whether images are pulled or built, why, and by which engine; None when the suite must start one."""

    mode: Mode
    reason: str
    docker: Docker | None


def prepare(
    mode: Literal["auto", "pull", "build"],
    progress: Reporter,
    cache: Path,
    *,
    airflow_versions: Sequence[str] = ("2.9.0",),
    chart_versions: Sequence[str] = ("1.15.0",),
) -> Toolchain:
    """Make sure that everything a cluster needs is there.

    Args:
        mode: `auto` pulls where an engine answers and registries can be reached, and builds otherwise.
        progress: told what is chosen, and every step.
        cache: the suite's cache directory.
        airflow_versions: versions of Airflow whose images the cluster needs.
        chart_versions: versions of the chart that are installed in it, one after the other or side by side.

    Returns:
        The tools; the caller calls `release` when the cluster is gone.

    Raises:
        UsageError: what was asked for is impossible on this machine.
        HarnessError: an image could not be pulled, or a step of the build failed.
    """
    shared = Cache(cache, progress, threading.Event())
    shared.sweep()
    recipes = load().recipes(airflow_versions, chart_versions)
    wanted = [image for image in recipes if image.role in ("workload", "own")]
    choice = choose(mode, [image.published for image in wanted if image.role == "workload"])
    progress.step(f"images: {'pulling' if choice.mode == 'pull' else 'building'} ({choice.reason})")
    if choice.mode == "pull":
        assert choice.docker is not None
        return pull(shared, choice.docker, wanted)
    docker = choice.docker or engines.start_own(shared)
    try:
        return built(shared, docker, airflow_versions, chart_versions)
    except BaseException:
        docker.release()
        raise


def choose(mode: Literal["auto", "pull", "build"], published: Sequence[str]) -> Choice:
    """Decide between pulling and building.

    Raises:
        UsageError: pulling was asked for, and no engine answers.
    """
    engine = engines.machine_engine()
    if mode == "pull":
        if isinstance(engine, str):
            raise UsageError(f"IMAGES=pull needs a Docker engine: {engine}", "start Docker, or use IMAGES=build")
        return Choice("pull", "IMAGES=pull", engine)
    reason = "IMAGES=build"
    if mode == "auto":
        reason = engine if isinstance(engine, str) else unreachable(engine, published)
        if not reason:
            assert isinstance(engine, Docker)
            return Choice("pull", "a Docker engine answers and the registries can be reached", engine)
    if isinstance(engine, str):
        return Choice("build", reason, None)
    unfit = engines.fit_for_building(engine)
    return Choice("build", f"{reason}; {unfit}" if unfit else reason, None if unfit else engine)


def unreachable(docker: Docker, published: Sequence[str]) -> str:
    """Return why images cannot be pulled; empty when they can, or need not.

    One image of every registry is asked for, and only those that the engine does not have yet.
    """
    missing = {registry(name): name for name in published if not docker.image_id(name)}
    for name in missing.values():
        try:
            result = docker.run("manifest", "inspect", name, deadline=_PROBE_DEADLINE, check=False)
        except process.CommandTimedOut:
            return f"{registry(name)} did not answer within {_PROBE_DEADLINE:g} s"
        if result.code != 0:
            return f"{name} cannot be had from {registry(name)}: {engines.last_line(result.output)}"
    return ""


def registry(name: str) -> str:
    """Registry of an image, for example `docker.io`."""
    return node.full_name(name).partition("/")[0]


def pull(cache: Cache, docker: Docker, wanted: Sequence[Image]) -> Toolchain:
    """Pull the published images, build the suite's own one, and find or build the programs.

    Raises:
        HarnessError: an image could not be pulled; it and the reason are named.
    """
    versions = load()
    with ThreadPoolExecutor(3, "pull") as pool:
        names = [versions.kindest_node, *(image.published for image in wanted if image.role == "workload")]
        try:
            _, *pulled = pool.map(lambda name: pull_image(cache, docker, name), names)
        except BaseException:
            cache.cancelled.set()  # the others would go on for as long as they take
            raise
    return Toolchain(
        kind=find("kind", cache),
        helm=find("helm", cache),
        kubectl=find("kubectl", cache),
        kubeseal=find("kubeseal", cache),
        docker=docker,
        mode="pull",
        images=[*pulled, *(build_own(cache, docker, image) for image in wanted if image.role == "own")],
        node_image=versions.kindest_node,
        store=None,
    )


def pull_image(cache: Cache, docker: Docker, name: str) -> ReportedImage:
    """Pull one image, unless the engine has it.

    Raises:
        HarnessError: it could not be pulled.
    """
    if not docker.image_id(name):
        cache.reporter.step(f"pulling {name}")
        try:
            docker.run("pull", "--quiet", name, deadline=_PULL_DEADLINE, cancelled=cache.cancelled)
        except process.CommandFailed as error:
            raise HarnessError(
                f"the image {name} cannot be pulled: {engines.last_line(error.result.output)}",
                "check name and access; IMAGES=build builds it instead",
            ) from error
    inspected = docker.run("image", "inspect", "--format", "{{json .RepoDigests}}", name)
    digests: list[str] = json.loads(inspected.stdout)
    if not digests:  # made on this machine, and never seen by a registry
        return ReportedImage(name=name, digest=docker.image_id(name), origin="found")
    return ReportedImage(name=name, digest=digests[0].partition("@")[2], origin="pulled")


def build_own(cache: Cache, docker: Docker, image: Image) -> ReportedImage:
    """Build an image of the suite's own on a published one."""
    recipe = build.RECIPES / image.recipe
    tag = f"{build.PREFIX}/{image.name}:{key_of(recipe, image.public)}"
    if not docker.image_id(tag):
        build.build_context(cache, docker, tag, recipe, [], {"BASE": image.public})
    docker.run("tag", tag, image.published)
    return ReportedImage(name=image.published, digest=docker.image_id(tag), origin="built")


def built(cache: Cache, docker: Docker, airflow_versions: Sequence[str], chart_versions: Sequence[str]) -> Toolchain:
    """Build whatever the cache does not have.

    Raises:
        HarnessError: a step of the build failed.
    """
    plan = build.Plan.of(airflow_versions, chart_versions)
    stored = cache.path("node-store", node.store_key(plan)).exists()
    if not stored:
        cache.prune("node-store")  # what room it makes is needed now
    programs = build.build_all(cache, docker, plan.machine_only() if stored else plan)
    store = node.store(cache, docker, plan)
    cache.prune("node-store")
    return Toolchain(
        kind=programs["kind"] / "kind",
        helm=programs["helm"] / "helm",
        kubectl=programs["kubernetes"] / "kubectl",
        kubeseal=programs["sealed-secrets"] / "kubeseal",
        docker=docker,
        mode="build",
        images=node.images_of(store),
        node_image=plan.tag("node"),
        store=store,
    )


def enforcer(progress: Reporter, cache: Path) -> Path:
    """Return the program with which a built node enforces NetworkPolicies, building it first where it is missing.

    Raises:
        CommandFailed: it could not be built.
    """
    return golang.build(Cache(cache, progress, threading.Event()), load().programs["kube-router"]) / "kube-router"


def clients(progress: Reporter, cache: Path) -> Clients:
    """Find, or build, the programs with which an existing cluster is looked at.

    Raises:
        HarnessError: a program is not there and could not be built.
    """
    shared = Cache(cache, progress, threading.Event())
    return Clients(helm=find("helm", shared), kubectl=find("kubectl", shared), kubeseal=at_hand("kubeseal", shared))


def find(name: Client, cache: Cache) -> Path:
    """Return a program: one that is at hand, or a new one."""
    return at_hand(name, cache) or golang.build(cache, load().programs[name]) / name


def at_hand(name: Client, cache: Cache) -> Path | None:
    """A program: the suite's own if it was built before, or one on PATH of a suitable version; None without either."""
    if built_before := own(name, cache):
        return built_before
    found = shutil.which(name)
    return Path(found) if found and suitable(name, Path(found)) else None


def own(name: Client, cache: Cache) -> Path | None:
    """A program that the suite built before; None if it did not."""
    programs = load().programs
    for program in (*_BUILT_WITH.get(name, ()), name):
        place = cache.path(f"program-{program}", golang.key(programs[program])) / name
        if place.exists():
            return place
    return None


def make(name: Client, cache: Cache) -> Path:
    """A program of the pinned version, whatever is on PATH; built where it was not before.

    Raises:
        CommandFailed: it could not be built.
    """
    return own(name, cache) or golang.build(cache, load().programs[name]) / name


_BUILT_WITH: dict[str, tuple[str, ...]] = {"kubectl": ("kubernetes",), "kubeseal": ("sealed-secrets",)}
"""Programs that are built together with those of an image, by their names in versions.yaml."""

# Oldest and first unsuitable version: kind must know the node image, Helm 4 has other options, kubectl may differ from
# the cluster by some versions without harm to what the suite asks of it, and before 0.7 kubeseal sealed otherwise.
_SUITABLE: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "kind": ((0, 27), (1, 0)),
    "helm": ((3, 12), (4, 0)),
    "kubectl": ((1, 29), (2, 0)),
    "kubeseal": ((0, 7), (1, 0)),
}
_ASK_VERSION = {
    "kind": ("version", "--quiet"),
    "helm": ("version", "--template", "{{.Version}}"),
    "kubectl": ("version", "--client", "--output=json"),
    "kubeseal": ("--version",),
}


def suitable(name: str, path: Path) -> bool:
    """Whether an executable that was found can do the job."""
    try:
        result = process.run([path, *_ASK_VERSION[name]], deadline=_VERSION_DEADLINE, check=False)
    except HarnessError:
        return False
    match = re.search(r"v?(\d+)\.(\d+)\.\d+", result.stdout)
    oldest, too_new = _SUITABLE[name]
    return result.code == 0 and match is not None and oldest <= (int(match[1]), int(match[2])) < too_new
