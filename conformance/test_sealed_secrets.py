"""Sealed secrets for GitOps (README: Security, Secrets Management)."""

from fixtures.catalogue import requirement
from fixtures.observations import sealed
from fixtures.subject import Subject


@requirement("AF-SEAL-001")
def test_a_secret_can_be_sealed(subject: Subject) -> None:
    """The README's pipeline SHOULD turn a Secret into one that is sealed, and the cluster SHOULD unseal it."""
    text, made = sealed.dry_run(subject)
    assert made.get("kind") == "Secret" and made["metadata"]["name"] == sealed.NAME, f"kubectl printed {made}"
    assert sealed.decoded(made) == text, "the Secret that kubectl prints does not hold the given value"
    assert not sealed.changed(subject), "`kubectl create --dry-run=client` changed the cluster"
    sealed.require_controller(subject)
    unsealed = subject.see(sealed.unsealed)
    assert unsealed.owners == ["SealedSecret"], f"the Secret belongs to {unsealed.owners}, not to its SealedSecret"
    assert unsealed.is_equal, "the Secret that the controller made holds other bytes than were sealed"
