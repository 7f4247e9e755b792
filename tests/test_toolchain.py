"""Pulling or building: the decision, the pulls, and what the recipes say."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fixtures.errors import HarnessError, UsageError
from images import base, build, docker, golang, node, toolchain
from images.build import Plan
from images.docker import Docker
from images.versions import airflow_cut_off, load
from tests.caching import Said

REFERENCE = (["2.9.0"], ["1.15.0"])
"""Versions of Airflow and of the chart in a cluster that nobody asked for anything else."""
PUBLISHED = ["apache/airflow:2.9.0", "redis:7.2-bookworm", "registry.k8s.io/git-sync/git-sync:v4.1.0"]


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Puts a docker on PATH whose answers are the cases of a shell script; returns the list of its calls."""

    def answer(cases: str) -> Path:
        directory = tmp_path / "bin"
        directory.mkdir(exist_ok=True)
        calls = tmp_path / "calls"
        (directory / "docker").write_text(f'#!/bin/sh\necho "$*" >> {calls}\ncase "$*" in\n{cases}\nesac\n')
        (directory / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        monkeypatch.setattr(docker, "lacks_capability", lambda: False)
        return calls

    return answer


def test_without_an_engine_images_are_built(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    choice = toolchain.choose("auto", PUBLISHED)
    assert (choice.mode, choice.reason, choice.docker) == ("build", "there is no docker on PATH", None)


def test_with_an_engine_and_registries_images_are_pulled(engine):
    engine('"image inspect"*) exit 1;; *) echo ok;;')
    choice = toolchain.choose("auto", PUBLISHED)
    assert choice.mode == "pull"
    assert choice.docker is not None


def test_each_registry_is_asked_once(engine):
    calls = engine('"image inspect"*) exit 1;; *) echo ok;;')
    toolchain.choose("auto", PUBLISHED)
    asked = [line for line in calls.read_text().splitlines() if line.startswith("manifest inspect")]
    assert asked == ["manifest inspect redis:7.2-bookworm", f"manifest inspect {PUBLISHED[2]}"]


def test_without_registries_images_are_built_by_the_machines_engine(engine):
    engine('"image inspect"*) exit 1;; "manifest inspect"*) echo "no such host" >&2; exit 1;; *) echo ok;;')
    choice = toolchain.choose("auto", PUBLISHED)
    assert choice.mode == "build"
    assert choice.docker is not None
    assert choice.reason == "redis:7.2-bookworm cannot be had from docker.io: no such host"


def test_a_silent_registry_is_no_registry(engine, monkeypatch):
    monkeypatch.setattr(toolchain, "_PROBE_DEADLINE", 0.2)
    engine('"image inspect"*) exit 1;; "manifest inspect"*) exec tail -f /dev/null;; *) echo ok;;')
    choice = toolchain.choose("auto", PUBLISHED)
    assert (choice.mode, choice.reason) == ("build", "docker.io did not answer within 0.2 s")


def test_no_registry_is_asked_for_images_that_are_there(engine):
    calls = engine('"manifest inspect"*) exit 1;; *) echo sha256:0123;;')
    assert toolchain.choose("auto", PUBLISHED).mode == "pull"
    assert "manifest" not in calls.read_text()


def test_an_unfit_engine_is_not_built_with(engine, monkeypatch):
    engine("*) echo runc;;")
    monkeypatch.setattr(docker, "lacks_capability", lambda: True)
    choice = toolchain.choose("build", PUBLISHED)
    assert choice.docker is None
    assert "CAP_SYS_RESOURCE" in choice.reason


def test_pulling_can_be_forced(engine):
    engine('"manifest inspect"*) exit 1;; *) echo ok;;')
    assert toolchain.choose("pull", PUBLISHED).mode == "pull"


def test_pulling_without_an_engine_is_a_usage_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="IMAGES=pull needs a Docker engine: there is no docker on PATH"):
        toolchain.choose("pull", PUBLISHED)


def test_the_choice_is_told(engine, monkeypatch, tmp_path):
    engine("*) echo ok;;")
    said = Said()
    monkeypatch.setattr(toolchain, "pull", lambda cache, docker, wanted: [image.published for image in wanted])
    assert "apache/airflow:2.9.0" in toolchain.prepare("auto", said, tmp_path)
    assert said.lines == ["images: pulling (a Docker engine answers and the registries can be reached)"]


def test_an_image_that_cannot_be_pulled_is_named_with_the_reason(engine, cache):
    engine('"image inspect"*) exit 1;; pull*) echo "manifest for x not found" >&2; exit 1;;')
    with pytest.raises(HarnessError, match=r"apache/airflow:9\.9\.9 cannot be pulled: manifest for x not found"):
        toolchain.pull_image(cache, Docker(Path("docker")), "apache/airflow:9.9.9")


def test_a_pulled_image_is_reported_with_its_digest(engine, cache):
    engine("*RepoDigests*) echo '[\"redis@sha256:4567\"]';; *) echo sha256:0123;;")
    image = toolchain.pull_image(cache, Docker(Path("docker")), "redis:7.2-bookworm")
    assert (image.name, image.digest, image.origin) == ("redis:7.2-bookworm", "sha256:4567", "pulled")


def test_an_image_that_no_registry_has_seen_is_not_called_pulled(engine, cache):
    engine("*RepoDigests*) echo '[]';; *) echo sha256:0123;;")
    image = toolchain.pull_image(cache, Docker(Path("docker")), "redis:7.2-bookworm")
    assert (image.digest, image.origin) == ("sha256:0123", "found")


@pytest.mark.parametrize(
    ("name", "says", "is_suitable"),
    [
        ("kind", "0.27.0", True),
        ("kind", "0.20.0", False),
        ("helm", "v3.17.3", True),
        ("helm", "v4.0.1", False),
        ("kubectl", '{"clientVersion": {"gitVersion": "v1.32.5"}}', True),
        ("kubectl", '{"clientVersion": {"gitVersion": "v1.20.15"}}', False),
        ("kubectl", "Segmentation fault", False),
        ("kubeseal", "kubeseal version: 0.29.0", True),
        ("kubeseal", "kubeseal version: v0.6.0", False),
    ],
)
def test_a_program_on_path_must_have_a_suitable_version(tmp_path, name, says, is_suitable):
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    assert toolchain.suitable(name, path) is is_suitable


def test_a_program_that_was_built_is_preferred(cache, monkeypatch):
    monkeypatch.setattr(golang, "build", lambda cache, program: pytest.fail("it is there"))
    place = cache.path("program-kubernetes", golang.key(load().programs["kubernetes"]))
    place.mkdir(parents=True)
    (place / "kubectl").touch()
    assert toolchain.find("kubectl", cache) == place / "kubectl"


@pytest.mark.parametrize(
    ("name", "built"),
    [
        ("kubectl", "kubernetes"),
        ("kubectl", "kubectl"),
        ("kubeseal", "sealed-secrets"),
        ("kubeseal", "kubeseal"),
        ("helm", "helm"),
    ],
)
def test_a_program_is_found_wherever_it_was_built(cache, monkeypatch, name, built):
    monkeypatch.setenv("PATH", "")
    assert toolchain.at_hand(name, cache) is None
    place = cache.path(f"program-{built}", golang.key(load().programs[built]))
    place.mkdir(parents=True)
    (place / name).touch()
    assert toolchain.at_hand(name, cache) == toolchain.find(name, cache) == place / name


def test_kubeseal_is_not_built_for_a_cluster_that_is_there(tmp_path, monkeypatch):
    built = []
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(golang, "build", lambda cache, program: built.append(program.name) or tmp_path)
    assert toolchain.clients(Said(), tmp_path).kubeseal is None
    assert built == ["helm", "kubectl"]


def test_modules_are_locked_to_the_versions_that_are_promised():
    for program in load().programs.values():
        recipe = golang.RECIPES / program.module / "go.mod"
        for package in program.packages:
            module = program.requires or package
            if package != "." or program.requires:
                assert any(
                    module.startswith(line.split()[0]) and line.split()[1] == f"v{program.version}"
                    for line in recipe.read_text().replace("require ", "").splitlines()
                    if len(line.split()) >= 2
                ), f"{recipe} is not locked to {module} {program.version}: run `make reproduce-lock`"


def test_the_node_starts_pods_with_the_pause_image_that_is_built():
    config = (build.RECIPES / "node-root/files/etc/containerd/config.toml").read_text()
    assert f'"registry.k8s.io/pause:{load().pause}"' in config


def test_lock_files_name_no_host():
    for path in [*build.RECIPES.rglob("requirements-*.txt"), golang.TOOLCHAIN]:
        text = path.read_text()
        assert "://" not in text, path
        assert "--hash=sha256:" in text, path


def test_every_recipe_exists():
    plan = Plan.of(load().airflow, load().charts)
    for image in plan.images:
        assert (build.RECIPES / image.recipe / "Dockerfile").exists(), image.name
        assert not image.start or image.start in plan.keys
    assert {image.published for image in plan.in_cluster} >= set(PUBLISHED)


def test_an_image_comes_after_the_one_that_it_starts_from():
    known = {"base"}
    for image in Plan.of(*REFERENCE).images:
        assert not image.start or image.start in known
        known.add(image.name)


def test_the_published_names_are_those_that_manifests_use():
    known = {image.published for image in Plan.of(*REFERENCE).in_cluster}
    for path in (build.RECIPES.parent / "manifests" / "support").glob("*.yaml"):
        for line in path.read_text().splitlines():
            key, _, value = line.strip().removeprefix("- ").partition(": ")
            if key == "image":
                assert value.strip("\"'") in known, path


def test_a_cluster_has_the_images_of_every_version_that_is_installed_in_it():
    names = [image.published for image in Plan.of(["2.7.1", "2.9.0"], ["1.11.0", "1.15.0"]).in_cluster]
    assert len(names) == len(set(names))
    assert {
        "apache/airflow:2.7.1",
        "apache/airflow:2.9.0",
        "registry.k8s.io/git-sync/git-sync:v3.6.9",
        "registry.k8s.io/git-sync/git-sync:v4.1.0",
        "quay.io/prometheus/statsd-exporter:v0.22.8",
        "quay.io/prometheus/statsd-exporter:v0.26.1",
        "redis:7-bullseye",
        "redis:7.2-bookworm",
    } <= set(names)


def test_a_cluster_has_no_image_of_another_version():
    plan = Plan.of(*REFERENCE)
    assert not {"2.7.1", "v3.6.9", "v4.3.0", "v0.22.8", "v0.28.0", "7-bullseye"} & {
        image.published.rpartition(":")[2] for image in plan.in_cluster
    }
    assert [program.name for program in plan.programs if "statsd" in program.name] == ["statsd-exporter-0.26.1"]


@pytest.mark.parametrize("version", ["1.16.0", "1.15.0-team.2"])
def test_an_unknown_chart_is_taken_for_the_one_before_it(version):
    assert Plan.of(["2.9.0"], [version]).keys == Plan.of(*REFERENCE).keys


def test_a_program_is_told_with_its_version_once():
    programs = load().programs
    assert programs["statsd-exporter-0.22.8"].title == "statsd-exporter 0.22.8"
    assert programs["kubectl"].title == f"kubectl {load().kubernetes}"


def test_what_stands_in_for_several_versions_is_built_once(engine, cache, monkeypatch, tmp_path):
    calls, built = engine('"image inspect"*) exit 1;; *) echo ok;;'), []
    monkeypatch.setattr(golang, "build", lambda cache, program: tmp_path)
    monkeypatch.setattr(build, "site", lambda cache, version: tmp_path)
    monkeypatch.setattr(build, "import_base", lambda cache, docker, plan: plan.tag("base"))
    monkeypatch.setattr(build, "build_context", lambda cache, docker, tag, *rest: built.append(tag))
    plan = Plan.of(["2.7.1", "2.9.0"], ["1.11.0", "1.15.0"])
    build.build_all(cache, Docker(Path("docker")), plan)
    assert plan.keys["git-sync-3.6.9"] == plan.keys["git-sync-4.1.0"]
    first, second = plan.tag("git-sync-3.6.9"), plan.tag("git-sync-4.1.0")
    assert first in built and second not in built
    assert f"tag {first} {second}" in calls.read_text().splitlines()
    assert {plan.tag("airflow-2.7.1"), plan.tag("airflow-2.9.0")} <= set(built)


def test_an_unknown_airflow_cannot_be_built():
    with pytest.raises(UsageError, match=r"no recipe for Airflow 1.10.0"):
        airflow_cut_off("1.10.0")


def test_what_an_image_starts_from_is_part_of_its_key():
    image = next(image for image in Plan.of(*REFERENCE).images if image.name == "redis")
    assert build.image_key(image, "one base") != build.image_key(image, "another base")


def test_a_node_with_full_storage_needs_no_images_but_its_own():
    plan = Plan.of(*REFERENCE).machine_only()
    assert [image.name for image in plan.images] == ["node-root", "node"]
    assert {program.name for program in plan.programs} == {"kubernetes", "kind", "helm", "sealed-secrets"}


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("redis:7.2-bookworm", "docker.io/library/redis:7.2-bookworm"),
        ("apache/airflow:2.9.0", "docker.io/apache/airflow:2.9.0"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("localhost/image:1", "localhost/image:1"),
        ("host:5000/image:1", "host:5000/image:1"),
    ],
)
def test_names_of_images_are_completed(name, full):
    assert node.full_name(name) == full


