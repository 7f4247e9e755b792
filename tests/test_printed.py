"""What is printed from a report: four files, and nothing in them that a cluster could use against the reader."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from contextlib import ExitStack
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures import printed
from fixtures.errors import HarnessError
from fixtures.outcome import Outcome, Verdict
from fixtures.printed import write
from fixtures.redaction import Redactor
from fixtures.report import SCHEMA, Evidence, Phase, Report, Wait, read
from tests.test_report import ALL_OUTCOMES, HOSTILE, check, report

FILES = ("report.json", "junit.xml", "report.html", "summary.md")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "results" / "run-1"
    path.mkdir(parents=True)
    return path


class Page(HTMLParser):
    """What a browser would make of a page: tags with attributes, and texts."""

    VOID = frozenset({"meta", "input", "img", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


def page(directory: Path) -> Page:
    return Page((directory / "report.html").read_text())


def schema() -> dict[str, Any]:
    """The JSON schema of report.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SCHEMA.replace('/', ':')}",
        **Report.model_json_schema(by_alias=True, mode="serialization"),
    }


def test_report_json_obeys_its_schema(directory: Path) -> None:
    write(report(*ALL_OUTCOMES), directory, Redactor())
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads((directory / "report.json").read_text()), schema())


def test_the_fields_that_others_read_are_there(directory: Path) -> None:
    evidence = Evidence(title="Pods", kind="object", path="pods.txt")
    write(report(check(Outcome.FAIL, evidence=[evidence])), directory, Redactor())
    data = json.loads((directory / "report.json").read_text())
    assert data["schema"] == "airflow-conformance/1"
    assert {"schema", "verdict", "started", "seconds", "phases", "subjects", "checks"} <= data.keys()
    assert {"name", "seconds"} <= data["phases"][0].keys()
    subject = {"executor", "namespace", "release", "chart", "airflow", "kubernetes", "images"}
    assert subject <= data["subjects"][0].keys()
    row = {"id", "requirement", "level", "executor", "outcome", "reason", "seconds", "evidence"}
    assert row <= data["checks"][0].keys()


def test_round_trip(directory: Path) -> None:
    waits = [Wait(name="dag_run", used=3.25, allowed=90)]
    original = report(*ALL_OUTCOMES, check(Outcome.PASS, executor="celery", waits=waits, notes=["a finding"]))
    assert write(original, directory, Redactor()) == original
    assert read(directory / "report.json") == original


def test_junit_tells_failures_errors_and_skips_apart(directory: Path) -> None:
    write(report(*ALL_OUTCOMES, check(executor="celery")), directory, Redactor())
    root = ElementTree.fromstring((directory / "junit.xml").read_text())
    cases = {
        (case.get("name") or "").split()[0]: case for case in root.iterfind("testsuite[@name='kubernetes']/testcase")
    }
    children = {
        outcome: [(c.tag, c.get("message")) for c in cases[f"AF-TST-{n:03}"]] for n, outcome in enumerate(Outcome)
    }
    assert children == {
        Outcome.PASS: [],
        Outcome.FAIL: [("failure", "because of fail")],
        Outcome.ERROR: [("error", "because of error")],
        Outcome.BLOCKED: [("skipped", "blocked: because of blocked")],
        Outcome.UNSUPPORTED: [("skipped", "unsupported: because of unsupported")],
        Outcome.SKIPPED: [("skipped", "skipped: because of skipped")],
        Outcome.NOT_RUN: [("skipped", "not run: because of not_run")],
    }
    counted = {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "8", "failures": "1", "errors": "1", "skipped": "4"}
    assert [(suite.get("name"), suite.get("tests")) for suite in root] == [("kubernetes", "7"), ("celery", "1")]


