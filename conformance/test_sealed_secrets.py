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
    seen = subject.see(sealed.unsealed)
    assert not seen.is_legible, "what kubeseal printed still holds the value"
    assert seen.owners == ["SealedSecret"], f"the Secret belongs to {seen.owners}, not to its SealedSecret"
    assert seen.is_equal, "the Secret that the controller made holds other bytes than were sealed"
    assert not seen.accepted, f"the controller unsealed {' and '.join(seen.accepted)}"
    assert not seen.stuck, (
        f"SealedSecrets that are not unsealed: {'; '.join(seen.stuck)}; seal them again with the certificate that "
        "kubeseal fetches now, or give the controller its former key back"
    )
