"""What has to be written so that devices are an owner's. Pure: a view comes in, entries go out."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from streams.registry.entries import Device, DeviceStatus, Entry, EntryError, Grant, Owner


class Known(Protocol):
    """The part of the registry that is asked."""

    def device(self, did: str) -> Device | None:
        """A device by its DID."""
        ...

    def owner(self, name: str) -> Owner | None:
        """An owner by name."""
        ...

    def grants(self, owner: str) -> Mapping[str, Grant]:
        """An owner's grants by Dapp."""
        ...


class TakenError(EntryError):
    """A device that cannot be the owner's: it is another's, or was revoked."""


class NotOwnedError(EntryError):
    """A device that is named in a grant, and is not the owner's."""


def device_missing(known: Known, device: Device) -> bool:
    """Whether a device has to be written for it to be its owner's; not if it is already.

    Raises:
        TakenError: it is another owner's, or was revoked.
    """
    found = known.device(device.did)
    if found is None:
        return True
    if found.owner != device.owner:
        raise TakenError(
            f"device {device.did} belongs to {found.owner!r}: give it a key of its own"
        )
    if found.status is DeviceStatus.REVOKED:
        raise TakenError(f"device {device.did} was revoked, which is for good: give it a new key")
    # A newer credential takes the place of the one before; none takes nothing away.
    return device.credential is not None and found.credential != device.credential


def owner_missing(known: Known, owner: str, dapps: Iterable[str], now_ms: int) -> list[Entry]:
    """The owner, and grants of Dapps from now on, as far as they are not there."""
    entries: list[Entry] = [] if known.owner(owner) is not None else [Owner(owner, now_ms)]
    grants = known.grants(owner)
    held = {dapp for dapp, grant in grants.items() if grant.holds_at(now_ms)}
    entries += [Grant(owner, dapp, now_ms) for dapp in dict.fromkeys(dapps) if dapp not in held]
    return entries


def new_grant(
    known: Known,
    owner: str,
    dapp: str,
    now_ms: int,
    *,
    until_ms: int | None = None,
    devices: Iterable[str] | None = None,
    event_types: Iterable[str] | None = None,
) -> Grant:
    """A grant from now on, in place of what was granted; one that holds has its start still.

    Raises:
        NotOwnedError: one of the devices is not the owner's.
    """
    named = None if devices is None else frozenset(devices)
    for did in named or ():
        device = known.device(did)
        if did.startswith("did:") and (device is None or device.owner != owner):
            raise NotOwnedError(f"{owner!r} has no device {did[:80]!r}")
    before = known.grants(owner).get(dapp)
    since_ms = before.since_ms if before is not None and before.holds_at(now_ms) else now_ms
    types = None if event_types is None else frozenset(event_types)
    return Grant(owner, dapp, since_ms, until_ms, named, types)
