"""A DAG whose only task tells what an Airflow task sees of the world it runs in."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from importlib.machinery import PathFinder
from pathlib import Path
from urllib.parse import urlsplit

import pendulum
from airflow import DAG
from airflow import __version__ as airflow_version
from airflow.configuration import conf
from airflow.operators.python import PythonOperator
from sqlalchemy.engine import URL, make_url

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CGROUP = Path("/sys/fs/cgroup")
LEAST_SECONDS = 1.0  # so that something is known of what metrics of durations must show
OPTIONS = (
    ("core", "default_task_execution_timeout"),
    ("core", "hide_sensitive_var_conn_fields"),
    ("core", "default_timezone"),
    ("metrics", "statsd_port"),
    ("metrics", "statsd_prefix"),
    ("metrics", "metrics_allow_list"),
    ("metrics", "metrics_block_list"),
    ("email", "email_backend"),  # the scheduler mails about tasks that were killed
    ("smtp", "smtp_host"),
    ("smtp", "smtp_port"),
    ("smtp", "smtp_starttls"),
    ("smtp", "smtp_ssl"),
)  # what the scheduler and tasks each read for themselves
UNLIMITED_BYTES = 1 << 60  # cgroup v1 writes a number close to 2**63 when there is no limit


def read(path: Path) -> str | None:
    """Text of a file, stripped; None where there is no such file."""
    try:
        return path.read_text().strip()
    except OSError:
        return None


def memory_limit_bytes() -> int | None:
    """Memory limit of this container's cgroup, version 2 or 1; None without a limit."""
    text = read(CGROUP / "memory.max") or read(CGROUP / "memory" / "memory.limit_in_bytes")
    return int(text) if text and text != "max" and int(text) < UNLIMITED_BYTES else None


def cpu_limit_millicores() -> int | None:
    """CPU limit of this container's cgroup, version 2 or 1; None without a limit."""
    both = read(CGROUP / "cpu.max")
    quota, period = (
        both.split() if both else (read(CGROUP / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    )
    return int(quota) * 1000 // int(period) if quota and period and quota not in ("max", "-1") else None


def resolve(name: str) -> list[str]:
    """Addresses of a DNS name; empty if it has none."""
    try:
        return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None)})
    except OSError:
        return []


def database_hosts(url: URL) -> str:
    """Hosts of a database as its address has them, in small letters; empty where it has none, as for a socket."""
    asked = url.query.get("host", "")
    return (url.host or (asked if isinstance(asked, str) else ",".join(asked))).lower()


def dependencies() -> list[str]:
    """Hosts that this container's own configuration names."""
    database = database_hosts(make_url(conf.get("database", "sql_alchemy_conn")))
    return [
        name
        for name in (
            *(re.sub(r":\d+$", "", host) for host in database.split(",") if not host.startswith("/")),
            urlsplit(conf.get("celery", "broker_url", fallback="")).hostname,
            conf.get("metrics", "statsd_host", fallback="") if conf.getboolean("metrics", "statsd_on") else "",
            conf.get("smtp", "smtp_host", fallback=""),
        )
        if name
    ]


def host_aliases() -> dict[str, str]:
    """Addresses by name in /etc/hosts, without this container's own name."""
    lines = [line.split("#")[0].split() for line in (read(Path("/etc/hosts")) or "").splitlines()]
    return {name: words[0] for words in lines for name in words[1:] if name != socket.gethostname()}


def nameservers() -> list[str]:
    """Addresses of the DNS servers that are asked."""
    lines = [line.split() for line in (read(Path("/etc/resolv.conf")) or "").splitlines()]
    return sorted(words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1)


