"""Logs of tasks: read again where they come late, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.airflow import ServerFailed
from fixtures.observations import HELLO, log_with
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
    ],
)
def test_a_log_that_comes_late_is_waited_for(monkeypatch: pytest.MonkeyPatch, subject: Any) -> None:
    monkeypatch.setattr(subject.waiter.cancel, "wait", lambda _: None)
    assert HELLO in log_with(subject, RUN, "t", 1, HELLO)


@pytest.mark.parametrize(("remote", "seconds"), [(True, 0), (False, 60)])
def test_a_log_without_its_mark_is_what_was_read(remote: bool, seconds: float) -> None:
    """At once where logs do not come late."""
    assert log_with(reading("Good bye!", remote=remote, seconds=seconds), RUN, "t", 1, HELLO) == "Good bye!"


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
