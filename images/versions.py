"""The versions and recipes of versions.yaml."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from fixtures.chart import newest_until
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
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.name.removesuffix(f'-{self.version}')} {self.version}"

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


class Beside(Strict):
    """Versions of what a version of the chart runs beside Airflow."""

    git_sync: str
    statsd_exporter: str
    redis: str


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
    sealed_secrets: str
    kube_router: str
    airflow: dict[str, date]
    charts: dict[str, Beside]
    programs: dict[str, Program]
    images: dict[str, dict[str, Any]]
    node: dict[str, dict[str, Any]]

    def recipes(self, airflow_versions: Iterable[str], chart_versions: Iterable[str]) -> list[Image]:
        """Every image of a cluster with some versions of Airflow and the chart, in an order in which they can be built.

        A version of the chart that versions.yaml does not have takes what the one before it takes.
        """
        needed = {"airflow": dict.fromkeys(airflow_versions)}
        for version in chart_versions:
            for name, chosen in self.charts[newest_until(version, self.charts)].model_dump().items():
                needed.setdefault(name, {})[chosen] = None
        described = [
            *((name, {"role": "machine", **description}) for name, description in self.node.items()),
            *self.images.items(),
        ]
        found: dict[str, Image] = {}
        for name, description in described:
            for image in self._images(name, description, needed):
                found.setdefault(image.published or image.name, image)
        return list(found.values())

    def _images(self, name: str, description: dict[str, Any], needed: Mapping[str, Iterable[str]]) -> Iterator[Image]:
        """One image, or one for each version that is needed."""
        each, rest = description.get("each"), {key: value for key, value in description.items() if key != "each"}
        if each is None:
            yield self._image(name, {"recipe": name, **rest}, {})
        else:
            for version in needed[each]:
                yield self._image(f"{name}-{version}", {"recipe": name, **rest}, {each: version})

    def _image(self, name: str, description: dict[str, Any], chosen: Mapping[str, str]) -> Image:
        named = {"kubernetes", "etcd", "coredns", "pause", "sealed_secrets"}
        known = {**self.model_dump(include=named), **chosen}
        filled = {
            "published": description.get("published", "").format_map(known),
            "programs": {key.format_map(known): value for key, value in description.get("programs", {}).items()},
            "arguments": {key: value.format_map(known) for key, value in description.get("arguments", {}).items()},
        }
        return Image(**{"name": name, **description, **filled, "airflow": chosen.get("airflow", "")})


@functools.cache
def load() -> Versions:
    """Read versions.yaml."""
    data: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return Versions(**{**data, "programs": dict(_programs(data))})


def _programs(data: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every program by its name, with its version in place of the version's name."""
    for name, program in data["programs"].items():
        decided = program["version"]
        if decided in data:
            versions = {name: data[decided]}
        else:
            versions = {f"{name}-{chart[decided]}": chart[decided] for chart in data["charts"].values()}
        for full_name, version in versions.items():
            yield full_name, {"name": full_name, "module": full_name, **program, "version": version}


def airflow_cut_off(version: str) -> date:
    """The date before which the packages of an Airflow version were published.

    Raises:
        UsageError: the sealed build does not know the version.
    """
    known = load().airflow
    if version not in known:
        raise UsageError(
            f"the sealed build has no recipe for Airflow {version}; it has {', '.join(known)}",
            "choose one of those with AIRFLOW=, in a scenario with FROM= and TO=, or pull images with IMAGES=pull",
        )
    return known[version]
