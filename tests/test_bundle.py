"""Bundles: that no secret is inside, that the same run gives the same file, and what is refused on reading."""

from __future__ import annotations

import base64
import gzip
import io
import json
import shlex
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from fixtures import archives, bundle, printed, replay, report
from fixtures.bundle import Bundle
from fixtures.errors import UsageError
from fixtures.helm import NoRelease
from fixtures.outcome import Outcome, Verdict
from fixtures.redaction import MARK, Redactor
from fixtures.settings import Executor

FERNET = base64.urlsafe_b64encode(b"canary-fernet-key-of-32-bytes-!!").decode()
CANARIES = {
    "password of the metadata database": "canary-metadata-pass",
    "webserver key": "canary-webserver-key",
    "Fernet key": FERNET,
    "password in an address": "canary-broker-pass",
    "variable": "canary-smtp-password",
    "variable of one component": "canary-vault-id",
    "token in an address": "canary-token-of-a-git-server",
    "private key": "canary-private-key-of-git",
    "data of a Secret in the values": "canary-of-extra-secrets",
    "data of a Secret that only the chart can read": "canary-in-a-template",
    "line of a Secret": "canary-b",
    "Secret beside the release": "canary-of-a-secret-beside",
    "line of a Secret beside the release": "canary-2",
    "data of a Secret of the chart": "canary-of-the-charts-secret",
    "password of the user": "canary-user-password",
    "password in a DAG": "canary-in-a-dag",
}


def encoded(name: str) -> str:
    return base64.b64encode(CANARIES[name].encode()).decode()


VALUES = {
    "data": {
        "metadataConnection": {"pass": CANARIES["password of the metadata database"], "host": "db.example.com"},
        "brokerUrl": f"redis://:{CANARIES['password in an address']}@redis:6379/0",
    },
    "webserverSecretKey": CANARIES["webserver key"],
    "fernetKey": FERNET,
    "webserver": {"defaultUser": {"username": "admin", "password": CANARIES["password of the user"]}},
    "config": {"smtp": {"smtp_password": CANARIES["variable"], "smtp_host": "mail.example.com"}},
    "dags": {"gitSync": {"sshKey": CANARIES["private key"], "sshKeySecret": "git-key", "credentialsSecret": "git"}},
    "workers": {"env": [{"name": "VAULT_SECRET_ID", "value": CANARIES["variable of one component"]}]},
    "repository": f"https://{CANARIES['token in an address']}@git.example.com/dags.git",
    "extraSecrets": {
        "own": {"data": f"key: {encoded('data of a Secret in the values')}\n", "type": "Opaque"},
        "made": {
            "stringData": '{{ .Release.Name }}: "{{ .Values.x }}"\n'
            f"word: {CANARIES['data of a Secret that only the chart can read']}\n"
        },
        "lines": {"stringData": {"file": f"canary-a\n{CANARIES['line of a Secret']}\n"}},
    },
}
MANIFEST = f"""
kind: Secret
metadata: {{name: airflow-metadata}}
data: {{connection: {encoded("data of a Secret of the chart")}}}
---
kind: ConfigMap
metadata: {{name: airflow-config}}
data:
  airflow.cfg: |
    [core]
    executor = CeleryExecutor
    sql_alchemy_conn = postgresql://u:{CANARIES["password of the metadata database"]}@db/airflow
    note = {CANARIES["data of a Secret of the chart"]}, {CANARIES["variable of one component"]},
    and {CANARIES["token in an address"]}, {CANARIES["data of a Secret that only the chart can read"]}
    {CANARIES["line of a Secret"]}
"""


BESIDE = {
    "git": {"token": CANARIES["Secret beside the release"], "username": "a-user-of-git"},
    "lines": {"file": f"canary-1\n{CANARIES['line of a Secret beside the release']}\n", "namespace": "data"},
    "ca": {"tls.crt": "-----BEGIN CERTIFICATE-----\nMIIB-public\n-----END CERTIFICATE-----\n"},
}


class StubHelm:
    """A release with secrets everywhere."""

    def __init__(self, *, there: bool = True) -> None:
        self.there = there

    def given_values(self, release: str, namespace: str) -> dict[str, Any]:
        if not self.there:
            raise NoRelease("there is none")
        return VALUES

    def manifest(self, release: str, namespace: str) -> str:
        return MANIFEST


def subject(redactor: Redactor, helm: StubHelm | None = None) -> Any:
    return SimpleNamespace(
        executor=Executor.CELERY,
        namespace="data",
        release="flow",
        values=VALUES,
        helm=helm or StubHelm(),
        learn=redactor.add,
        cluster=SimpleNamespace(secrets=lambda: BESIDE),
        deployments=(),
    )


