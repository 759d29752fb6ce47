"""Devices that are their owner's because the owner signed that they are.

A credential of the type `OWNERSHIP` says so: its issuer is the owner's DID, its one subject's id
the device's did:key. Whether it still holds is looked at again and again: an owner can put an end
to it, or take it back through a status list, without asking the node.
"""

from typing import Final

from streams.registry.checks import check
from streams.registry.entries import Device, EntryError, Hold
from streams.wallet.credentials.evidence import Evidence
from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.verifier import Verifier

OWNERSHIP: Final = "DeviceOwnership"


def owned_device(text: str, verifier: Verifier) -> Device:
    """The device of a credential, as its issuer's. May block, for what has to be fetched.

    Raises:
        CredentialError: it does not hold, or is no credential of this type.
    """
    credential = verifier.credential(text)
    if OWNERSHIP not in credential.types:
        raise CredentialError(Fault.TYPE_MISSING, f"its type is not {OWNERSHIP}")
    ids = credential.subject_ids
    if len(ids) != 1 or len(credential.subjects) != 1:
        raise CredentialError(
            Fault.MALFORMED_CREDENTIAL, f"a {OWNERSHIP} has one subject, whose id is the device"
        )
    device = Device(ids[0], credential.issuer, credential=Evidence.of(text, credential))
    try:
        check(device)
    except EntryError as error:
        raise CredentialError(Fault.MALFORMED_CREDENTIAL, str(error)) from None
    return device


def hold_now(device: Device, before: Hold | None, verifier: Verifier, now_ms: int) -> Hold | None:
    """Whether a device has to be held now: its credential does not hold. May block.

    Args:
        device: with a credential.
        before: whether it was held until now for this credential.
        verifier: knows.
        now_ms: since when a new hold is.
    """
    assert device.credential is not None
    if before is not None and before.fault == Fault.REVOKED:
        return before  # which is for good, whatever the list says later
    try:
        verifier.still_holds(device.owner, device.credential)
    except CredentialError as error:
        if before is not None and before.fault == error.fault:
            return before
        return Hold(device.did, error.fault, device.credential.sha256, now_ms)
    return None
