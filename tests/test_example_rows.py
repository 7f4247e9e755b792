"""Checks of best practices, use cases, alerts and scheduling fail with the cause, and pass without a fault."""

from __future__ import annotations

import configparser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance import test_best_practices, test_email, test_example_dag, test_scheduling, test_use_cases
from fixtures.airflow import Dag, DagDetails, DagRun, Pool, Task, TaskInstance
from fixtures.errors import Blocked
from fixtures.mail import Mail
from fixtures.objects import Pod
from fixtures.observations import FinishedRun
from fixtures.observations.examples import Etl, LocalTest, Mailed, Parsed
from fixtures.settings import Executor
from fixtures.subject import Subject

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
RUN = DagRun("d", "conformance__1", "success", "manual", NOON, NOON + timedelta(minutes=1))


def ran(task_id: str, start: int = 0, end: int = 10, *, queued: int = 0, state: str = "success", tries: int = 1) -> Any:
    at = [NOON + timedelta(seconds=seconds) for seconds in (start, end, queued)]
    return TaskInstance(task_id, state, "host", tries, *at, "default_pool", "default", "PythonOperator", -1)


def finished(*tasks: TaskInstance, state: str = "success") -> FinishedRun:
    return FinishedRun(replace(RUN, state=state), {task.task_id: task for task in tasks}, {})


def dag(dag_id: str, **changes: Any) -> Dag:
    known = Dag(dag_id, False, True, f"/dags/{dag_id}.py", "what", "0 0 * * *", "At 00:00", frozenset({"example"}),
                frozenset({"airflow"}), False, 16)  # fmt: skip
    return replace(known, **changes)


def parsed(
    dag_id: str = "etl_pipeline", *, own: bool = True, source: str = "", retries: int = 1, pool: str = "default_pool",
    catchup: bool = False, doc_md: str = "doc", **changes: Any,
) -> Parsed:  # fmt: skip
    tasks = [Task(name, "", "", retries, timedelta(0), False, frozenset(), pool) for name in ("a", "b")]
    return Parsed(dag(dag_id, **changes), own, DagDetails(dag_id, catchup, NOON, doc_md), tasks, source)


def a_mail(**changes: Any) -> Mail:
    html = '<p>Report attached</p> breaks <a href="http://airflow.example:8080/log?task_id=breaks&dag_id=conformance_alert">Link</a>'
    known = Mail(1, NOON, ("team@example.com",), "Airflow alert: conformance_alert", html, ())
    return replace(known, **changes)


@dataclass
class Fake:
    """A subject whose observations are given."""

    seen: dict[str, Any]
    options: dict[str, str] = field(default_factory=dict)
    dags: dict[str, Dag] = field(default_factory=dict)
    pools: list[Pool] = field(default_factory=lambda: [Pool("default_pool", 128, 128)])
    pods: list[Pod] = field(default_factory=list)
    edges: dict[str, set[str]] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    details: dict[str, DagDetails] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    executor: Executor = Executor.CELERY
    release: str = "airflow"
    namespace: str = "airflow"
    parser: str = "scheduler"
    git_sync: str = "git-sync"
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        task = SimpleNamespace
        self.config = configparser.ConfigParser()
        self.airflow = SimpleNamespace(
            dag=self.dags.get,
            dags=lambda tag="": [one for one in self.dags.values() if not tag or tag in one.tags],
            pool=lambda name: next(pool for pool in self.pools if pool.name == name),
            tasks_at_work=lambda at: [],
            pools=lambda: self.pools,
            tasks_of=lambda _: self.tasks or [task(task_id=id, downstream=down) for id, down in self.edges.items()],
            details=lambda dag_id: self.details[dag_id],
            import_errors=list,
            log=lambda run, task_id, _: self.logs[task_id],
        )
        self.cluster = SimpleNamespace(pods=lambda **_: self.pods, kube=SimpleNamespace(now=lambda: NOON))
        self.waiter = SimpleNamespace(until=lambda _, look, **__: look())

    def see(self, observation: Any) -> Any:
        if isinstance(found := self.seen[observation.name], Blocked):
            raise found
        return found

    def note(self, _: str, finding: str) -> None:
        self.notes.append(finding)

    def option(self, section: str, key: str, default: str = "", component: str = "scheduler") -> str:
        return self.options.get(f"{section}.{key}", default)

    def flag(self, section: str, key: str, default: str = "False", component: str = "scheduler") -> bool:
        return self.option(section, key, default, component) == "True"

    def running(self, component: str) -> list[Pod]:
        return self.pods

    def ask(self, component: str, probe: str, *_: str) -> str:
        return probe

    def pod(self, component: str) -> Pod:
        return self.pods[0]


