"""`make image`: an image of the suite, with which it runs inside a cluster.

It is made like every other image of the suite, so it comes about with registries and without: on the published Debian
where that can be pulled, and on one from package sources elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fixtures import exits, settings, version
from fixtures.errors import HarnessError
from fixtures.paths import NAME, ROOT, cache_dir
from fixtures.progress import Progress
from images import base, build, toolchain
from images import docker as engines
from images.cache import Cache, key_of
from images.docker import Docker

RECIPE = build.RECIPES / "suite"
LOCK = RECIPE / "requirements.txt"
PUBLIC = "debian:bookworm-slim"
CONTENT = ("conftest.py", "conformance", "fixtures", "images", "manifests", "pyproject.toml")
"""What of the checkout is in the image."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")
_PUSH_DEADLINE = 1800.0


class Options(BaseModel):
    """Options of `make image`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    IMAGES: Literal["auto", "pull", "build"] = Field(
        "auto", description="pull the published images, or build every one from package registries"
    )
    TAG: str = Field(
        f"{NAME}:{version.number()}",
        pattern=r"^[a-z0-9][a-z0-9._:/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$",
        description="`make image`: name of the image, for example registry/airflow-conformance:1",
    )
    PUSH: bool = Field(False, description="`make image`: 1 pushes it to the registry that TAG names")
    ARCHIVE: Annotated[Path | None, BeforeValidator(settings.new_file)] = Field(
        None, description="`make image`: file that gets the image, for `docker load` or `kind load image-archive`"
    )


def main() -> int:
    """Make the image, and push or save it where that is asked for."""

    def do() -> int:
        with contextlib.closing(Progress()) as progress:
            make(settings.read(Options, os.environ), Cache(cache_dir(), progress, threading.Event()))
        return 0

    return exits.ended(do)


def make(options: Options, cache: Cache) -> None:
    """Make the image and say what can be done with it.

    Raises:
        UsageError: this machine can neither pull nor build.
        HarnessError: a step of the build failed, or the registry refused the image.
    """
    choice = toolchain.choose(options.IMAGES, [PUBLIC])
    cache.reporter.step(
        f"image of the suite on {PUBLIC if choice.mode == 'pull' else 'a base of its own'}: {choice.reason}"
    )
    docker = choice.docker or engines.start_own(cache)
    try:
        start = (
            PUBLIC if choice.mode == "pull" else build.import_base(cache, docker, build.Plan([], {"base": base.key()}))
        )
        docker.run("tag", built(cache, docker, start), options.TAG)
        size = docker.run("image", "inspect", "--format", "{{.Size}}", options.TAG).stdout.strip()
        cache.reporter.step(f"image {options.TAG}, {int(size) / 1e6:.0f} MB")
        if options.ARCHIVE:
            docker.run("save", "--output", options.ARCHIVE, options.TAG, deadline=_PUSH_DEADLINE)
            cache.reporter.step(f"saved as {options.ARCHIVE}: `docker load --input`, `kind load image-archive`")
        if options.PUSH:
            push(docker, options.TAG)
            cache.reporter.step(f"pushed {options.TAG}")
        for line in [] if options.PUSH or options.ARCHIVE else how_to_go_on(docker, options.TAG):
            cache.reporter.step(line)
    finally:
        docker.release()


def built(cache: Cache, docker: Docker, start: str) -> str:
    """Return the name of the image on a base, building it first where it is missing."""
    programs = [toolchain.make("kubectl", cache), toolchain.make("helm", cache)]
    content = [ROOT / name for name in CONTENT]
    revision = version.revision()
    key = key_of(start, RECIPE, *content, *(path.parent.name for path in programs), revision)
    tag = f"{build.PREFIX}/suite:{key}"
    if not docker.image_id(tag):
        site = build.packages(cache, "suite-site", key_of("Python 3.11", LOCK), "the suite", LOCK)
        checkout = cache.artifact("suite-checkout", key_of(*content), copy_checkout)
        parts = [*programs, site / "site", checkout / "checkout"]
        build.build_context(cache, docker, tag, RECIPE, parts, {"BASE": start, "REVISION": revision})
        cache.prune("suite-checkout")
    return tag


def copy_checkout(directory: Path) -> None:
    """Copy what a run needs; the build links it, and the checkout may be on another file system than the cache."""
    place = directory / "checkout"
    place.mkdir()
    for name in CONTENT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=_LEFT_OUT)
        else:
            shutil.copy(source, place / name)


def push(docker: Docker, tag: str) -> None:
    """Push an image with the credentials of the docker client.

    Raises:
        HarnessError: the registry refused it, or could not be reached.
    """
    result = docker.run("push", tag, deadline=_PUSH_DEADLINE, check=False)
    if result.code != 0:
        raise HarnessError(
            f"{tag} cannot be pushed: {engines.last_line(result.output)}",
            "`docker login` to the registry that TAG names; TAG=registry/path:version",
        )


def how_to_go_on(docker: Docker, tag: str) -> list[str]:
    """What one can do with the image that is in an engine."""
    if docker.own is not None:
        return [
            "the engine that holds it is the suite's own and stops now: PUSH=1 pushes it, ARCHIVE=file.tar saves it"
        ]
    return [f"docker push {tag} (PUSH=1 does it; name the registry with TAG=)"]


if __name__ == "__main__":
    sys.exit(main())
