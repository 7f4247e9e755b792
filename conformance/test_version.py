"""Version and naming (README: Version, Namespace)."""

from fixtures.catalogue import requirement
from fixtures.observations import (
    facts,
    image_of,
    metadata_database,
    scheduler_image,
    scheduler_ready,
    webserver_ready,
    worker_ready,
    worker_stands,
)
from fixtures.observations.release_objects import labels_of_what_workloads_use
from fixtures.observations.upgrade import helm_status, others_images
from fixtures.subject import Subject


@requirement("AF-VER-001")
def test_every_component_runs_the_promised_version(subject: Subject) -> None:
    """Chart, images, webserver, scheduler and tasks MUST all be of the promised versions."""
    promised, chart = subject.settings.AIRFLOW, f"airflow-{subject.settings.CHART_VERSION}"
    helm = helm_status(subject) if subject.values else None
    assert helm is None or helm.state == "deployed", (
        f"revision {helm.revision} of the Helm release is {helm.state}: that upgrade did not end well, and while one "
        f"is pending Helm refuses every other; `helm history {subject.release}`, then `helm rollback`"
    )
    subject.see(webserver_ready)
    subject.see(scheduler_ready)
    for workload in subject.cluster.workloads():
        assert workload.labels.get("chart") == chart, (
            f"{workload.kind}/{workload.name} carries the label chart={workload.labels.get('chart')}, "
            f"promised is {chart}"
        )
    older = {name: label for name, label in labels_of_what_workloads_use(subject).items() if label != chart}
    assert not older, (
        f"the workloads are of {chart}, and what they use is not (label chart): {older}; an upgrade stopped half-way: "
        "run it again"
    )
    others = others_images(subject)
    assert not others, f"pods run another image than the scheduler's: {others}"
    seen = {"the webserver (GET /api/v1/version)": subject.airflow.version()}
    if not subject.only_looks("AF-VER-001", "what the scheduler and a task say"):
        seen["the scheduler's image"] = subject.see(scheduler_image).airflow
        seen["a task"] = subject.see(facts).seen["airflow"]
    for where, version in seen.items():
        assert version == promised, (
            f"{where} runs Airflow {version}, promised is {promised}: set airflowVersion and defaultAirflowTag"
        )


@requirement("AF-VER-002")
def test_the_schema_is_that_of_the_image(subject: Subject) -> None:
    """The metadata database MUST be at the schema head of the Airflow version that runs."""
    ready = {"webserver": webserver_ready, "scheduler": scheduler_ready}  # what does not come up says so itself
    if worker_stands(subject):
        ready["worker"] = worker_ready
    for component, up in ready.items():
        subject.see(up)
        image = subject.see(scheduler_image) if component == "scheduler" else image_of(subject, component)
        seen = metadata_database(subject, component, "").seen
        assert "error" not in seen, f"the {component} cannot read its schema: {seen['error']}"
        assert seen["heads"] == image.heads, (
            f"the database of the {component} is at schema {', '.join(seen['heads']) or 'none'}, Airflow "
            f"{image.airflow} in its image needs {', '.join(image.heads)}: run the migration Job of that version"
        )


@requirement("AF-NS-001")
def test_everything_lives_in_the_release_namespace(subject: Subject) -> None:
    """All objects of the release, and its task pods, MUST live in the release's namespace."""
    strays = subject.strays()
    assert not strays, f"objects of release {subject.release} live outside {subject.namespace}: {', '.join(strays)}"
    if subject.only_looks("AF-NS-001", "where a task runs"):
        return
    namespace = subject.see(facts).seen["namespace"]
    assert namespace in (subject.namespace, None), (
        f"a task ran in namespace {namespace}, the release is in {subject.namespace}: [kubernetes_executor] namespace"
    )


@requirement("AF-NS-002")
def test_objects_have_the_documented_names(subject: Subject) -> None:
    """Workloads and Services MUST have the names that the README's commands use."""
    for component in ("webserver", "scheduler", "statsd"):
        workload = subject.cluster.workload(component)
        name = f"{subject.fullname}-{component}"
        assert workload is not None, f"there is no workload with the label component={component}"
        assert workload.name == name, f"{workload.kind} of the {component} is called {workload.name}, not {name}"
    for component in ("webserver", "statsd"):
        name = f"{subject.fullname}-{component}"
        services = subject.cluster.services(component=component)
        assert name in services, f"there is no Service {name}; Services of the {component}: {services}"
