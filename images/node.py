"""The kind node: its storage with every image unpacked, and its configuration."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fixtures import process
from fixtures.errors import HarnessError
from fixtures.report import Image as ReportedImage
from images.build import PREFIX, Plan
from images.cache import Cache, key_of, remove
from images.docker import Docker

if TYPE_CHECKING:
    from images.toolchain import Toolchain

STORAGE = "/var/lib/containerd"
FREEZER = Path("/sys/fs/cgroup/freezer")
"""Where version 1 of Linux' control groups tells which processes stand still; other machines have no such place."""
ROOMS_PLACE = "/var/lib/airflow-conformance/rooms"
"""Directory of the node with room for volumes."""
ROOMS = 20
ENFORCER = "/opt/kube-router/kube-router"
"""The program in a node that enforces NetworkPolicies; its unit there runs where it is."""
AUDIT_LOG = Path("audited", "audit.log")
_AUDIT, _AUDITED = "/etc/kubernetes/audit", "/var/log/kubernetes-audit"
_DATABASES = "io.containerd.*/*.db"
_PATCHES = "/kind/patches"
_STORE_DEADLINE = 1200.0
_CLONE_DEADLINE = 300.0
_LOAD_DEADLINE = 900.0
_LIST_DEADLINE = 30.0
_THAWED = "THAWED"
_POLICED = "KUBE-ROUTER-FORWARD"

# kind merges these into what it gives to kubeadm. A node that lives for minutes needs no durable writes, and has nobody
# to elect a leader against; the kubelet starts many pods at once.
_KUBEADM_PATCHES: list[dict[str, Any]] = [
    {"kind": "InitConfiguration", "patches": {"directory": _PATCHES}},
    {
        "kind": "ClusterConfiguration",
        "etcd": {"local": {"extraArgs": {"unsafe-no-fsync": "true"}}},
        "controllerManager": {"extraArgs": {"leader-elect": "false"}},
        "scheduler": {"extraArgs": {"leader-elect": "false"}},
    },
    {
        "kind": "KubeletConfiguration",
        "serializeImagePulls": False,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "maxPods": 110,
    },
]

_AUDIT_PATCH: dict[str, Any] = {
    "kind": "ClusterConfiguration",
    "apiServer": {
        "extraArgs": {"audit-policy-file": f"{_AUDIT}/policy.yaml", "audit-log-path": f"{_AUDITED}/audit.log"},
        "extraVolumes": [
            {"name": "audit", "hostPath": _AUDIT, "mountPath": _AUDIT, "readOnly": True},
            {"name": "audited", "hostPath": _AUDITED, "mountPath": _AUDITED},
        ],
    },
}

# kubeadm merges this into the Deployment of CoreDNS (`kubeadm init --patches`, since 1.32). The first probe comes
# before CoreDNS listens, and the second one usually ten seconds later; one node needs no second instance.
_COREDNS_PATCH = {
    "spec": {
        "replicas": 1,
        "template": {"spec": {"containers": [{"name": "coredns", "readinessProbe": {"periodSeconds": 1}}]}},
    }
}


def store_key(plan: Plan) -> str:
    """Key of the storage with all images of a plan."""
    return key_of("store", plan.keys["node-root"], *(plan.keys[i.name] + i.published for i in plan.in_cluster))


def store(cache: Cache, docker: Docker, plan: Plan) -> Path:
    """Return the pristine storage: `containerd`, ready to be cloned, and `images.json`; it is filled where missing.

    The images are imported into a directory of the machine's own file system, because the overlay file system of a
    container's image cannot be put on top of another one.

    Raises:
        CommandFailed: an image could not be exported or imported.
    """

    def fill(directory: Path) -> None:
        cache.reporter.step("node: importing the images")
        archive, storage, name = directory / "images.tar", directory / "containerd", f"{PREFIX}-{directory.name}"
        tags = {plan.tag(image.name): image.published for image in plan.in_cluster}
        docker.run("save", "--output", archive, *tags, deadline=_STORE_DEADLINE, cancelled=cache.cancelled)
        storage.mkdir()
        try:
            docker.run(
                *["run", "--rm", "--interactive", "--privileged", "--network", "none", "--name", name],
                *["--volume", f"{storage}:{STORAGE}", "--volume", f"{archive}:/images.tar:ro"],
                *["--entrypoint", "/usr/local/bin/import-images", plan.tag("node-root"), "/images.tar"],
                stdin="".join(f"{full_name(tag)} {full_name(published)}\n" for tag, published in tags.items()),
                deadline=_STORE_DEADLINE,
                on_line=lambda line: cache.reporter.waiting(f"node: {line.partition(' (')[0]}"),
                cancelled=cache.cancelled,
            )
        finally:
            docker.run("rm", "--force", "--volumes", name, check=False)
        archive.unlink()
        digests = {published: docker.image_id(tag) for tag, published in tags.items()}
        (directory / "images.json").write_text(json.dumps(digests, indent=2) + "\n")

    return cache.artifact("node-store", store_key(plan), fill)


def images_of(store: Path) -> list[ReportedImage]:
    """The images in a storage, for the report."""
    digests: dict[str, str] = json.loads((store / "images.json").read_text())
    return [ReportedImage(name=name, digest=digest, origin="built") for name, digest in digests.items()]


