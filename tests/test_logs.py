"""Logs of tasks: read again until they hold what a task printed."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.test_example_dag import test_logs_stay as judge
from fixtures.airflow import ServerFailed
from fixtures.observations import HELLO, LOGS_GONE, log_with
from fixtures.observations.neighbours import LINGER_SECONDS, lingering
from tests.stub_airflow import RUN, Stub, data
from tests.waiting import waiter

LATE = "*** Log not found in Elasticsearch. Please wait a moment and reload this page."


def reading(*texts: str | Exception, remote: bool = True, seconds: float = 5) -> Any:
    """A subject whose log reads so, one time after the other; and the last of it from then on."""

    def told() -> Iterator[str | Exception]:
        yield from texts
        while True:
            yield texts[-1]

    answers = told()

    def read(*_: Any) -> str:
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    def other(*_: Any) -> str:
        raise AssertionError("read in the other way")

    return SimpleNamespace(
        flag=lambda section, key, component: remote,
        airflow=SimpleNamespace(log=other if remote else read, log_so_far=read if remote else other),
        waiter=waiter(seconds),
    )


@pytest.mark.parametrize(
    "subject",
    [
        reading(LATE, f"from h\n{HELLO}"),
        reading("", "the beginning", f"the beginning\n{HELLO}"),
        reading(ServerFailed("GET … answered 500"), HELLO),
        reading(HELLO, "nobody asks again", remote=False),
        reading("", "the beginning", f"the beginning\n{HELLO}", remote=False),
    ],
)
def test_a_log_that_comes_late_is_waited_for(monkeypatch: pytest.MonkeyPatch, subject: Any) -> None:
    monkeypatch.setattr(subject.waiter.cancel, "wait", lambda _: None)
    assert HELLO in log_with(subject, RUN, "t", 1, HELLO)


@pytest.mark.parametrize("remote", [True, False])
def test_a_log_without_its_mark_is_what_was_read(remote: bool) -> None:
    assert log_with(reading("Good bye!", remote=remote, seconds=0), RUN, "t", 1, HELLO) == "Good bye!"


def test_a_log_of_which_nothing_is_wanted_is_read_once() -> None:
    assert log_with(reading("Good bye!", "nobody asks again", remote=False), RUN, "t", 1) == "Good bye!"


def test_a_log_that_cannot_be_read_at_last_says_why() -> None:
    with pytest.raises(ServerFailed, match="answered 500"):
        log_with(reading(ServerFailed("it answered 500"), seconds=0), RUN, "t", 1, HELLO)


def test_tasks_stay_longer_only_where_their_logs_come_late() -> None:
    assert lingering(reading("", remote=False)) is None
    assert lingering(reading("", seconds=60)) == {"linger": LINGER_SECONDS + 60}


@pytest.mark.parametrize("last", ["[]", "[('h', '')]", "[('h', 'c')]"])
def test_what_is_there_of_a_log_is_read_page_by_page(stub: Stub, last: str) -> None:
    """Until a page holds nothing new; the end-of-log mark is not waited for."""
    pages = ["[('h', 'a\\nb')]", "[('h', 'c')]", last, "[('h', 'nobody asks for it')]"]
    stub.replace["GET /api/v1/dags/d/dagRuns/r/taskInstances/t/logs/1"] = [
        data({"content": content, "continuation_token": str(number)}) for number, content in enumerate(pages)
    ]
    read = stub.client().log_so_far(RUN, "t", 1)
    assert read.split() == ["a", "b", "c"]


@pytest.mark.parametrize("later", [HELLO, LATE])
def test_logs_that_are_sent_elsewhere_are_only_read_again(later: str) -> None:
    """What pods keep of them may go at any time."""
    subject = reading(later, seconds=0)
    run = SimpleNamespace(run=RUN, tasks={"hello_task": SimpleNamespace(try_number=1)})
    seen = {"hello": SimpleNamespace(log=HELLO, finished=run)}
    subject.see, subject.settle = lambda observation: seen[observation.name], lambda _: None
    if later == HELLO:
        judge(subject)
        return
    with pytest.raises(AssertionError, match="was readable and is not any more"):
        judge(subject)


NOWHERE = "*** No logs found on s3 for ti=<TaskInstance: d.t r [success]>"
COPY = f"{NOWHERE}\n*** Found logs served from host http://w:8793/log/t.log\n{HELLO}"
VOLUME = f"{NOWHERE}\n*** Found local files:\n***   * /opt/airflow/logs/t.log\n{HELLO}"
STORED = f"*** Found logs in s3:\n***   * s3://bucket/t.log\n{HELLO}"
LOST = f"{NOWHERE}\n*** {LOGS_GONE}: no such host"


@pytest.mark.parametrize(
    ("log", "fails", "noted"), [(STORED, 0, 0), (COPY, 1, 0), (VOLUME, 0, 1), (LOST, 0, 0), (f"{HELLO}", 0, 0)]
)
def test_logs_that_never_arrive_where_they_are_sent_are_told(log: str, fails: int, noted: int) -> None:
    """One on a volume is noted only, and one that is lost is the finding of another row."""
    subject, notes = reading(log, seconds=0), list[str]()
    run = SimpleNamespace(run=RUN, tasks={"hello_task": SimpleNamespace(try_number=1)})
    seen = {"hello": SimpleNamespace(log=log, finished=run)}
    subject.see, subject.settle = lambda observation: seen[observation.name], lambda _: None
    subject.option, subject.note = lambda *_, **__: "s3://bucket/logs", lambda _, text: notes.append(text)
    if fails:
        with pytest.raises(AssertionError, match=r"not in s3 .*is s3://bucket/logs.*goes with its worker"):
            judge(subject)
    else:
        judge(subject)
    assert len(notes) == noted