def finished(
    directory: Path, helm: StubHelm | None = None, *, name: str = "20261125-000000-abcd", **options: str
) -> Path:
    """A run's directory as a run leaves it."""
    run = directory / name
    (run / "evidence").mkdir(parents=True)
    redactor = Redactor()
    early = ("data of a Secret of the chart", "Secret beside the release", "line of a Secret beside the release")
    told = ["before it was known:", *(CANARIES[name] for name in early), "a-user-of-git", "MIIB-public"]
    (run / "evidence" / "early.txt").write_text("\n".join(told))
    (run / "evidence" / "page.png").write_bytes(b"\x89PNG\xff")
    dag = directory / "their_dag.py"
    dag.write_text(f"import airflow\n# dag\nPASSWORD = '{CANARIES['password in a DAG']}'\n")
    it = subject(redactor, helm)
    bundle.learn(it)
    bundle.capture(it, redactor, run, [dag])
    bundle.redact_again(run, redactor)
    check = report.Check(
        id="AF-MET-001", requirement="r", level="MUST", executor="celery", outcome=Outcome.FAIL, seconds=1
    )
    document = report.Report(
        run=name,
        verdict=Verdict.NON_CONFORMANT,
        exit_code=1,
        reason="of 1",
        started="2026-11-25T00:00:00Z",
        seconds=1,
        checks=[check],
        subjects=[
            report.Subject(
                executor="celery",
                namespace="data",
                release="flow",
                chart="airflow-1.15.0",
                airflow="2.9.0",
                kubernetes="v1.32.5",
                images=[report.Image(name="apache/airflow:2.9.0", digest="sha256:1", origin="found")],
            )
        ],
        options={"PROVIDER": "existing", "ID": "['AF-MET-001', 'AF-LOG-*']", **options},
    )
    printed.write(document, run, redactor)
    return run


def unpacked(path: Path) -> dict[str, bytes]:
    return archives.unpack(path, limit=10**8, what="bundle", remedy="")


def test_no_secret_is_in_a_bundle_in_whatever_form(tmp_path: Path) -> None:
    files = unpacked(bundle.pack(finished(tmp_path)))
    for name, content in files.items():
        for canary, secret in CANARIES.items():
            for form in (secret, base64.b64encode(secret.encode()).decode()):
                assert form.encode() not in content, f"the {canary} is in {name}"


@pytest.mark.parametrize(
    ("data", "learned"),
    [
        ({"data": {"pin": "MTIz"}}, {"123", "MTIz"}),
        ({"stringData": {"pin": "123"}}, {"123", "MTIz"}),
        ({"stringData": "a: 'hunter22'\n{{ b }}: c\n"}, {"hunter22", "c"}),
        ({"data": 'a: {{ "hunter22" | b64enc | quote }}\n{{ end }}\n'}, {"hunter22"}),
        ({"data": "a: {{ .Values.b }}\n  aHVudGVyMjI=\n"}, {"hunter22"}),
    ],
)
def test_data_of_extra_secrets_is_learned_in_every_form(data: dict[str, Any], learned: set[str]) -> None:
    assert learned <= set(bundle.secrets_in({"extraSecrets": {"own": data}}))


def test_a_bundle_holds_what_a_reader_needs(tmp_path: Path) -> None:
    files = unpacked(bundle.pack(finished(tmp_path)))
    assert {
        "report.json",
        "report.html",
        "summary.md",
        "bundle.yaml",
        "REPEAT.md",
        "dags/their_dag.py",
        "evidence/page.png",
        "deployment/celery/values-given.yaml",
        "deployment/celery/values-computed.yaml",
        "deployment/celery/manifests.yaml",
    } <= set(files)
    given = yaml.safe_load(files["deployment/celery/values-given.yaml"])
    assert given["data"]["metadataConnection"] == {"pass": MARK, "host": "db.example.com"}
    assert given["dags"]["gitSync"]["credentialsSecret"] == "git"
    secret, config = yaml.safe_load_all(files["deployment/celery/manifests.yaml"])
    assert secret["data"] == {"connection": MARK}
    assert "executor = CeleryExecutor" in config["data"]["airflow.cfg"]
    assert b"make reproduce BUNDLE=bundle.tar.gz" in files["REPEAT.md"]
    assert b"a-user-of-git\nMIIB-public" in files["evidence/early.txt"]