@pytest.fixture
def storage(tmp_path):
    """A pristine storage, as containerd leaves it."""
    root = tmp_path / "store" / "containerd"
    layer = root / "io.containerd.snapshotter.v1.overlayfs" / "snapshots" / "1" / "fs"
    layer.mkdir(parents=True)
    (layer / "tool").write_text("program")
    (layer / "app.db").write_text("a file of an image")
    (layer / "link").symlink_to("tool")
    metadata = root / "io.containerd.metadata.v1.bolt"
    metadata.mkdir()
    (metadata / "meta.db").write_text("names")
    (layer.parent.parent.parent / "metadata.db").write_text("snapshots")
    return root


@pytest.fixture
def tools(storage):
    """A toolchain that was built."""
    return toolchain.Toolchain(
        kind=Path("kind"),
        helm=Path("helm"),
        kubectl=Path("kubectl"),
        kubeseal=Path("kubeseal"),
        docker=Docker(Path("docker"), "unix:///socket", {"DOCKER_HOST": "unix:///socket"}),
        mode="build",
        images=[],
        node_image="node:1",
        store=storage.parent,
    )


def test_a_clone_of_the_storage_shares_layers_and_owns_databases(storage, tmp_path):
    clone = tmp_path / "clone"
    node.clone_node_storage(storage, clone)
    layer = "io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs"
    assert (clone / layer / "tool").samefile(storage / layer / "tool")
    assert (clone / layer / "app.db").samefile(storage / layer / "app.db")
    assert (clone / layer / "link").readlink() == Path("tool")
    for database in ("io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db"):
        assert (clone / database).read_text() == (storage / database).read_text()
        assert not (clone / database).samefile(storage / database)


