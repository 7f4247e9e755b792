"""The run itself: what held of every component while the other checks looked (README: Components, Monitoring)."""

from fixtures.catalogue import requirement
from fixtures.observations.invariants import ended_containers, lost_readiness, tried_probes, unexpected_errors
from fixtures.subject import Subject


@requirement("AF-RUN-001")
def test_no_component_restarted(subject: Subject) -> None:
    """During the run, every container of the release's components MUST stay up, and its pod ready."""
    ended = ended_containers(subject)
    assert not ended, "; ".join(map(str, ended))
    lost = lost_readiness(subject)
    assert not lost, "; ".join(lost)


@requirement("AF-RUN-002")
def test_probes_have_room(subject: Subject) -> None:
    """The command of every probe MUST succeed within the time that Kubernetes gives it."""
    for tried in subject.see(tried_probes):
        probe, where = tried.probe, f"{tried.probe.kind} of {tried.probe.container} in {tried.probe.pod.name}"
        command = " ".join(" ".join(probe.command).split())[-200:]
        named = subject.option("core", "hostname_callable")
        hint = f"; [core] hostname_callable is {named}" if "hostname" in command and named else ""
        assert tried.code in (0, 124), (
            f"the {where} (`{command}`) fails with exit code {tried.code}{hint}: {' '.join(tried.said.split())[-400:]}"
        )
        assert tried.good, (
            f"the {where} takes {tried.seconds:.1f} s and has timeoutSeconds {probe.timeout:g}: "
            "Kubernetes will restart a healthy container; raise the timeout or take a cheaper command"
        )


@requirement("AF-RUN-003")
def test_components_log_no_unexpected_error(subject: Subject) -> None:
    """During the run, no component SHOULD log an error that is not to be expected."""
    errors = unexpected_errors(subject)
    assert not errors, "\n".join(errors)