def pod(args: tuple[str, ...] = (), labels: Mapping[str, str] | None = None, **resources: Any) -> Pod:
    container = {"name": "scheduler", "args": list(args), "resources": resources}
    labels = {"component": "scheduler", **(labels or {})}
    return Pod({"metadata": {"name": "p", "uid": "u", "labels": labels}, "spec": {"containers": [container]}})


def lint(*found: Parsed, later: dict[str, datetime] | None = None, **more: Any) -> Fake:
    names = {one.dag.dag_id: one.dag for one in found}
    return Fake(
        {"listed_dags": list(found), "parsed_dags": list(found), "start_dates_later": later or {}}, dags=names, **more
    )


def etl_run(**changes: Any) -> Fake:
    good = Etl(finished(ran("extract"), ran("transform", 10, 20), ran("load", 20, 30)), {"rows": 3, "total": 38})
    refused = finished(
        ran("extract"), ran("transform", state="failed"), ran("load", state="upstream_failed"), state="failed"
    )
    edges = {"extract": {"transform"}, "transform": {"load"}, "load": set()}
    return Fake({"etl": good, "etl_refused": refused, **changes}, edges=edges)


def report_run(*mails: Mail) -> Fake:
    run = finished(ran("generate_report"), ran("send_report", 12, 15))
    known = dag("daily_report", schedule="0 8 * * *")
    return Fake({"daily_report": Mailed(run, "the log", list(mails))}, dags={"daily_report": known})


def alerted(*mails: Mail, log: str = "", url: str = "http://airflow.example:8080") -> Fake:
    return Fake({"alert": Mailed(finished(ran("breaks")), log, list(mails))}, {"webserver.base_url": url})


def linking(host: str, reason: str = "") -> Fake:
    """A mail whose link leads to the host, and what keeps the scheduler from connecting there."""
    fake = alerted(a_mail(html=f'<a href="http://{host}/log?dag_id=d">Link</a>'), url=f"http://{host}")
    fake.ask = lambda *asked: {asked[-1]: reason}  # type: ignore[assignment, method-assign]
    return fake


def parallel(left: TaskInstance, right: TaskInstance, args: str = "", **options: str) -> Fake:
    given = {k.replace("__", "."): v for k, v in options.items()}
    container = {"name": "worker", "args": ["bash", "-c", f"exec airflow celery worker {args}"]}
    worker = Pod({"metadata": {"name": "w", "uid": "w"}, "spec": {"containers": [container]}})
    return Fake({"side_by_side": finished(left, right)}, given, pods=[worker])


def beside(held: dict[str, int], of_pool: dict[str, int] | None = None, **options: str) -> Fake:
    """The task `right` began when `left` had ended; so many tasks were at work then, and so many of its pool."""
    fake = parallel(ran("left", 0, 60), ran("right", 61, 62), **options)

    def at_work(at: datetime) -> list[tuple[str, str]]:
        assert at == NOON + timedelta(seconds=59)
        asked.append(at)
        assert len(asked) == 1, "the tasks at work are asked for once"
        mine = of_pool or {}
        return [
            (dag_id, "default_pool" if number < mine.get(dag_id, 0) else "another")
            for dag_id, count in held.items()
            for number in range(count)
        ]

    asked: list[datetime] = []
    fake.airflow.tasks_at_work = at_work
    return fake


def cold(*, cold: bool = True, created: int = 0) -> Fake:
    """The task `right` began when `left` had ended; its pod was created that many seconds after `left` began."""
    fake = parallel(ran("left", 0, 60), ran("right", 90, 91))
    raw = {"metadata": {"name": "r", "uid": "r", "creationTimestamp": (NOON + timedelta(seconds=created)).isoformat()}}
    fake.seen["side_by_side"].pods["right"] = Pod(raw)
    fake.cluster.came_cold = lambda pod: cold
    return fake


def started(seconds: int = 3, args: tuple[str, ...] = (), **options: str) -> Fake:
    task = ran("hello_task", seconds)
    hello, facts = SimpleNamespace(finished=finished(task)), SimpleNamespace(task=task)
    seen = {"scheduler_ready": None, "hello": hello, "facts": facts}
    return Fake(seen, {f"scheduler.{k}": v for k, v in options.items()}, pods=[pod(args)])


