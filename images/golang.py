"""Programs from Go modules, built with a Go toolchain from PyPI, so that nothing needs to be installed."""

from __future__ import annotations

import os
from pathlib import Path

from fixtures import process
from images import uv
from images.cache import Cache, key_of
from images.versions import Program

RECIPES = Path(__file__).parent / "go"
TOOLCHAIN = RECIPES / "toolchain.txt"
_FLAGS = ("-v", "-mod=readonly", "-modcacherw", "-trimpath", "-buildvcs=false")
_DOWNLOAD_DEADLINE = 900.0
_BUILD_DEADLINE = 3600.0


def toolchain(cache: Cache) -> Path:
    """Return the root of the pinned Go toolchain, downloading it first where it is missing.

    Raises:
        CommandFailed: the package index does not have it, or its digest is another one.
    """

    def download(directory: Path) -> None:
        cache.reporter.step("go: downloading the toolchain")
        process.run(
            [*uv.INSTALL, "--no-deps", "--target", directory, "--requirement", TOOLCHAIN],
            deadline=_DOWNLOAD_DEADLINE,
            env=uv.environment(cache.root),
            cancelled=cache.cancelled,
            remedy=uv.REMEDY,
        )

    return cache.artifact("go", key_of(TOOLCHAIN), download) / "go"


def key(program: Program) -> str:
    """Key of a program's artifact: its locked modules, its packages, and the toolchain."""
    return key_of(TOOLCHAIN, RECIPES / program.module, *program.packages, *program.link_flags, *program.rename.values())


def build(cache: Cache, program: Program) -> Path:
    """Return the directory with a program's executables, building them first where they are missing.

    Raises:
        CommandFailed: a module cannot be downloaded, or does not compile.
    """

    def compile_into(directory: Path) -> None:
        root = toolchain(cache)
        cache.reporter.step(f"go: building {program.title}")
        link = " ".join(["-s", "-w", *program.link_flags])
        compiled = 0

        def count(line: str) -> None:
            nonlocal compiled
            if not line.startswith("go: "):
                compiled += 1
            cache.reporter.waiting(f"go: {program.name}, {compiled} packages compiled")

        process.run(
            [root / "bin" / "go", "build", *_FLAGS, "-ldflags", link, "-o", f"{directory}/", *program.packages],
            deadline=_BUILD_DEADLINE,
            env=environment(cache, root),
            cwd=RECIPES / program.module,
            on_line=count,
            cancelled=cache.cancelled,
            remedy="the sealed build needs a Go module proxy; see `go env GOPROXY` and your proxy settings",
        )
        for made, wanted in program.rename.items():
            (directory / made).rename(directory / wanted)

    return cache.artifact(f"program-{program.name}", key(program), compile_into)


def environment(cache: Cache, root: Path) -> dict[str, str]:
    """Variables of a Go build: everything it downloads and compiles stays in the suite's cache, unless told otherwise.

    The module proxy comes from the machine: GOPROXY, or Go's own configuration file.
    """
    return {
        "GOROOT": str(root),
        "GOPATH": str(cache.root / "go"),
        "GOCACHE": os.environ.get("GOCACHE") or str(cache.root / "go" / "build"),
        "GOMODCACHE": os.environ.get("GOMODCACHE") or str(cache.root / "go" / "pkg" / "mod"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
