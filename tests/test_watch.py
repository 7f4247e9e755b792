"""The recorder keeps what happened, and survives everything that goes wrong between it and the API server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures import watch
from fixtures.errors import CannotSee, HarnessError
from fixtures.kube import Forbidden, Unreachable
from fixtures.watch import Recorder
from tests.stub_api import (
    EVENTS,
    PODS,
    RUNNING,
    Fault,
    StubApi,
    container,
    eventually,
    pod,
    running,
    terminated,
    waiting,
)

Start = Callable[..., Recorder]


@pytest.fixture
def api() -> Iterator[StubApi]:
    with running() as stub:
        stub.store[PODS] = {}
        stub.store[EVENTS] = {}
        yield stub


@pytest.fixture
def start(api: StubApi) -> Iterator[Start]:
    started = []

    def begin(*resources: str, **options: Any) -> Recorder:
        options = {"silence": 30.0, "patience": 0.0, **options}
        recorder = Recorder(api.kube(), "airflow", resources or ("pods",), **options)
        recorder.start()
        started.append(recorder)
        return recorder

    yield begin
    for recorder in started:
        recorder.stop()


def names(recorder: Recorder) -> list[str]:
    return [item["metadata"]["name"] for item in recorder.objects("pods")]


def sees(recorder: Recorder, *expected: str) -> None:
    def look() -> bool:
        try:
            return names(recorder) == list(expected)
        except CannotSee:
            return False

    eventually(look)


def test_lists_then_follows(api: StubApi, start: Start) -> None:
    api.put(PODS, pod("a"))
    recorder = start()
    assert names(recorder) == ["a"]
    api.put(PODS, pod("b"))
    sees(recorder, "a", "b")
    api.remove(PODS, "a")
    sees(recorder, "b")
    assert recorder.objects("pods")[0]["kind"] == "Pod"


def test_the_first_look_waits_for_the_first_list(api: StubApi, start: Start) -> None:
    api.put(PODS, pod("a"))
    api.inject(Fault("status", status=503, headers={"Retry-After": "0"}))
    assert names(start(patience=20.0)) == ["a"]


def test_what_vanished_is_remembered(api: StubApi, start: Start) -> None:
    recorder = start()
    assert names(recorder) == []
    for phase in ("Pending", "Running", "Succeeded"):
        api.put(PODS, pod("task", phase=phase))
    api.remove(PODS, "task")
    eventually(lambda: recorder.ever("pods") and recorder.ever("pods")[0].get("_deleted"))
    assert names(recorder) == []
    phases = [version["status"]["phase"] for version in recorder.history("pods", "task")]
    assert phases == ["Pending", "Running", "Succeeded", "Succeeded"]
    assert recorder.first("pods")[0]["status"]["phase"] == "Pending"


def test_a_pod_of_the_same_name_is_another_one(api: StubApi, start: Start) -> None:
    recorder = start()
    api.put(PODS, pod("worker-0"))
    sees(recorder, "worker-0")
    api.remove(PODS, "worker-0")
    api.put(PODS, pod("worker-0", uid="another"))
    eventually(lambda: len(recorder.ever("pods")) == 2)
    assert [item.get("_deleted", False) for item in recorder.ever("pods")] == [True, False]


def test_every_change_wakes_whoever_waits(api: StubApi, start: Start) -> None:
    recorder = start()
    assert names(recorder) == []
    before = recorder.condition.changes
    api.put(PODS, pod("a"))
    with recorder.condition:
        assert recorder.condition.wait_for(lambda: recorder.condition.changes > before, timeout=20)


def test_a_closed_watch_is_resumed_where_it_ended(api: StubApi, start: Start) -> None:
    api.inject(*[Fault("close", watch=True)] * 3)
    recorder = start()
    assert names(recorder) == []
    api.put(PODS, pod("a"))
    sees(recorder, "a")
    assert len(api.asked("/pods", watch="1")) == 4
    assert len([r for r in api.asked("/pods") if not r.query]) == 1, "it must not list again"


def test_a_watch_that_is_closed_over_and_over_is_not_hammered(api: StubApi, start: Start) -> None:
    api.inject(Fault("close", watch=True, stays=True))
    recorder = start()
    eventually(lambda: len(api.asked("/pods", watch="1")) >= 3)
    recorder.stop()
    assert len(api.asked("/pods", watch="1")) < 8


@pytest.mark.parametrize(
    "fault", [Fault("gone event", watch=True), Fault("status", status=410, watch=True)], ids=["event", "status"]
)
def test_an_expired_version_is_listed_again(api: StubApi, start: Start, fault: Fault) -> None:
    api.put(PODS, pod("a"))
    api.inject(fault)
    recorder = start()
    eventually(lambda: len([r for r in api.asked("/pods") if not r.query]) == 2)
    api.put(PODS, pod("b"))
    sees(recorder, "a", "b")
    assert len(recorder.history("pods", "a")) == 1, "an unchanged object is no new version"


def test_what_was_deleted_during_a_blind_spell_is_noticed(api: StubApi, start: Start) -> None:
    api.put(PODS, pod("a"))
    recorder = start()
    sees(recorder, "a")
    api.stop()
    eventually(lambda: blind(recorder))
    api.store[PODS].clear()
    api.version += 10
    api.forget_history()
    api.start()
    sees(recorder)
    assert recorder.ever("pods")[0]["_deleted"]


def test_a_silent_stream_is_given_up_and_resumed(api: StubApi, start: Start) -> None:
    api.inject(Fault("silent", watch=True))
    recorder = start(silence=0.2)
    assert names(recorder) == []
    api.put(PODS, pod("a"))
    sees(recorder, "a")


def test_a_stream_cut_within_an_object_is_resumed(api: StubApi, start: Start) -> None:
    api.inject(Fault("cut", watch=True))
    recorder = start()
    assert names(recorder) == []
    api.put(PODS, pod("a"))
    sees(recorder, "a")


def test_bookmarks_move_the_place_to_resume_from(api: StubApi, start: Start) -> None:
    recorder = start(silence=0.3)
    assert names(recorder) == []
    eventually(lambda: api.asked("/pods", watch="1"))
    api.bookmark(PODS)
    last = str(api.version)
    eventually(lambda: api.asked("/pods", watch="1", resourceVersion=last))
    assert recorder.ever("pods") == []


@pytest.mark.parametrize("watching", [True, False], ids=["watch", "list"])
def test_a_missing_permission_is_said_and_not_asked_for_again(api: StubApi, start: Start, watching: bool) -> None:
    api.inject(Fault("status", path="/pods", status=403, watch=watching, stays=True, message="no"))
    recorder = start("pods", "events")
    failure = eventually(lambda: recorder.failure)
    verb = "watch" if watching else "list"
    assert isinstance(failure, Forbidden)
    assert f"{verb} pods in namespace airflow" in failure.cause
    with pytest.raises(Forbidden):
        recorder.objects("pods")
    assert recorder.objects("events") == []
    assert len([r for r in api.asked("/pods") if ("watch" in r.query) is watching]) == 1


def test_too_many_requests_are_waited_out(api: StubApi, start: Start) -> None:
    api.inject(*[Fault("status", status=429, headers={"Retry-After": "0"})] * 3)
    recorder = start(patience=20.0)
    assert names(recorder) == []
    assert recorder.failure is None


def blind(recorder: Recorder) -> CannotSee | None:
    try:
        recorder.objects("pods")
    except CannotSee as error:
        return error
    return None


def test_no_answer_is_given_from_memory(api: StubApi, start: Start) -> None:
    api.put(PODS, pod("a"))
    recorder = start()
    sees(recorder, "a")
    api.stop()
    error = eventually(lambda: blind(recorder))
    assert isinstance(error, Unreachable)
    assert [item["metadata"]["name"] for item in recorder.ever("pods")] == ["a"], "history stays readable"
    api.start()
    sees(recorder, "a")


def test_a_server_that_comes_late_is_found(api: StubApi, start: Start) -> None:
    api.stop()
    recorder = start()
    eventually(lambda: blind(recorder))
    api.start()
    sees(recorder)


def test_a_resource_that_is_not_watched_is_a_mistake(start: Start) -> None:
    with pytest.raises(HarnessError, match="not watched"):
        start("pods").objects("jobs")


def test_stop_is_prompt_and_leaves_no_thread(api: StubApi, start: Start) -> None:
    api.inject(Fault("silent", path="/events", watch=True))
    recorder = start("pods", "events")
    eventually(lambda: api.asked("/pods", watch="1") and api.asked("/events", watch="1"))
    recorder.stop()
    assert not [thread for thread in recorder._threads if thread.is_alive()]
    assert names(recorder) == [], "what was seen stays readable"


class TestLogs:
    def task(self, state: dict[str, Any], name: str = "task", **more: Any) -> dict[str, Any]:
        return pod(name, "worker", container("base", state, **more), labels={"kubernetes_executor": "True"})

    @pytest.fixture
    def logs(self, tmp_path: Path) -> Path:
        return tmp_path / "logs"

    def text(self, recorder: Recorder, name: str = "task") -> str:
        file = recorder.log_file(name, "base")
        return file.read_text() if file else ""

    def test_are_kept_of_task_pods_while_they_live(self, api: StubApi, start: Start, logs: Path) -> None:
        api.open_logs.add("task/base")
        api.log("task/base", "2026-01-01T12:00:00.000000001Z one")
        recorder = start(logs_dir=logs)
        api.put(PODS, self.task(waiting("ContainerCreating")))
        api.put(PODS, self.task(RUNNING))
        eventually(lambda: self.text(recorder) == "one\n")
        api.log("task/base", "2026-01-01T12:00:00.000000002Z two")
        eventually(lambda: self.text(recorder) == "one\ntwo\n")
        api.put(PODS, self.task(terminated(0)))
        api.end_log("task/base")
        api.remove(PODS, "task")
        eventually(lambda: not [t for t in recorder._threads if t.is_alive() and t.name.startswith("log-")])
        assert self.text(recorder) == "one\ntwo\n"

    def test_of_other_pods_are_left_alone(self, api: StubApi, start: Start, logs: Path) -> None:
        api.put(PODS, pod("airflow-webserver-x", "webserver", container("webserver")))
        api.put(PODS, self.task(RUNNING))
        api.log("task/base", "2026-01-01T12:00:00.000000001Z one")
        recorder = start(logs_dir=logs)
        eventually(lambda: self.text(recorder))
        assert {request.path for request in api.asked("/log")} == {f"{PODS}/task/log"}

    def test_a_cut_stream_is_resumed_without_doubles(self, api: StubApi, start: Start, logs: Path) -> None:
        api.open_logs.add("task/base")
        api.log("task/base", "2026-01-01T12:00:00.000000001Z one", "2026-01-01T12:00:00.000000002Z two")
        api.inject(Fault("cut", path="/log"))
        api.put(PODS, self.task(RUNNING))
        recorder = start(logs_dir=logs)
        eventually(lambda: len(api.asked("/log")) == 2)
        api.log("task/base", "2026-01-01T12:00:00.000000003Z three")
        eventually(lambda: "three" in self.text(recorder))
        assert self.text(recorder) == "one\ntwo\nthree\n"

    def test_are_bounded(self, api: StubApi, start: Start, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "LOG_BYTES", 2048)
        api.open_logs.add("task/base")
        api.log("task/base", *[f"2026-01-01T12:00:00.{n:09d}Z {'x' * 99}" for n in range(50)])
        api.put(PODS, self.task(RUNNING))
        recorder = start(logs_dir=logs)
        eventually(lambda: "left out" in self.text(recorder))
        assert len(self.text(recorder)) < 2048 + 100

    def test_are_redacted_on_their_way_to_the_disk(self, api: StubApi, start: Start, logs: Path) -> None:
        api.log("task/base", "2026-01-01T12:00:00.000000001Z password is hunter2")
        api.put(PODS, self.task(RUNNING))
        recorder = start(logs_dir=logs, redact=lambda line: line.replace("hunter2", "[redacted]"))
        eventually(lambda: self.text(recorder) == "password is [redacted]\n")

    def test_go_on_in_the_same_file_after_a_restart(self, api: StubApi, start: Start, logs: Path) -> None:
        api.log("task/base", "2026-01-01T12:00:00.000000001Z first")
        api.put(PODS, self.task(terminated(1)))
        recorder = start(logs_dir=logs)
        eventually(lambda: self.text(recorder) == "first\n")
        api.logs["task/base"] = ["2026-01-01T12:00:01.000000001Z second"]
        api.put(PODS, self.task(RUNNING, restarts=1))
        eventually(lambda: self.text(recorder) == "first\nsecond\n")

    def test_a_busy_namespace_is_not_followed_without_end(
        self, api: StubApi, start: Start, logs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch, "FOLLOWED", 3)
        for number in range(10):
            api.open_logs.add(f"task-{number}/base")
            api.log(f"task-{number}/base", "2026-01-01T12:00:00.000000001Z one")
            api.put(PODS, self.task(RUNNING, f"task-{number}"))
        recorder = start(logs_dir=logs)
        eventually(lambda: len(api.asked("/log")) == 3)
        recorder.stop()
        assert len(api.asked("/log")) == 3