def unpaused(*days_ago: float, next_run: datetime | None = None, **options: str) -> Fake:
    runs = [replace(RUN, run_type="scheduled", interval_end=NOON - timedelta(days=days)) for days in days_ago]
    hello = SimpleNamespace(finished=finished(ran("hello_task")))
    return Fake(
        {"hello": hello, "scheduled_runs": runs},
        {f"scheduler.{name}": value for name, value in options.items()},
        dags={"hello_world_dag": dag("hello_world_dag", next_run=next_run)},
    )


def example(**changes: Any) -> Fake:
    known = dag("hello_world_dag", description="Simple hello world DAG")
    details = replace(DagDetails("hello_world_dag", False, NOON, ""), **changes)
    task = Task("hello_task", "PythonOperator", "airflow", 1, timedelta(minutes=5), False, frozenset())
    return Fake({"airflow_access": None}, dags={known.dag_id: known}, tasks=[task], details={known.dag_id: details})


def logged(load: str = "d.load", **changes: Any) -> Fake:
    def log(task: str) -> str:
        return f"INFO - Running <TaskInstance: {task} {RUN.run_id} [running]> on host h\nHello from Airflow!"

    hello = SimpleNamespace(finished=finished(ran("hello_task")), log=log("d.hello_task"))
    pipeline = Etl(finished(ran("extract"), ran("load")), {})
    return Fake({"hello": hello, "etl": pipeline, **changes}, logs={"extract": log("d.extract"), "load": log(load)})


def limited(*more: Pod, **resources: Any) -> Fake:
    return Fake({"hello": SimpleNamespace(finished=finished(ran("hello_task")))}, pods=[pod(**resources), *more])


TESTED = Fake({"tested_locally": LocalTest(0, "conformance: said", [])})
TESTED_BADLY = Fake({"tested_locally": LocalTest(1, "boom", [])})
GIVEN = {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "1Mi"}}
BAD_LOG = "smtplib.SMTPNotSupportedError: STARTTLS extension not supported by server."
B, S, U, X, E = test_best_practices, test_scheduling, test_use_cases, test_example_dag, test_email
GONE = "the name does not resolve (Name or service not known)"
Check = Callable[[Any], None]


@pytest.mark.parametrize(
    ("check", "subject"),
    [
        (B.test_start_dates_stay, lint(parsed(), later={"etl_pipeline": NOON})),
        (B.test_nothing_is_backfilled, lint(parsed(), parsed("theirs", own=False, catchup=True))),
        (B.test_tasks_are_tried_again, lint(parsed(), parsed("conformance_x", retries=0))),
        (B.test_dags_are_found_by_tag, lint(parsed(), parsed("theirs", own=False, tags=frozenset()))),
        (B.test_dags_are_described, lint(parsed())),
        (B.test_workflows_are_documented, lint(parsed())),
        (B.test_containers_have_limits, limited(**GIVEN)),
        (B.test_containers_have_limits, limited(pod(labels={"kubernetes_pod_operator": "True"}), **GIVEN)),
        (
            B.test_dags_are_tested_without_the_scheduler,
            TESTED,
        ),
        (U.test_a_pipeline_runs_in_order, etl_run()),
        (U.test_the_report_is_mailed, report_run(a_mail(subject="Daily Report"))),
        (U.test_references_are_addresses, Fake({})),
        (E.test_a_failed_task_alerts, alerted(a_mail())),
        (E.test_links_in_mails_lead_to_the_ui, alerted(a_mail())),
        (
            E.test_links_in_mails_lead_to_the_ui,
            alerted(a_mail(html='breaks <a href="https://handbook/on-call">Do</a>')),
        ),
        (E.test_links_in_mails_lead_to_the_ui, linking("ui.ns.svc")),
        (E.test_links_in_mails_lead_to_the_ui, linking("ui.ns.svc", "no connection (timed out)")),
        (
            E.test_links_in_mails_lead_to_the_ui,
            linking("ui.ns.svc", "the name does not resolve (Temporary failure in name resolution)"),
        ),
        (E.test_links_in_mails_lead_to_the_ui, linking("wiki", GONE)),
        (S.test_independent_tasks_run_side_by_side, parallel(ran("left", 0, 60), ran("right", 30, 40))),
        (S.test_independent_tasks_run_side_by_side, cold()),
        (S.test_pools_have_slots, lint(parsed(), parsed("theirs", own=False, pool="closed"))),
        (S.test_the_scheduler_is_declared_sanely, started()),
        (S.test_the_scheduler_is_declared_sanely, started(args=("airflow", "scheduler", "--num-runs", "-1"))),
        (S.test_the_scheduler_is_declared_sanely, started(args=("tail", "-f", "logs/scheduler", "-n", "9"))),
        (X.test_the_example_dag_runs_daily_without_the_past, unpaused(0.5)),
        (X.test_the_example_dag_runs_daily_without_the_past, unpaused(next_run=NOON + timedelta(hours=12))),
        (X.test_the_example_dag_runs_daily_without_the_past, unpaused(next_run=NOON - timedelta(days=9.5))),
        (X.test_the_log_outlives_the_task, logged()),
        (X.test_the_log_outlives_the_task, logged(load="d.extract", etl=Blocked("it failed", by="AF-ETL-001"))),
        (X.test_the_example_dag_is_listed_as_documented, example()),
        (X.test_the_example_dag_is_listed_as_documented, example(run_timeout=timedelta(hours=1))),
    ],
)
def test_a_good_deployment_passes(check: Check, subject: Fake) -> None:
    check(subject)


