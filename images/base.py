"""The minimal Debian that images are built on, made from the package sources that the machine itself uses."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from fixtures import apt, process
from fixtures.errors import UsageError
from images.cache import Cache, key_of, remove
from images.versions import load

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_DEADLINE = 1200.0
# In a mount namespace of its own, so that nothing stays mounted when it is killed.
_DEBOOTSTRAP = ("unshare", "--mount", "debootstrap", "--variant=minbase", "--include=ca-certificates")
_CONFIGURATION = """\
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
"""
# Settings of the machine's apt without which it would not reach, or not believe, its own mirror. Proxies are handed to
# each build instead, so that no image carries them.
_INHERITED = ("Acquire::Check-Date", "Acquire::Check-Valid-Until")


@dataclass(frozen=True)
class Source:
    """One line of a sources.list."""

    uri: str
    suite: str
    component: str


def key() -> str:
    """Key of the base: what it contains, not where that came from."""
    return key_of("debootstrap minbase", load().debian, "ca-certificates", _CONFIGURATION)


def archive(cache: Cache) -> Path:
    """Return a tar archive of the base's root, making it first where it is missing.

    Raises:
        UsageError: the machine has no package source for this Debian, or may not install debootstrap.
        CommandFailed: a package could not be had.
    """
    return cache.artifact("base", key(), lambda directory: _bootstrap(cache, directory)) / "root.tar"


def sources(suite: str) -> list[Source]:
    """The machine's own package sources for a release of Debian, its archive first.

    Raises:
        UsageError: there are none.
    """
    if shutil.which("apt-get") is None:
        raise UsageError("this machine has no apt-get, so no Debian image can be built", "use IMAGES=pull")
    listed = process.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        deadline=60,
    )
    wanted = (suite, f"{suite}-updates", f"{suite}-security")
    found = [Source(*line.split()) for line in listed.stdout.splitlines() if len(line.split()) == 3]
    found = [source for source in found if source.suite in wanted and source.component == "main"]
    found.sort(key=lambda source: wanted.index(source.suite))
    if not found or found[0].suite != suite:
        raise UsageError(
            f"the package sources of this machine have no Debian {suite}, from which images are built",
            "build on Debian 12, or use IMAGES=pull",
        )
    return found


def proxies() -> dict[str, str]:
    """Proxy variables of the machine: those of the environment, then those of apt."""
    found = {
        name: os.environ[name]
        for lower in ("http_proxy", "https_proxy", "no_proxy")
        for name in (lower, lower.upper())
        if os.environ.get(name)
    }
    for scheme in ("http", "https"):
        value = _apt_setting(f"Acquire::{scheme}::Proxy")
        if value and value != "DIRECT":
            found.setdefault(f"{scheme}_proxy", value)
    return found


def _bootstrap(cache: Cache, directory: Path) -> None:
    suite = load().debian
    known = sources(suite)
    if shutil.which("debootstrap") is None or not Path(KEYRING).exists():
        apt.install(
            ["debootstrap", "debian-archive-keyring"],
            "there is no debootstrap to build images with",
            cache.reporter.step,
            cancelled=cache.cancelled,
        )
    cache.reporter.step(f"debootstrap: Debian {suite}")
    root = directory / "root"
    process.run(
        [*_DEBOOTSTRAP, f"--keyring={KEYRING}", suite, str(root), known[0].uri],
        deadline=_DEADLINE,
        env=proxies(),
        on_line=lambda line: cache.reporter.waiting(f"debootstrap: {line.removeprefix('I: ')}"),
        cancelled=cache.cancelled,
        remedy="the machine's Debian mirror must be within reach: try `apt-get update`",
    )
    _configure(root, known)
    process.run(
        ["tar", "--directory", root, "--create", "--numeric-owner", "--file", directory / "root.tar", "."],
        deadline=_DEADLINE,
        cancelled=cache.cancelled,
    )
    remove(root)


def _configure(root: Path, known: list[Source]) -> None:
    """Let the base reach the packages that the machine reaches, while images are built."""
    lines = [f"deb {source.uri} {source.suite} {source.component}\n" for source in known]
    (root / "etc/apt/sources.list").write_text("".join(lines))
    inherited = [f'{name} "{value}";\n' for name in _INHERITED if (value := _apt_setting(name))]
    (root / "etc/apt/apt.conf.d/90build").write_text(_CONFIGURATION + "".join(inherited))
    if CA_BUNDLE.exists():
        shutil.copy(CA_BUNDLE, root / CA_BUNDLE.relative_to("/"))
    for cached in (root / "var/cache/apt/archives").glob("*.deb"):
        cached.unlink()


def _apt_setting(name: str) -> str:
    """Value of a setting of the machine's apt; empty when it is not set."""
    output = process.run(["apt-config", "shell", "VALUE", name], deadline=60, check=False).stdout
    return output.strip().removeprefix("VALUE=").strip("'")