def test_the_page_shows_every_row_and_can_be_linked_into(directory: Path) -> None:
    rows = [*ALL_OUTCOMES, *(check(Outcome.BLOCKED, c.id, "celery", blocked_by="AF-TST-001") for c in ALL_OUTCOMES)]
    write(report(*rows), directory, Redactor())
    shown = page(directory)
    ids = shown.ids()
    assert len(ids) == len(set(ids)), "anchors are unique"
    assert {row.id for row in rows} <= set(ids)
    assert {row.anchor for row in rows if row.outcome is not Outcome.PASS} <= set(ids)
    targets = {a["href"][1:] for tag, a in shown.tags if tag == "a" and a["href"].startswith("#")}
    assert targets <= set(ids), "no link leads nowhere"


def test_the_page_needs_nothing_but_itself(directory: Path) -> None:
    write(report(*ALL_OUTCOMES), directory, Redactor())
    shown = page(directory)
    assert [a for tag, a in shown.tags if tag in ("link", "iframe", "object") or (tag == "script" and a)] == []
    assert all(a["href"].startswith(("#", "./")) for tag, a in shown.tags if tag == "a")
    assert not re.search(r"url\(|@import", (directory / "report.html").read_text())


def test_the_page_may_run_its_own_script_and_no_other(directory: Path) -> None:
    write(report(*ALL_OUTCOMES), directory, Redactor())
    shown = page(directory)
    [policy] = [a["content"] for _, a in shown.tags if a.get("http-equiv") == "Content-Security-Policy"]
    [script] = [text for text in shown.texts if "addEventListener" in text]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.endswith(f"script-src 'sha256-{digest}'")


def test_hostile_text_stays_text(directory: Path) -> None:
    (directory / "pod.log").write_text(HOSTILE.replace("\ud800", ""))
    evidence = [
        Evidence(title=HOSTILE, kind="log", path="pod.log", look_again=HOSTILE),
        Evidence(title="link", kind="text", path="javascript:alert(3)"),
    ]
    row = check(
        Outcome.FAIL, reason=HOSTILE, remedy=HOSTILE, requirement=HOSTILE, area=HOSTILE, blocked_by=HOSTILE,
        notes=[HOSTILE], evidence=evidence, waits=[Wait(name=HOSTILE, used=1, allowed=0)],
    )  # fmt: skip
    write(
        report(
            row, reason=HOSTILE, warnings=[HOSTILE], options={HOSTILE: HOSTILE}, phases=[Phase(name=HOSTILE, seconds=1)]
        ),
        directory,
        Redactor(),
    )
    shown = page(directory)
    assert [tag for tag, _ in shown.tags].count("script") == 1, "the page's own"
    assert not [a for _, a in shown.tags if any(name.startswith("on") for name in a)]
    assert not [a for _, a in shown.tags if a.get("href", "").lower().startswith("javascript:")]
    assert sum("<script>alert(1)</script>" in text for text in shown.texts) >= 8
    assert not any("49" in text and "{{" not in text for text in shown.texts if "alert" in text)

    ElementTree.fromstring((directory / "junit.xml").read_text())
    jsonschema.validate(json.loads((directory / "report.json").read_text()), schema())
    markdown = (directory / "summary.md").read_text()
    assert "<script" not in markdown and "@all" not in markdown
    [line] = [line for line in markdown.splitlines() if line.startswith("| **fail**")]
    assert len(re.findall(r"(?<!\\)\|", line)) == 6, "the table keeps its columns"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(), max_size=60))
def test_any_text_can_be_reported(tmp_path: Path, text: str) -> None:
    directory = tmp_path / "results" / "any"
    rows = [
        check(outcome, f"AF-TST-{n:03}", reason=text, remedy=text, notes=[text]) for n, outcome in enumerate(Outcome)
    ]
    write(report(*rows, reason=text, run="any"), directory, Redactor())
    ElementTree.fromstring((directory / "junit.xml").read_text())
    jsonschema.validate(json.loads((directory / "report.json").read_text()), schema())
    page(directory)


def test_a_password_that_is_a_word_of_the_report_breaks_nothing(directory: Path) -> None:
    redactor = Redactor()
    for word in ("pass", "fail", "kubernetes", "built", "MUST", "partial", "2025"):
        redactor.add(word)
    write(report(*ALL_OUTCOMES), directory, redactor)
    assert [row.outcome for row in read(directory / "report.json").checks] == list(Outcome)


