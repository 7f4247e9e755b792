"""Pod template of the KubernetesExecutor (README: KubernetesExecutor Configuration)."""

from fixtures.catalogue import requirement
from fixtures.cluster import Resources
from fixtures.observations import facts, hello
from fixtures.subject import Subject

DOCUMENTED = Resources.of(requests={"cpu": "100m", "memory": "256Mi"}, limits={"cpu": "500m", "memory": "512Mi"})


@requirement("AF-POD-002")
def test_task_pods_carry_the_documented_limits(subject: Subject) -> None:
    """Task pods MUST request 100m CPU and 256Mi, and be limited to 500m CPU and 512Mi, on the container `base`."""
    pod = subject.see(hello).finished.pod("hello_task")
    actual = pod.container("base").resources
    assert actual == DOCUMENTED, (
        f"container base of task pod {pod.name} has {actual}, promised is {DOCUMENTED}: set workers.resources"
    )
    inside = subject.see(facts).seen["memory_limit_bytes"]
    assert inside == DOCUMENTED.memory_limit, f"inside a task the memory limit is {inside} bytes"


@requirement("AF-POD-003")
def test_task_pods_run_the_documented_image(subject: Subject) -> None:
    """Task pods MUST run the image of the promised Airflow version."""
    pod = subject.see(hello).finished.pod("hello_task")
    image = pod.container("base").image
    scheduler = subject.pod("scheduler").container("scheduler").image
    assert image == scheduler, f"task pods run {image}, the scheduler runs {scheduler}: set defaultAirflowTag"
    assert image.rsplit(":", 1)[-1].startswith(subject.settings.AIRFLOW), (
        f"task pods run {image}, promised is a tag {subject.settings.AIRFLOW}"
    )