def test_whiteouts_survive_a_clone(storage, tmp_path):
    whiteout = storage / "io.containerd.snapshotter.v1.overlayfs" / "snapshots" / "1" / "fs" / "removed"
    try:
        os.mknod(whiteout, stat.S_IFCHR, os.makedev(0, 0))
    except PermissionError:  # only root may; what an ordinary user may make stands in
        os.mkfifo(whiteout)
    node.clone_node_storage(storage, tmp_path / "clone")
    cloned = (tmp_path / "clone" / whiteout.relative_to(storage)).lstat()
    assert (cloned.st_mode, cloned.st_rdev) == (whiteout.lstat().st_mode, whiteout.lstat().st_rdev)


def test_a_built_node_gets_storage_and_network_of_its_own(tools, tmp_path):
    directory = tmp_path / "cluster"
    directory.mkdir()
    config = yaml.safe_load(node.kind_config(tools, directory).read_text())
    assert config["networking"]["disableDefaultCNI"] is True
    mounts = {mount["containerPath"]: mount["hostPath"] for mount in config["nodes"][0]["extraMounts"]}
    assert mounts[node.STORAGE] == str(directory / "containerd")
    assert (directory / "containerd" / "io.containerd.metadata.v1.bolt" / "meta.db").exists()
    node.release_node_storage(directory)
    assert not directory.exists()