def full_name(name: str) -> str:
    """Name of an image as containerd spells it: with its registry, and `library` where Docker Hub implies it."""
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def clone_node_storage(source: Path, target: Path) -> None:
    """Make a private copy of a storage, at once and almost without room.

    Layers and content are never written again once they are there, so hard links serve; containerd's databases are
    changed in place, so they are really copied. Whiteouts (character devices 0/0), links, and extended attributes
    come along.

    Raises:
        CommandFailed: source and target are not on the same file system, or the caller is not root.
    """
    process.run(
        ["cp", "--archive", "--link", source, target],
        deadline=_CLONE_DEADLINE,
        remedy="the cache directory must be one file system, and the run must be root",
    )
    for original in source.glob(_DATABASES):
        database = target / original.relative_to(source)
        database.unlink()
        shutil.copy2(original, database)


def kind_config(
    toolchain: Toolchain, cluster_dir: Path, audit_policy: Path | None = None, enforcer: Path | None = None
) -> Path:
    """Write the configuration for `kind create cluster`, and make the cluster's own storage.

    Args:
        cluster_dir: directory of this cluster, below the suite's cache directory; it exists.
        audit_policy: what the API server writes into `AUDIT_LOG` below that directory; None for nothing.
        enforcer: program with which a built node enforces NetworkPolicies; None if it need not.

    Returns:
        The configuration file.
    """
    patches = cluster_dir / "patches"
    patches.mkdir()
    (patches / "corednsdeployment+strategic.yaml").write_text(yaml.safe_dump(_COREDNS_PATCH))
    mounts: list[dict[str, Any]] = [{"hostPath": str(patches), "containerPath": _PATCHES, "readOnly": True}]
    node = {"role": "control-plane", "image": toolchain.node_image, "extraMounts": mounts}
    config: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [node],
        "kubeadmConfigPatches": [yaml.safe_dump(patch, sort_keys=False) for patch in _KUBEADM_PATCHES],
    }
    if toolchain.store is not None:
        storage = cluster_dir / "containerd"
        clone_node_storage(toolchain.store / "containerd", storage)
        mounts.append({"hostPath": str(storage), "containerPath": STORAGE})
        mounts.append({"hostPath": str(_make_rooms(cluster_dir / "volumes")), "containerPath": ROOMS_PLACE})
        config["networking"] = {"disableDefaultCNI": True}  # the node image brings a static one
    if enforcer is not None:
        mounts.append({"hostPath": str(enforcer), "containerPath": ENFORCER, "readOnly": True})
    if audit_policy is not None:
        mounts += _audit_mounts(cluster_dir, audit_policy)
        config["kubeadmConfigPatches"].append(yaml.safe_dump(_AUDIT_PATCH, sort_keys=False))
    path = cluster_dir / "kind.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def _audit_mounts(cluster_dir: Path, policy: Path) -> list[dict[str, Any]]:
    """Directories of the node with the audit policy and the log."""
    asked, written = cluster_dir / "audit", (cluster_dir / AUDIT_LOG).parent
    asked.mkdir()
    written.mkdir()
    shutil.copy(policy, asked / "policy.yaml")
    return [
        {"hostPath": str(asked), "containerPath": _AUDIT, "readOnly": True},
        {"hostPath": str(written), "containerPath": _AUDITED},
    ]


def _make_rooms(directory: Path) -> Path:
    """A directory for each volume of the cluster, in which everybody may write; groups are kept for what is below."""
    for number in range(ROOMS):
        room = directory / str(number)
        room.mkdir(parents=True)
        room.chmod(0o2777)  # Kubernetes does not give a directory of the node to the group of a pod (fsGroup)
    return directory


def load_images(toolchain: Toolchain, cluster_name: str) -> None:
    """Bring pulled images into a cluster; built ones are in its storage already.

    Raises:
        HarnessError: an image could not be loaded.
    """
    if toolchain.store is not None:
        return
    try:
        process.run(
            [toolchain.kind, "load", "docker-image", "--name", cluster_name, *(i.name for i in toolchain.images)],
            deadline=_LOAD_DEADLINE,
            env=toolchain.environment,
        )
    except process.CommandFailed as error:
        raise HarnessError(f"the images could not be loaded into the cluster: {error.cause}", error.remedy) from error


def enforces(docker: Docker, container: str) -> bool:
    """Whether a node that was given the enforcer has its first rules; they are in the chain that this makes."""
    return docker.run("exec", container, "iptables", "--list-rules", _POLICED, check=False).code == 0


def thaw(cluster_name: str, environment: Mapping[str, str]) -> None:
    """Let processes in a cluster's nodes go on that stand still.

    runc has those of a container stand still while it changes what they may do. If it is killed just then, as when a
    cluster is deleted that is still coming up, they never end, and neither does the node.

    Args:
        environment: leads docker to the engine.
    """
    listed = process.run(
        ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=io.x-k8s.kind.cluster={cluster_name}"],
        deadline=_LIST_DEADLINE,
        env=environment,
        check=False,
    )
    for container in listed.stdout.split():
        for state in FREEZER.glob(f"**/{container}/**/freezer.state"):
            if state.read_text().strip() != _THAWED:
                state.write_text(_THAWED)


def release_node_storage(cluster_dir: Path) -> None:
    """Remove the directory of a deleted cluster, with its storage.

    Raises:
        HarnessError: something in it is still in use.
    """
    remove(cluster_dir)
    if cluster_dir.exists():
        raise HarnessError(f"{cluster_dir} could not be removed", "see what uses it with `fuser`, and remove it")