@pytest.mark.parametrize(
    ("check", "subject", "says"),
    [
        (B.test_start_dates_stay, lint(parsed(source="DAG(start_date=datetime.now())")), "which moves with"),
        (B.test_start_dates_stay, lint(parsed(), later={"etl_pipeline": NOON + timedelta(1)}), "at a later one"),
        (B.test_nothing_is_backfilled, lint(parsed(catchup=True)), "etl_pipeline has catchup on"),
        (B.test_tasks_are_tried_again, lint(parsed(retries=0)), "have no retries"),
        (B.test_dags_are_found_by_tag, lint(parsed(tags=frozenset())), "has no tag"),
        (B.test_dags_are_described, lint(parsed(description="", doc_md="")), "neither description nor doc_md"),
        (B.test_workflows_are_documented, lint(parsed(doc_md="")), "has 2 tasks and no doc_md"),
        (B.test_containers_have_limits, limited(limits={"memory": "1Mi"}), "scheduler lacks requests.cpu, req"),
        (B.test_a_task_that_runs_again_gives_the_same,
         Fake({"etl": Etl(finished(ran("load")), 1), "etl_again": Etl(finished(ran("load", tries=2)), 2)}), "loaded 1"),
        (B.test_progress_and_errors_are_logged, Fake({"failing_log": "killed"}), "is not in its log"),
        (B.test_dags_are_tested_without_the_scheduler, TESTED_BADLY, "exit code 1"),
        (U.test_a_pipeline_runs_in_order, etl_run(etl=Etl(finished(ran("extract"), ran("transform"), ran("load")), {})),
         "transform began at"),
        (U.test_a_pipeline_runs_in_order,
         etl_run(etl_refused=finished(ran("extract"), ran("transform", state="failed"), ran("load"))), "the tasks are"),
        (U.test_the_report_is_mailed, report_run(), "0 mails of run"),
        (U.test_the_report_is_mailed, report_run(*[a_mail(subject="Daily Report")] * 2), "2 mails of run"),
        (E.test_a_failed_task_alerts, alerted(log=BAD_LOG), "STARTTLS extension not supported.*smtp_host"),
        (E.test_links_in_mails_lead_to_the_ui, alerted(a_mail(), url="http://ui.example"), "base_url is http://ui"),
        (E.test_links_in_mails_lead_to_the_ui, linking("0.0.0.0"), "base_url is http://0.0.0.0"),
        (E.test_links_in_mails_lead_to_the_ui, linking("ui.ns.svc.cluster.local", GONE), "no Service of that name"),
        (S.test_independent_tasks_run_side_by_side,
         parallel(ran("left", 0, 60), ran("right", 61, 62), core__parallelism="1"), "core. parallelism=1"),
        (S.test_independent_tasks_run_side_by_side,
         parallel(ran("left", 0, 60), ran("right", 61, 62), celery__worker_concurrency="1"), ": .celery. worker_conc"),
        (S.test_independent_tasks_run_side_by_side,
         parallel(ran("left", 0, 60), ran("right", 61, 62), celery__worker_autoscale="1,1"), "worker_autoscale=1$"),
        (S.test_independent_tasks_run_side_by_side,
         parallel(ran("left", 0, 60), ran("right", 61, 62), "-q x -c 1", celery__worker_concurrency="1"),
         "other: -c of the worker's command line=1$"),
        (S.test_independent_tasks_run_side_by_side,
         parallel(ran("left", 0, 60), ran("right", 61, 62), "--autoscale=1,1", celery__worker_autoscale="8,4"),
         "--autoscale of the worker's command line=1$"),
        (S.test_independent_tasks_run_side_by_side, cold(cold=False), "one after the other"),
        (S.test_independent_tasks_run_side_by_side, cold(created=61), "one after the other"),
        (S.test_pools_have_slots, lint(parsed(), pools=[Pool("default_pool", 0, 0)]), "pool default_pool has 0 slots"),
        (S.test_pools_have_slots, lint(parsed(pool="gone")), "pool gone does not exist"),
        (S.test_the_scheduler_is_declared_sanely, started(task_queued_timeout="5"), "task_queued_timeout is 5 s"),
        (S.test_the_scheduler_is_declared_sanely, started(40, task_queued_timeout="35"), "took 40.0 s to start"),
        (S.test_the_scheduler_is_declared_sanely, started(num_runs="20"), "num_runs=20"),
        (S.test_the_scheduler_is_declared_sanely, started(args=("scheduler", "--num-runs", "9")), "leave --num"),
        (S.test_the_scheduler_is_declared_sanely, started(args=("airflow", "scheduler", "--num-runs", "9")), "leave"),
        (S.test_the_scheduler_is_declared_sanely, started(args=("bash", "-c", "exec airflow scheduler -n9")), "rounds"),
        (X.test_the_example_dag_runs_daily_without_the_past, unpaused(0.5, 1.5, 2.5), "catchup: unpausing made 3"),
        (X.test_the_example_dag_runs_daily_without_the_past, unpaused(next_run=NOON + timedelta(days=1.5)),
         "promised is daily"),
        (X.test_the_example_dag_runs_daily_without_the_past, unpaused(use_job_schedule="False"), "use_job_schedule"),
        (X.test_the_example_dag_is_listed_as_documented, example(run_timeout=timedelta(0, 240)), "dagrun_timeout"),
        (X.test_the_example_dag_is_listed_as_documented, example(end_date=NOON), "end_date is 2024-06-01"),
        (X.test_the_log_outlives_the_task, logged(load="d.extract"), "log of load .* also holds that of d.extract"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_named(check: Check, subject: Fake, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check(subject)


@pytest.mark.parametrize(
    ("subject", "by"),
    [
        (beside({"sales": 3, "conformance_parallel": 1}, core__parallelism="4"), "[core] parallelism"),
        (beside({"sales": 9, "d": 7}), "[celery] worker_concurrency of 1 workers"),
        (beside({"sales": 127, "d": 1}, {"sales": 127, "d": 1}, celery__worker_concurrency="500"), "pool default_pool"),
    ],
)
def test_a_task_for_which_others_leave_no_room_accuses_nobody(subject: Fake, by: str) -> None:
    with pytest.raises(Blocked, match=r"right waited until left had ended: of .* were other DAGs'") as blocked:
        S.test_independent_tasks_run_side_by_side(cast("Subject", subject))
    assert blocked.value.by == by


@pytest.mark.parametrize(
    "subject",
    [
        beside({"sales": 2, "conformance_parallel": 1}, core__parallelism="4"),
        beside({"sales": 1, "conformance_parallel": 1, "etl_pipeline": 2}, core__parallelism="4"),
        beside({"conformance_parallel": 1}, celery__worker_concurrency="1"),
    ],
)
def test_room_that_others_leave_is_no_excuse(subject: Fake) -> None:
    with pytest.raises(AssertionError, match="one after the other"):
        S.test_independent_tasks_run_side_by_side(cast("Subject", subject))


def served(source: str, **options: str) -> Fake:
    """A Celery task ran on `host`, and its log says where it comes from."""
    hello = SimpleNamespace(finished=finished(ran("hello_task")), log=f"{source}\nHello from Airflow!")
    return Fake({"hello": hello}, {f"logging.{name}": value for name, value in options.items()})


@pytest.mark.parametrize(
    "subject",
    [
        served("*** Found logs served from http://host:8793/log/d.log"),
        served("*** Found local files:\n***   * /opt/airflow/logs/d.log"),
        served("*** Found logs in s3:\n***   * s3://logs/d.log", remote_logging="True"),
        served("", remote_logging="True"),
    ],
)
def test_a_celery_log_comes_from_its_worker_or_from_shared_storage(subject: Fake) -> None:
    X.test_the_log_comes_from_where_the_task_ran(cast("Subject", subject))


@pytest.mark.parametrize("source", ["", "*** Found logs served from http://other:8793/log/d.log"])
def test_a_celery_log_of_nowhere_is_named(source: str) -> None:
    with pytest.raises(AssertionError, match="its log says of its source"):
        X.test_the_log_comes_from_where_the_task_ran(cast("Subject", served(source)))
