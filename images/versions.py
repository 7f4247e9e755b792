"""The versions and recipes of versions.yaml."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from fixtures.errors import UsageError

FILE = Path(__file__).parent / "versions.yaml"


class Strict(BaseModel):
    """A frozen part of versions.yaml in which nothing may be misspelt."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Program(Strict):
    """Executables from one Go module.

    Attributes:
        module: directory below images/go with go.mod, go.sum and sources, if any.
        version: version of the program.
        packages: import paths of the main packages.
        requires: module that sources of the suite's own are built on; empty for none.
        link: variables that the linker sets.
        rename: name of an executable as Go chooses it → name that it gets.
    """

    name: str
    module: str
    version: str
    packages: tuple[str, ...]
    requires: str = ""
    link: dict[str, str] = Field(default_factory=dict)
    rename: dict[str, str] = Field(default_factory=dict)

    @property
    def link_flags(self) -> list[str]:
        """`-X` flags for the Go linker."""
        major, minor = self.version.split(".")[:2]
        return [
            f"-X={variable}={value.format(version=self.version, major=major, minor=minor)}"
            for variable, value in self.link.items()
        ]


class Image(Strict):
    """One image that the suite builds.

    Attributes:
        recipe: directory below images/ with its Dockerfile.
        role: `node`, `workload`, `own`: see versions.yaml; `machine` for the node itself.
        published: name of the image in the cluster.
        start: name of the image that it starts from, `base` for the minimal Debian; empty for none.
        public: published image to start from instead of the base where registries can be reached.
        programs: program → its executables that the context needs.
        arguments: build arguments.
        airflow: version of Airflow whose packages the context needs; empty for none.
    """

    name: str
    recipe: str
    role: Literal["node", "workload", "own", "machine"]
    published: str = ""
    start: str = Field("", alias="from")
    public: str = ""
    programs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    arguments: dict[str, str] = Field(default_factory=dict)
    airflow: str = ""


class Versions(Strict):
    """The content of versions.yaml."""

    go: str
    debian: str
    kind: str
    kubernetes: str
    kindest_node: str
    etcd: str
    coredns: str
    pause: str
    helm: str
    statsd_exporter: str
    sealed_secrets: str
    airflow: dict[str, date]
    programs: dict[str, Program]
    images: dict[str, dict[str, Any]]
    node: dict[str, dict[str, Any]]

    def recipes(self, airflow_versions: Sequence[str]) -> list[Image]:
        """Every image of a cluster with some versions of Airflow, in an order in which they can be built."""
        described = [
            *((name, {"role": "machine", **description}) for name, description in self.node.items()),
            *self.images.items(),
        ]
        found = []
        for name, description in described:
            if name == "airflow":
                found += [
                    self._image(f"airflow-{v}", {"recipe": name, **description, "airflow": v}) for v in airflow_versions
                ]
            else:
                found.append(self._image(name, description))
        return found

    def _image(self, name: str, description: dict[str, Any]) -> Image:
        named = {"kubernetes", "etcd", "coredns", "pause", "statsd_exporter", "sealed_secrets"}
        known = self.model_dump(include=named)
        known["airflow"] = description.get("airflow", "")
        arguments = {key: value.format_map(known) for key, value in description.get("arguments", {}).items()}
        published = description.get("published", "").format_map(known)
        return Image(**{"name": name, "recipe": name, **description, "published": published, "arguments": arguments})


@functools.cache
def load() -> Versions:
    """Read versions.yaml."""
    data: dict[str, Any] = yaml.safe_load(FILE.read_text())
    programs = {
        name: {"name": name, "module": name, **program, "version": data[program["version"]]}
        for name, program in data["programs"].items()
    }
    return Versions(**{**data, "programs": programs})


def airflow_cut_off(version: str) -> date:
    """The date before which the packages of an Airflow version were published.

    Raises:
        UsageError: the sealed build does not know the version.
    """
    known = load().airflow
    if version not in known:
        raise UsageError(
            f"the sealed build has no recipe for Airflow {version}; it has {', '.join(known)}",
            "choose one of those with AIRFLOW=, or pull images with IMAGES=pull",
        )
    return known[version]
