"""The Kubernetes client tells faults apart, tries again where that is of use, and never changes what it must not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from fixtures.errors import CannotSee, HarnessError, Refused, UsageError
from fixtures.kube import ApiError, Conflict, Forbidden, Gone, Kube, NotFound, Unreachable
from tests.stub_api import Fault, StubApi, running

PODS = "/api/v1/namespaces/airflow/pods"


@pytest.fixture
def api() -> Iterator[StubApi]:
    with running() as stub:
        stub.put(PODS, {"kind": "Pod", "metadata": {"name": "a"}})
        yield stub


def test_reads_objects_lists_and_the_version(api: StubApi) -> None:
    api.answers["/version"] = lambda request: (200, '{"gitVersion": "v1.32.5"}')
    kube = api.kube()
    assert kube.get(f"{PODS}/a")["metadata"]["name"] == "a"
    assert [item["metadata"]["name"] for item in kube.get(PODS)["items"]] == ["a"]
    assert kube.version() == "v1.32.5"


def test_a_query_is_escaped(api: StubApi) -> None:
    api.kube().get(PODS, {"labelSelector": "app.kubernetes.io/name=post gres,a=b"})
    assert api.requests[-1].query == {"labelSelector": "app.kubernetes.io/name=post gres,a=b"}


def test_says_what_does_not_exist(api: StubApi) -> None:
    with pytest.raises(NotFound, match=f"{PODS}/b"):
        api.kube().get(f"{PODS}/b")


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("get", PODS, "list pods in namespace airflow"),
        ("get", f"{PODS}/a", "get pods in namespace airflow"),
        ("text", f"{PODS}/a/log", "get pods/log in namespace airflow"),
        ("delete", f"{PODS}/a", "delete pods in namespace airflow"),
        ("get", "/apis/apps/v1/deployments", "list deployments: "),
        ("get", "/api/v1/nodes/n", "get nodes: "),
    ],
)
def test_a_missing_permission_is_named_as_in_a_role(api: StubApi, method: str, path: str, said: str) -> None:
    api.inject(Fault("status", status=403, message='User "x" cannot do it'))
    with pytest.raises(Forbidden, match=said):
        getattr(api.kube(), method)(path)
    assert len(api.requests) == 1


def test_a_refusal_by_quota_is_no_missing_permission(api: StubApi) -> None:
    api.inject(Fault("status", status=403, message="pods is forbidden: exceeded quota: compute"))
    with pytest.raises(ApiError, match="exceeded quota"):
        api.kube().post(PODS, {"metadata": {"name": "b"}})


def test_unknown_credentials_are_final(api: StubApi) -> None:
    api.inject(Fault("status", status=401, message="Unauthorized"))
    with pytest.raises(Forbidden, match="credentials"):
        api.kube().get(PODS)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_fault_is_tried_again(api: StubApi, status: int) -> None:
    api.inject(Fault("status", status=status, headers={"Retry-After": "0"}))
    assert api.kube().get(PODS)["items"]
    assert len(api.requests) == 2


def test_a_dropped_connection_is_tried_again(api: StubApi) -> None:
    api.inject(Fault("drop"))
    assert api.kube().get(PODS)["items"]


def test_an_overloaded_server_is_out_of_sight(api: StubApi) -> None:
    api.inject(Fault("status", status=429, headers={"Retry-After": "0"}, stays=True))
    with pytest.raises(Unreachable, match="429"):
        api.kube().get(PODS)
    assert len(api.requests) == 4


def test_the_server_is_given_the_patience_it_asks_for(api: StubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    kube, pauses = api.kube(), []
    monkeypatch.setattr(kube, "_sleep", pauses.append)
    api.inject(
        Fault("status", status=429, headers={"Retry-After": "7"}),
        Fault("status", status=503, headers={"Retry-After": "900"}),
    )
    kube.get(PODS)
    assert pauses == [7, 20]


def test_creating_is_not_tried_again(api: StubApi) -> None:
    api.inject(Fault("status", status=503))
    with pytest.raises(Unreachable):
        api.kube().post(PODS, {"metadata": {"name": "b"}})
    assert len(api.requests) == 1


def test_a_deletion_whose_answer_was_lost_counts_as_done(api: StubApi) -> None:
    api.inject(Fault("drop", method="DELETE"))
    kube = api.kube()
    kube.get(PODS)
    api.remove(PODS, "a")
    assert kube.delete(f"{PODS}/a") == {}


def test_deleting_what_was_never_there_is_not_found(api: StubApi) -> None:
    with pytest.raises(NotFound):
        api.kube().delete(f"{PODS}/b")


def test_nobody_listens(api: StubApi) -> None:
    kube = api.kube()
    api.stop()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        kube.get(PODS)


def test_a_server_that_says_nothing_is_given_up(api: StubApi) -> None:
    api.inject(Fault("hang", stays=True))
    with pytest.raises(Unreachable, match="timed out"):
        api.kube(read_timeout=0.1).get(PODS)


def test_what_is_no_api_server_is_said(api: StubApi) -> None:
    api.answers["/version"] = lambda request: (200, "<html>login</html>")
    with pytest.raises(ApiError, match="no JSON"):
        api.kube().version()


def test_conflicts_and_expired_versions_have_their_own_errors(api: StubApi) -> None:
    with pytest.raises(Conflict):
        api.kube().post(PODS, {"metadata": {"name": "a"}})
    api.inject(Fault("status", status=410))
    with pytest.raises(Gone):
        api.kube().get(PODS)


def test_changes(api: StubApi) -> None:
    kube = api.kube()
    kube.post(PODS, {"metadata": {"name": "b"}})
    assert api.requests[-1].headers["Content-Type"] == "application/json"
    assert kube.patch(f"{PODS}/b", {"spec": {"x": 1}})["spec"] == {"x": 1}
    assert api.requests[-1].headers["Content-Type"] == "application/merge-patch+json"
    kube.delete(f"{PODS}/b")
    assert "b" not in api.store[PODS]


def test_read_only_mode_sends_nothing_but_get(api: StubApi) -> None:
    kube = api.kube()
    kube.read_only = True
    for change in (
        lambda: kube.delete(f"{PODS}/a"),
        lambda: kube.post(PODS, {}),
        lambda: kube.patch(f"{PODS}/a", {}),
        lambda: kube.try_to_create(PODS, {}),
        lambda: kube.may("get", "", "pods", "airflow"),
    ):
        with pytest.raises(Refused, match="this run only looks"):
            change()
    kube.get(PODS)
    assert [request.method for request in api.requests] == ["GET"]


def test_asks_whether_a_permission_is_there(api: StubApi) -> None:
    api.answers["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"] = lambda request: (
        201,
        json.dumps({"status": {"allowed": request.body["spec"]["resourceAttributes"]["verb"] == "get"}}),
    )
    kube = api.kube()
    assert kube.may("get", "", "pods", "airflow", "log")
    assert not kube.may("delete", "", "pods", "airflow")
    attributes = api.requests[0].body["spec"]["resourceAttributes"]
    assert attributes == {"verb": "get", "resource": "pods", "namespace": "airflow", "subresource": "log"}


def test_audit_logs_can_name_each_check(api: StubApi) -> None:
    kube = api.kube(user_agent="airflow-conformance/run-1")
    kube.get(PODS)
    kube.user_agent = "airflow-conformance/run-1 AF-POD-002"
    kube.get(PODS)
    agents = [request.headers["User-Agent"] for request in api.requests]
    assert agents == ["airflow-conformance/run-1", "airflow-conformance/run-1 AF-POD-002"]


def test_requests_are_counted(api: StubApi) -> None:
    kube = api.kube()
    for _ in range(3):
        kube.get(PODS)
    assert kube.pace.requests == 3
    assert 1 <= kube.pace.peak <= 3


def test_the_clock_is_the_servers(api: StubApi) -> None:
    api.inject(Fault("status", status=404, headers={"Date": "Thu, 01 Jan 2004 00:00:00 GMT"}))
    kube = api.kube()
    with pytest.raises(NotFound):
        kube.get(PODS)
    assert kube.now().year == 2004


class TestProxy:
    PATH = "/api/v1/namespaces/airflow/services/airflow-statsd:9102/proxy/metrics"

    def test_returns_what_is_behind_it(self, api: StubApi) -> None:
        api.answers[self.PATH] = lambda request: (200, "airflow_scheduler_heartbeat 3\n")
        assert api.kube().proxy(self.PATH) == "airflow_scheduler_heartbeat 3\n"

    def test_a_service_without_endpoints_is_no_fault_of_the_api_server(self, api: StubApi) -> None:
        api.inject(Fault("status", status=503, message='no endpoints available for service "airflow-statsd"'))
        with pytest.raises(ApiError, match="no endpoints available") as error:
            api.kube().proxy(self.PATH)
        assert error.value.status == 503
        assert not isinstance(error.value, CannotSee)
        assert len(api.requests) == 1


class TestConnect:
    @pytest.fixture
    def kubeconfig(self, tmp_path: Path, api: StubApi) -> Path:
        file = tmp_path / "config"
        file.write_text(
            yaml.safe_dump(
                {
                    "current-context": "one",
                    "contexts": [
                        {"name": "one", "context": {"cluster": "c", "user": "u"}},
                        {"name": "broken", "context": {"cluster": "nowhere", "user": "u"}},
                    ],
                    "clusters": [{"name": "c", "cluster": {"server": api.url}}],
                    "users": [{"name": "u", "user": {"token": "s3cret"}}],
                }
            )
        )
        return file

    def test_sends_the_contexts_credentials(self, kubeconfig: Path, api: StubApi) -> None:
        Kube.connect(kubeconfig, "one").get(PODS)
        assert api.requests[-1].headers["authorization"] == "Bearer s3cret"

    def test_a_kubeconfig_given_explicitly_has_its_own_current_context(self, kubeconfig: Path) -> None:
        assert Kube.connect(kubeconfig, None).get(PODS)["items"]

    def test_an_unknown_context_is_answered_with_those_that_exist(self, kubeconfig: Path) -> None:
        with pytest.raises(UsageError) as error:
            Kube.connect(kubeconfig, "two")
        assert "one, broken" in error.value.remedy

    def test_a_context_that_points_nowhere(self, kubeconfig: Path) -> None:
        with pytest.raises(UsageError, match="broken"):
            Kube.connect(kubeconfig, "broken")

    @pytest.mark.parametrize("content", ["", "{", "just text", "contexts: 3"])
    def test_a_broken_kubeconfig(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "config").write_text(content)
        with pytest.raises(UsageError, match="config"):
            Kube.connect(tmp_path / "config", "one")

    def test_a_missing_kubeconfig(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError):
            Kube.connect(tmp_path / "nothing", "one")

    def test_the_current_context_of_the_usual_place_is_never_used(
        self, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        with pytest.raises(UsageError, match="no context is named"):
            Kube.connect(None, None)
        assert Kube.connect(None, "one").get(PODS)["items"]


def test_a_client_that_ends_does_not_pause(api: StubApi) -> None:
    api.inject(Fault("status", status=429, headers={"Retry-After": "20"}, stays=True))
    kube = api.kube()
    kube.close()
    with pytest.raises(HarnessError, match="the run ends"):
        kube.get(PODS)