def is_there(module: str) -> bool:
    """Whether a module can be found; nothing is imported for that. What is made by other code counts as found."""
    name, places = "", [folder for folder in sys.path if folder]
    for part in module.split("."):
        name = f"{name}.{part}".lstrip(".")
        try:
            spec = PathFinder.find_spec(name, places)
        except (ImportError, KeyError):  # KeyError: of a package in several places, which Python must have imported
            return True
        if spec is None:
            return False
        if spec.submodule_search_locations is None:
            return True
        places = list(spec.submodule_search_locations)
    return True


def airflow_cfg_sha256() -> str | None:
    """Fingerprint of the configuration file; None where there is none."""
    text = read(Path(os.environ.get("AIRFLOW_CONFIG") or Path(os.environ.get("AIRFLOW_HOME", "."), "airflow.cfg")))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else None


def kubernetes_api(deadline: float = 10.0) -> dict[str, object]:
    """What the Kubernetes API answers to this pod's service account: `status`, or `error`; empty without a token."""
    token, namespace = read(SERVICE_ACCOUNT / "token"), read(SERVICE_ACCOUNT / "namespace")
    if not token:
        return {}
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default"), "443"
    host, port = f"[{host}]" if ":" in host else host, os.environ.get("KUBERNETES_SERVICE_PORT", port)
    request = urllib.request.Request(
        f"https://{host}:{port}/api/v1/namespaces/{namespace}/pods?limit=1",
        headers={"Authorization": f"Bearer {token}"},
    )
    try:
        trusted = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        with urllib.request.build_opener(*handlers).open(request, timeout=deadline) as answer:
            return {"status": answer.status}
    except urllib.error.HTTPError as error:
        return {"status": error.code}
    except OSError as error:
        return {"error": str(getattr(error, "reason", error))}


def facts(**context: object) -> str:
    """Return what this task sees, as JSON; secrets only as fingerprints."""
    began = time.monotonic()
    dag_run = context["dag_run"]
    metadata = make_url(conf.get("database", "sql_alchemy_conn"))
    fernet_key = conf.get("core", "fernet_key", fallback="")
    seen = {
        "airflow": airflow_version,
        "python": platform.python_version(),
        # The chart's pod template sets LocalExecutor in task pods: the pod itself runs one task, locally.
        "executor": conf.get("core", "executor"),
        "kubernetes_executor_pod": os.environ.get("AIRFLOW_IS_K8S_EXECUTOR_POD", "") == "True",
        "namespace": read(SERVICE_ACCOUNT / "namespace"),
        "hostname": socket.gethostname(),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "dags_folder": conf.get("core", "dags_folder"),
        "file": __file__,
        "fernet_key_sha256": hashlib.sha256(fernet_key.encode()).hexdigest()[:8] if fernet_key else None,
        "metadata_host": database_hosts(metadata),
        "metadata_database": metadata.database,
        "statsd_on": conf.getboolean("metrics", "statsd_on"),
        "statsd_host": conf.get("metrics", "statsd_host"),
        "options": {f"[{section}] {key}": conf.get(section, key, fallback="") or "" for section, key in OPTIONS},
        "memory_limit_bytes": memory_limit_bytes(),
        "cpu_limit_millicores": cpu_limit_millicores(),
        "airflow_cfg_sha256": airflow_cfg_sha256(),
        "modules": {module: is_there(module) for module in (dag_run.conf or {}).get("modules", [])},
        "resolved": {name: resolve(name) for name in {*dependencies(), *(dag_run.conf or {}).get("resolve", [])}},
        "host_aliases": host_aliases(),
        "nameservers": nameservers(),
        "kubernetes_api": kubernetes_api(),
    }
    time.sleep(max(0.0, began + LEAST_SECONDS - time.monotonic()))
    return json.dumps({**seen, "seconds": round(time.monotonic() - began, 3)})


with DAG(
    "conformance_facts",
    description="What a task sees: version, namespace, limits, configuration, DNS",
    doc_md=__doc__,
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=4,
    default_args={"owner": "airflow-conformance", "retries": 0},
    tags=["conformance"],
):
    PythonOperator(task_id="facts", python_callable=facts)
