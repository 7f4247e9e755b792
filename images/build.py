"""The sealed build: every program, image and node from package registries alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fixtures import process
from fixtures.errors import UsageError
from fixtures.locks import Cancelled
from images import base, golang, uv
from images.cache import Cache, key_of
from images.docker import Docker
from images.versions import Image, Program, airflow_cut_off, load

RECIPES = Path(__file__).parent
PREFIX = "airflow-conformance-build"
"""Repository of everything that is built, so that the machine's own images are left alone."""
_BUILD_DEADLINE = 1800.0
_SITE_DEADLINE = 1200.0
_CLIENTS = ("kind", "helm", "sealed-secrets")


@dataclass
class Plan:
    """The keys of everything that a cluster with some versions of Airflow and of the chart needs.

    Attributes:
        images: recipes in an order in which they can be built.
        keys: image → key.
        programs: programs to build, those first that most others wait for.
    """

    images: list[Image]
    keys: dict[str, str] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)

    @classmethod
    def of(cls, airflow_versions: Iterable[str], chart_versions: Iterable[str]) -> Plan:
        """Read the recipes.

        Raises:
            UsageError: there is no recipe for a version of Airflow.
        """
        known = load().programs
        plan = cls(load().recipes(airflow_versions, chart_versions), {"base": base.key()})
        for image in plan.images:
            plan.keys[image.name] = image_key(image, plan.keys.get(image.start, ""))
        needed = dict.fromkeys([*(name for image in plan.images for name in image.programs), *_CLIENTS])
        plan.programs = [known[name] for name in needed]
        return plan

    def tag(self, name: str) -> str:
        """Name of an image in the engine."""
        return f"{PREFIX}/{name}:{self.keys[name]}"

    def machine_only(self) -> Plan:
        """The plan without what the storage of nodes already has: the node and the programs of this machine remain."""
        images = [image for image in self.images if image.role == "machine"]
        needed = {*_CLIENTS, *(name for image in images for name in image.programs)}
        return Plan(images, self.keys, [program for program in self.programs if program.name in needed])

    @property
    def in_cluster(self) -> list[Image]:
        """Images that run in the cluster, without the node itself."""
        return [image for image in self.images if image.published]


def image_key(image: Image, start: str) -> str:
    """Key of an image: its recipe, what it starts from, and what is put into its context."""
    programs = load().programs
    return key_of(
        start,
        [path for path in sorted((RECIPES / image.recipe).iterdir()) if not path.name.startswith("requirements-")],
        *(golang.key(programs[name]) + ",".join(executables) for name, executables in image.programs.items()),
        *(f"{name}={value}" for name, value in image.arguments.items()),
        site_key(image.airflow) if image.airflow else "",
    )


def build_all(cache: Cache, docker: Docker, plan: Plan) -> dict[str, Path]:
    """Build whatever is missing of a plan.

    Compiling keeps every core busy, so programs are built one after the other; what mostly waits for the network goes
    on beside it.

    Returns:
        program → directory with its executables.

    Raises:
        the first error of any step; the other steps are ended.
    """
    with ThreadPoolExecutor(1, "go") as compiling, ThreadPoolExecutor(2, "images") as fetching:
        programs = {program.name: compiling.submit(golang.build, cache, program) for program in plan.programs}
        sites = {
            image.airflow: fetching.submit(site, cache, image.airflow)
            for image in plan.images
            if image.airflow and not docker.image_id(plan.tag(image.name))
        }
        # A worker waits only for what was submitted before, so the two of them cannot wait for each other.
        images: dict[str, Future[str]] = {}
        if not all(docker.image_id(plan.tag(image.name)) for image in plan.images):
            images["base"] = fetching.submit(import_base, cache, docker, plan)
        same: dict[str, Future[str]] = {}
        for image in sorted(plan.images, key=lambda image: _waits_for_programs(image, plan)):
            key = plan.keys[image.name]
            if key in same:
                images[image.name] = fetching.submit(name_again, docker, same[key], plan.tag(image.name))
                continue
            context = [sites[image.airflow]] if image.airflow in sites else []
            start = images.get(image.start)
            images[image.name] = fetching.submit(
                build_image, cache, docker, plan, image, start, [programs[name] for name in image.programs], context
            )
            same[key] = images[image.name]
        _finish(cache, [*programs.values(), *sites.values(), *images.values()])
        return {name: future.result() for name, future in programs.items()}


def import_base(cache: Cache, docker: Docker, plan: Plan) -> str:
    """Return the name of the base image, making it first where it is missing."""
    tag = plan.tag("base")
    if not docker.image_id(tag):
        archive = base.archive(cache)
        docker.run("import", archive, tag, deadline=_BUILD_DEADLINE, cancelled=cache.cancelled)
    return tag