def test_a_node_that_is_to_enforce_policies_gets_the_program_where_its_unit_looks(tools, tmp_path):
    config = yaml.safe_load(node.kind_config(tools, tmp_path, enforcer=Path("/built/kube-router")).read_text())
    given = {"hostPath": "/built/kube-router", "containerPath": node.ENFORCER, "readOnly": True}
    assert given in config["nodes"][0]["extraMounts"]
    unit = (build.RECIPES / "node-root/files/etc/systemd/system/kube-router.service").read_text()
    assert f"ConditionPathExists={node.ENFORCER}\n" in unit and f"ExecStart={node.ENFORCER} " in unit


def test_a_pulled_node_keeps_the_network_of_kind(tools, tmp_path):
    directory = tmp_path / "cluster"
    directory.mkdir()
    config = yaml.safe_load(node.kind_config(replace(tools, store=None), directory).read_text())
    assert "networking" not in config
    assert node.STORAGE not in [mount["containerPath"] for mount in config["nodes"][0]["extraMounts"]]


def test_every_patch_for_kubeadm_says_what_it_patches(tools, tmp_path):
    config = yaml.safe_load(node.kind_config(replace(tools, store=None), tmp_path).read_text())
    kinds = {yaml.safe_load(patch)["kind"] for patch in config["kubeadmConfigPatches"]}
    assert kinds == {"InitConfiguration", "ClusterConfiguration", "KubeletConfiguration"}


def test_kind_is_told_which_engine_to_use(tools):
    assert tools.environment == {"KIND_EXPERIMENTAL_PROVIDER": "docker", "DOCKER_HOST": "unix:///socket"}


def test_package_sources_come_from_the_machine(tmp_path, monkeypatch):
    lines = [
        "file:/mirror/ bookworm-security main",
        "file:/mirror/ bookworm main",
        "file:/mirror/ bookworm contrib",
        "file:/other/ trixie main",
    ]
    listing(tmp_path, monkeypatch, lines)
    assert [(s.uri, s.suite) for s in base.sources("bookworm")] == [
        ("file:/mirror/", "bookworm"),
        ("file:/mirror/", "bookworm-security"),
    ]


def test_a_machine_of_another_release_cannot_build(tmp_path, monkeypatch):
    listing(tmp_path, monkeypatch, ["file:/other/ trixie main"])
    with pytest.raises(UsageError, match="have no Debian bookworm"):
        base.sources("bookworm")


def listing(directory, monkeypatch, lines):
    """Put an apt-get on PATH that lists these sources."""
    path = directory / "apt-get"
    path.write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(lines) + "\nEND\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