def test_the_index_tells_programs_what_it_is(tmp_path: Path) -> None:
    opened = bundle.read(bundle.pack(finished(tmp_path)))
    (release,) = opened.index.releases
    assert (release.chart, release.airflow, release.namespace, release.release) == ("1.15.0", "2.9.0", "data", "flow")
    assert release.failed == ("AF-MET-001",)
    assert release.images == {"apache/airflow:2.9.0": "sha256:1"}
    assert {"data.metadataConnection.pass", "fernetKey", "extraSecrets.own.data"} <= set(release.redacted)
    assert opened.index.ids == ("AF-MET-001", "AF-LOG-*")
    assert opened.index.provider == "existing"
    assert opened.index.redacted_dags == ("their_dag.py",)


INDEX = {
    "schema": bundle.SCHEMA,
    "run": "20261125-000000-abcd",
    "verdict": "partial",
    "provider": "kind",
    "releases": [],
}


def of_run(**changes: Any) -> Bundle:
    """What bundle.yaml says of a run of both executors."""
    both = [
        {
            "executor": executor,
            "namespace": "n",
            "release": "r",
            "chart": "1.15.0",
            "airflow": "2.9.0",
            "kubernetes": "v1.32.5",
            "by_helm": True,
            "failed": failed,
        }
        for executor, failed in (("kubernetes", ()), ("celery", ("AF-MET-001",)))
    ]
    return Bundle.model_validate({**INDEX, "releases": both, **changes})


def changed(index: Bundle, **changes: Any) -> Bundle:
    releases = [release.model_copy(update=changes) for release in index.releases]
    return index.model_copy(update={"releases": tuple(releases)})


REPLAYS = {
    "one failed": of_run(),
    "both failed": changed(of_run(), failed=("AF-MET-001",)),
    "nothing failed": changed(of_run(), failed=()),
    "nothing failed of what was asked for": changed(of_run(ids=("AF-LOG-*",)), failed=()),
    "one release": of_run().model_copy(update={"releases": of_run().releases[1:]}),
}


@pytest.mark.parametrize(
    ("run", "commands"),
    [
        ("one failed", [" EXECUTOR=celery"]),
        ("both failed", [" EXECUTOR=kubernetes", " EXECUTOR=celery"]),
        ("nothing failed", [" EXECUTOR=kubernetes ID='*'", " EXECUTOR=celery ID='*'"]),
        ("nothing failed of what was asked for", [" EXECUTOR=kubernetes", " EXECUTOR=celery"]),
        ("one release", [""]),
    ],
)
def test_the_page_says_a_command_that_works(run: str, commands: list[str]) -> None:
    index, told = REPLAYS[run], []
    for line in bundle.repeat(index).splitlines():
        if line.startswith("$ make reproduce BUNDLE=bundle.tar.gz"):
            told.append(line.removeprefix("$ make reproduce BUNDLE=bundle.tar.gz"))
            given = dict(word.split("=", 1) for word in shlex.split(told[-1]))
            executors = [Executor(given["EXECUTOR"])] if "EXECUTOR" in given else []
            opened = bundle.Opened(Path("bundle.tar.gz"), index, {})
            release = replay.release_of(opened, executors)
            assert given.get("ID") or replay.ids_of(opened, release)
    assert told == commands


@pytest.mark.parametrize(
    "index",
    [
        of_run(options={"SCENARIO": "upgrade", "TO": "1.18.0/2.9.0", "AIRFLOW_PASSWORD": MARK, "RESULTS": "/r"}),
        changed(of_run(options={"SCENARIO": "upgrade", "TO": "1.18.0/2.9.0"}), by_helm=False),
        changed(of_run(options={"SCENARIO": "upgrade", "TO": "1.18.0/2.9.0"}), airflow="unknown"),
    ],
)
def test_the_page_says_the_options_where_a_replay_is_refused(index: Bundle) -> None:
    page = bundle.repeat(index)
    assert "make reproduce" not in page
    assert "\n$ make conformance SCENARIO=upgrade TO=1.18.0/2.9.0\n" in page


def test_the_same_run_gives_the_same_file(tmp_path: Path) -> None:
    run = finished(tmp_path)
    first = bundle.pack(run).read_bytes()
    assert bundle.pack(run).read_bytes() == first


def test_a_release_that_helm_did_not_make_has_no_values(tmp_path: Path) -> None:
    opened = bundle.read(bundle.pack(finished(tmp_path, StubHelm(there=False))))
    assert not opened.index.releases[0].by_helm


def test_a_run_without_releases_cannot_be_packed(tmp_path: Path) -> None:
    run = finished(tmp_path)
    (run / "deployment" / "celery" / "manifests.yaml").unlink()
    with pytest.raises(UsageError, match="does not hold what its releases are made of"):
        bundle.pack(run)


def test_make_bundle_packs_the_newest_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished(tmp_path)
    monkeypatch.setenv("RESULTS", str(tmp_path))
    monkeypatch.setenv("MAKEFLAGS", "")
    assert bundle.main() == 0
    assert (run / "bundle.tar.gz").is_file()
    assert "make reproduce BUNDLE=bundle.tar.gz" in capsys.readouterr().out


