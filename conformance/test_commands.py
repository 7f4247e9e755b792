"""The README's commands, run literally and without a terminal (README: Troubleshooting)."""

from fixtures.catalogue import requirement
from fixtures.observations import scheduler_ready
from fixtures.observations.commands import dags_list, first_followed_line, parse_messages, readme_command
from fixtures.subject import Subject


@requirement("AF-TRB-001")
def test_dags_list_lists_the_example(subject: Subject) -> None:
    """`kubectl exec ... deployment/airflow-scheduler -- airflow dags list` MUST list hello_world_dag."""
    command = subject.see(dags_list)
    assert command.code == 0, f"`{command.line}` ended with exit code {command.code}: {command.stderr.strip()[-600:]}"
    listed = [line.split("|")[0].strip() for line in command.stdout.splitlines()]
    assert "hello_world_dag" in listed, f"`{command.line}` does not list hello_world_dag:\n{command.stdout[-1500:]}"
    if "Failed to load all files" in command.stderr + command.stdout:
        subject.note("AF-TRB-001", "the command says `Failed to load all files` and still ends with exit code 0")


@requirement("AF-TRB-002")
def test_parse_errors_can_be_read(subject: Subject) -> None:
    """What the parser says of a DAG file SHOULD be in the scheduler's output, where the README looks for errors."""
    seen = subject.see(parse_messages)
    if not seen.literal:
        subject.note(
            "AF-TRB-002",
            "`kubectl logs -l` prints the last 10 lines of each pod; what works is --tail=-1 -c scheduler",
        )
    if seen.target == "stdout":
        assert seen.stdout, "[logging] dag_processor_log_target is stdout, and the output has no line of the parser"
        return
    subject.note(
        "AF-TRB-002",
        f"[logging] dag_processor_log_target is {seen.target}: parse errors are in files below "
        "/opt/airflow/logs/scheduler, where the README does not look; set it to stdout",
    )
    assert seen.files or seen.stdout, "neither the output nor the log files of the scheduler have a line of the parser"


@requirement("AF-TRB-003")
def test_the_scheduler_is_found_by_its_label(subject: Subject) -> None:
    """`kubectl get pods` and `kubectl logs -f` with `-l component=scheduler` MUST find the scheduler and its output."""
    pod = subject.see(scheduler_ready)
    selector = ("-n", subject.namespace, "-l", "component=scheduler")
    command = readme_command(subject, "get", "pods", *selector)
    rows = {line.split()[0]: line.split()[2] for line in command.stdout.splitlines()[1:]}
    assert rows.get(pod.name) == "Running", f"`{command.line}` printed {rows or command.stderr.strip()}, not {pod.name}"
    assert first_followed_line(subject, "logs", *selector, "-f")