def test_evidence_is_shown_in_the_page(directory: Path) -> None:
    (directory / "pods.txt").write_text("NAME airflow-webserver-0")
    (directory / "page.png").write_bytes(PIXEL)
    evidence = [
        Evidence(title="Pods", kind="object", path="pods.txt", look_again="kubectl get pods -n airflow"),
        Evidence(title="Login page", kind="image", path="page.png"),
        Evidence(title="Gone", kind="log", path="gone.log"),
        Evidence(title="Outside", kind="log", path="../../secret.txt"),
    ]
    (directory.parent.parent / "secret.txt").write_text("not for the report")
    write(report(check(Outcome.FAIL, evidence=evidence)), directory, Redactor())
    shown = page(directory)
    text = "".join(shown.texts)
    assert "NAME airflow-webserver-0" in text
    assert "kubectl get pods -n airflow" in text
    assert [a["src"] for tag, a in shown.tags if tag == "img"] == [
        f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    ]
    assert "The file cannot be read: No such file or directory." in text
    assert "lies outside the run's directory" in text and "not for the report" not in text


def test_the_same_evidence_is_shown_once(directory: Path) -> None:
    (directory / "pods.txt").write_text("only once")
    (directory / "copy.txt").write_text("only once")
    one, copy = (Evidence(title="Pods", kind="object", path=path) for path in ("pods.txt", "copy.txt"))
    rows = [check(Outcome.FAIL, f"AF-TST-00{n}", evidence=[item]) for n, item in enumerate((one, one, copy))]
    write(report(*rows), directory, Redactor())
    shown = page(directory)
    assert "".join(shown.texts).count("only once") == 1
    assert "".join(shown.texts).count("shown above") == 2


@pytest.mark.parametrize(
    ("kind", "seen", "unseen"), [("log", "line 9999", "line 0"), ("object", "line 0", "line 9999")]
)
def test_long_evidence_is_cut_and_says_so(directory: Path, kind: str, seen: str, unseen: str) -> None:
    lines = "".join(f"line {number} {'é' * 20}\n" for number in range(10_000))
    (directory / "long.txt").write_text(lines)
    evidence = Evidence.model_validate({"title": "Long", "kind": kind, "path": "long.txt"})
    write(report(check(Outcome.FAIL, evidence=[evidence])), directory, Redactor())
    text = "".join(page(directory).texts)
    assert f"{seen} é" in text and f"{unseen} é" not in text
    assert "64 KiB of" in text
    assert (directory / "report.html").stat().st_size < printed.EMBEDDED_BYTES + 64 * 1024
    assert (directory / "long.txt").read_text() == lines