def test_make_bundle_of_a_run_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(tmp_path)
    monkeypatch.setenv("RESULTS", str(tmp_path))
    monkeypatch.setenv("RUN", "20261125-000000-abce")
    assert bundle.main() == 2
    assert "did you mean 20261125-000000-abcd?" in capsys.readouterr().err


# Reading what somebody else made


def packed(path: Path, files: Mapping[str, bytes | str]) -> Path:
    """A bundle with these files; names are taken as they are."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def with_header(path: Path, content: bytes, header: dict[str, str]) -> Path:
    """An archive of one file whose header says more than `packed` would."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("b/bundle.yaml")
        entry.size, entry.pax_headers = len(content), header
        archive.addfile(entry, io.BytesIO(content))
    return path


def with_index(path: Path, **changes: Any) -> Path:
    return packed(path, {"b/bundle.yaml": json.dumps({**INDEX, **changes})})


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.write_bytes(b"not a tar at all"), "is not a whole bundle"),
        (lambda path: packed(path, {"b/../../etc/passwd": "x"}), "leaves its directory"),
        (lambda path: packed(path, {"/etc/passwd": "x"}), "leaves its directory"),
        (lambda path: packed(path, {"b/report.json": "{}"}), "holds no bundle.yaml"),
        (lambda path: packed(path, {"b/bundle.yaml": "a: ["}), "bundle.yaml is damaged"),
        (lambda path: packed(path, {"b/bundle.yaml": b"a: \xff\xff"}), "bundle.yaml is damaged"),
        (lambda path: packed(path, {"b/bundle.yaml": "- 1"}), "the top level is a list"),
        (lambda path: packed(path, {"b/bundle.yaml": "{}"}), "is of schema None"),
        (lambda path: packed(path, {"b/bundle.yaml": "run: !!timestamp 2026-13-45"}), "bundle.yaml is damaged"),
        (lambda path: with_index(path, run="2026-13-45"), "bundle.yaml: run: String should match"),
        (lambda path: packed(path, {"b/bundle.yaml": "a: &a [*a]"}), "bundle.yaml is damaged"),
        (lambda path: packed(path, {"b/bundle.yaml": "[" * 5000}), "bundle.yaml is damaged"),
        (lambda path: with_index(path, schema="airflow-conformance-bundle/2"), "is of schema airflow-conformance-b"),
        (lambda path: with_index(path, provider="minikube"), "bundle.yaml: provider"),
        (lambda path: with_index(path, extra=1), "bundle.yaml: extra"),
        (lambda path: with_index(path, dags=["../evil.py"]), "../evil.py, which is no name of a file"),
        (lambda path: with_index(path, dags=["values.yaml"]), "values.yaml, which is no name of a file"),
        (lambda path: with_index(path, run="/tmp/evil"), "bundle.yaml: run: String should match"),
        (lambda path: with_index(path, run="../../evil"), "bundle.yaml: run: String should match"),
        (lambda path: with_index(path, run="20261125-000000-abcd\n"), "bundle.yaml: run: String should match"),
        (lambda path: with_header(path, b"", {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(10**12)}), "unpacks to"),
        (lambda path: with_header(path, b"", {"GNU.sparse.map": "zero"}), "is not a whole bundle"),
        (lambda path: with_header(path, b"x", {"size": "-512"}), "unpacks to more than"),
        (lambda path: with_header(path, b"x", {"size": str(10**30)}), "unpacks to more than"),
        (lambda path: path.write_bytes(gzip.compress(b"\0" * 1000)[:-9]), "is not a whole bundle"),
    ],
)
def test_a_bundle_that_is_none_is_refused(tmp_path: Path, make: Callable[[Path], object], told: str) -> None:
    path = tmp_path / "bundle.tar.gz"
    make(path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as refused:
        bundle.read(path)
    assert told in refused.value.cause
    assert sorted(tmp_path.rglob("*")) == before


def test_a_truncated_bundle_is_refused(tmp_path: Path) -> None:
    path = bundle.pack(finished(tmp_path))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match="is not a whole bundle"):
        bundle.read(path)


def test_a_bundle_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bundle.pack(finished(tmp_path))
    monkeypatch.setattr(bundle, "MAX_UNPACKED", 1000)
    with pytest.raises(UsageError, match="unpacks to more than 1000 bytes"):
        bundle.read(path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    opened = bundle.read(with_index(tmp_path / "b.tar.gz"))
    with pytest.raises(UsageError, match=r"has no readable deployment/celery/values-given\.yaml"):
        opened.text("deployment/celery/values-given.yaml")