def build_image(
    cache: Cache,
    docker: Docker,
    plan: Plan,
    image: Image,
    start: Future[str] | None,
    programs: Sequence[Future[Path]],
    packages: Sequence[Future[Path]],
) -> str:
    """Return the name of an image, building it first where it is missing.

    Args:
        start: the image that it starts from; None for none.
        programs: directories of the executables that the recipe names, in its order.
        packages: directory `site` with the packages of Airflow, for its image only.

    Raises:
        CommandFailed: a step of its Dockerfile failed.
    """
    tag = plan.tag(image.name)
    if docker.image_id(tag):
        return tag
    parts = [
        directory.result() / executable
        for directory, executables in zip(programs, image.programs.values(), strict=True)
        for executable in executables
    ]
    parts += [directory.result() / "site" for directory in packages]
    arguments = {**image.arguments, **({"BASE": start.result()} if start else {})}
    build_context(cache, docker, tag, RECIPES / image.recipe, parts, arguments)
    return tag


def name_again(docker: Docker, image: Future[str], tag: str) -> str:
    """Give an image one more name: a stand-in takes the place of several versions of what it stands for."""
    if not docker.image_id(tag):
        docker.run("tag", image.result(), tag)
    return tag


def build_context(
    cache: Cache, docker: Docker, tag: str, recipe: Path, parts: Iterable[Path], arguments: dict[str, str]
) -> None:
    """Build one Dockerfile, with files and directories put beside it.

    Raises:
        CommandFailed: a step of the Dockerfile failed.
    """
    name = tag.removeprefix(f"{PREFIX}/").partition(":")[0]
    context = cache.root / "contexts" / tag.replace("/", "_").replace(":", "_")

    def follow(line: str) -> None:
        if line.startswith("Step "):
            cache.reporter.waiting(f"image {name}: {line}")

    with cache.lock(context.with_name(f"{context.name}.lock"), f"image {name}"):
        if docker.image_id(tag):
            return
        cache.reporter.step(f"image {name}: building")
        shutil.rmtree(context, ignore_errors=True)  # of a build that was killed
        try:
            shutil.copytree(recipe, context)
            for part in parts:
                link_tree(part, context / part.name)
            docker.run(
                *["build", "--network", "host", "--force-rm", "--tag", tag],
                *(f"--build-arg={name}={value}" for name, value in {**base.proxies(), **arguments}.items()),
                context,
                deadline=_BUILD_DEADLINE,
                on_line=follow,
                cancelled=cache.cancelled,
                remedy="what the step says is above; package sources come from the machine's apt configuration",
            )
        finally:
            shutil.rmtree(context, ignore_errors=True)
        if cache.cancelled.is_set():
            raise Cancelled(f"image {name} was not finished")


def link_tree(source: Path, target: Path) -> None:
    """Copy a file or a tree by hard links: at once, and without room."""
    process.run(["cp", "--archive", "--link", source, target], deadline=_BUILD_DEADLINE)


def requirements(version: str) -> Path:
    """The locked packages of a version of Airflow.

    Raises:
        UsageError: there are none.
    """
    airflow_cut_off(version)
    path = RECIPES / "airflow" / f"requirements-{version}.txt"
    if not path.exists():
        raise UsageError(f"{path} is missing", "`make reproduce-lock` makes it")
    return path


def site_key(version: str) -> str:
    """Key of the packages of a version of Airflow."""
    return key_of("site for Python 3.11", requirements(version))


def site(cache: Cache, version: str) -> Path:
    """Return a directory with `site`, the packages of Airflow for Debian's Python 3.11, installing them where missing.

    Raises:
        CommandFailed: a package cannot be had, or its digest is another one.
    """
    return packages(cache, "site", site_key(version), f"airflow {version}", requirements(version))


def packages(cache: Cache, name: str, key: str, title: str, lock: Path) -> Path:
    """Return a directory with `site`, locked packages for Debian's Python 3.11, installing them where missing.

    Args:
        name: of the artifact.
        key: over everything that decides its content.
        title: what the packages are for, for people.
        lock: requirements with digests.

    Raises:
        CommandFailed: a package cannot be had, or its digest is another one.
    """

    def install(directory: Path) -> None:
        cache.reporter.step(f"{title}: installing packages")
        process.run(
            # hashes are demanded of every package; python-nvd3 has no wheel, so one is built from its source
            [*uv.INSTALL, "--python-version", "3.11", "--target", directory / "site", "-r", lock],
            deadline=_SITE_DEADLINE,
            env=uv.environment(cache.root),
            cancelled=cache.cancelled,
            remedy=uv.REMEDY,
        )

    return cache.artifact(name, key, install)


def _waits_for_programs(image: Image, plan: Plan) -> bool:
    """Whether an image, or one that it starts from, needs an executable."""
    started_from = next((other for other in plan.images if other.name == image.start), None)
    return bool(image.programs) or (started_from is not None and _waits_for_programs(started_from, plan))


def _finish(cache: Cache, steps: list[Future[Any]]) -> None:
    """Wait for every step; the first failure, or Ctrl-C, ends the others."""
    try:
        done, _ = wait(steps, return_when=FIRST_EXCEPTION)
        for step in done:
            step.result()
    except BaseException:
        cache.cancelled.set()
        for step in steps:
            step.cancel()
        raise