def test_a_file_that_cannot_be_finished_does_not_replace_the_old_one(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(report(*ALL_OUTCOMES), directory, Redactor())
    before = {name: (directory / name).read_text() for name in FILES}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(HarnessError, match="No space left on device"):
        write(report(check(Outcome.FAIL)), directory, Redactor())
    assert {name: (directory / name).read_text() for name in FILES} == before
    assert sorted(path.name for path in directory.iterdir()) == sorted(FILES), "no temporary file is left"


def test_a_reader_keeps_the_report_it_opened(directory: Path) -> None:
    write(report(*ALL_OUTCOMES), directory, Redactor())
    before = {name: (directory / name).read_text() for name in FILES}
    with ExitStack() as readers:
        opened = {name: readers.enter_context((directory / name).open()) for name in FILES}
        write(report(check(Outcome.FAIL)), directory, Redactor())
        assert {name: file.read() for name, file in opened.items()} == before
    assert all((directory / name).read_text() != before[name] for name in FILES)


def test_latest_follows_the_newest_run(directory: Path) -> None:
    latest = directory.parent / "latest"
    write(report(*ALL_OUTCOMES), directory, Redactor())
    assert latest.readlink() == Path("run-1")
    write(report(*ALL_OUTCOMES, run="run-2"), directory.parent / "run-2", Redactor())
    assert latest.readlink() == Path("run-2")
    assert read(latest / "report.json").run == "run-2"
    assert sorted(path.name for path in directory.parent.iterdir()) == ["latest", "run-1", "run-2"]


def test_what_a_person_put_at_latest_stays(directory: Path) -> None:
    latest = directory.parent / "latest"
    latest.mkdir()
    (latest / "mine.txt").write_text("mine")
    with pytest.raises(HarnessError, match="is not a link"):
        write(report(*ALL_OUTCOMES), directory, Redactor())
    assert (latest / "mine.txt").read_text() == "mine"
    assert all((directory / name).exists() for name in FILES), "the report itself is written"


def test_a_run_without_rows_still_has_a_report(directory: Path) -> None:
    nothing = report(verdict=Verdict.INCONCLUSIVE, subjects=[], phases=[], environment={}, options={}, warnings=[])
    write(nothing, directory, Redactor())
    assert "Nothing was judged." in "".join(page(directory).texts)
    assert "inconclusive" in (directory / "summary.md").read_text()
    assert ElementTree.fromstring((directory / "junit.xml").read_text()).get("tests") == "0"


def test_the_summary_names_what_did_not_pass(directory: Path) -> None:
    write(report(*ALL_OUTCOMES), directory, Redactor())
    text = (directory / "summary.md").read_text()
    assert text.startswith("## Airflow conformance: partial\n\nSomething was not judged.\n")
    assert "| **fail** | AF-TST-001 MUST | kubernetes | because of fail | mend it |" in text
    assert "AF-TST-000" not in text, "what passed is not listed"
    assert "| celery | airflow/airflow | airflow 1.15.0 | 2.9.0 | v1.30.4 |" in text
    assert "2 min 48 s" in text and "cluster 23.5 s" in text


def test_the_summary_stays_short(directory: Path) -> None:
    rows = [check(Outcome.FAIL, f"AF-TST-{n:03}", reason="x" * 5000) for n in range(300)]
    write(report(*rows), directory, Redactor())
    text = (directory / "summary.md").read_text()
    assert len(text) < 65_536, "the limit of a comment on GitHub"
    assert "and 250 more rows" in text


GUIDE = "It means something. Look with `kubectl get pods -n airflow`, and set `workers.resources` <b>here</b>."


def test_the_guide_is_at_hand_for_every_row(directory: Path) -> None:
    rows = [
        check(Outcome.FAIL, "AF-TST-001", guide=GUIDE),
        check(Outcome.PASS, "AF-TST-002", guide="This one holds."),
        check(Outcome.BLOCKED, "AF-TST-003", guide="This one waits.", blocked_by="AF-TST-001"),
    ]
    write(report(*rows), directory, Redactor())
    shown = page(directory)
    text = "".join(shown.texts)
    assert text.count("It means something.") == 2, "where it fails, and in the list of requirements"
    assert text.count("This one holds.") == 1 and text.count("This one waits.") >= 1
    assert "<b>here</b>" in text, "its text is text"
    assert shown.texts.count("kubectl get pods -n airflow") == 2, "a command is set as code"
    assert "AF-TST-002" in shown.ids()
    assert [row.guide for row in read(directory / "report.json").checks] == [row.guide for row in rows]


def test_the_guide_is_not_redacted(directory: Path) -> None:
    command = "kubectl create secret generic x --from-literal=admin-password=..."
    assert write(report(check(guide=f"`{command}`")), directory, Redactor()).checks[0].guide == f"`{command}`"


def test_the_summary_tells_the_guide_of_failures_only(directory: Path) -> None:
    failed = [
        check(Outcome.FAIL, f"AF-TST-{n:03}", executor, guide=f"Paragraph {n}.")
        for n in range(12)
        for executor in ("kubernetes", "celery")
    ]
    write(report(*failed, check(Outcome.BLOCKED, "AF-TST-100", guide="not this one")), directory, Redactor())
    text = (directory / "summary.md").read_text()
    assert [f"**AF-TST-{n:03}** Paragraph {n}." in text for n in range(12)] == [True] * printed.GUIDED_ROWS + [
        False
    ] * 2
    assert text.count("Paragraph 0.") == 1 and "2 more in report.html" in text and "not this one" not in text
