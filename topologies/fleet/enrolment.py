"""Makes a fleet's devices known to a node: its owner, its DIDs, the owner's grant."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from streams.clock import Clock
from streams.registry.entries import Device, DeviceStatus, Entry, Grant, Owner
from streams.registry.view import Registry
from streams.registry.writer import RegistryWriter


class EnrolmentError(Exception):
    """A fleet that cannot be enrolled; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What had to be written."""

    devices: int  # that were new
    is_grant_new: bool


def enrol(
    kafka: Mapping[str, Any], dids: Collection[str], owner: str, dapp: str, clock: Clock
) -> Enrolled:
    """Register what is missing; what is there stays as it is. Blocks until Kafka has it.

    Raises:
        EnrolmentError: no such Dapp, or a device that was revoked or belongs to someone else.
        RegistryError, EntryError: the registry cannot be read or written, or a name is malformed.
    """
    registry = Registry(kafka, clock)
    registry.start()
    try:
        if registry.dapp(dapp) is None:
            raise EnrolmentError(f"this node serves no Dapp {dapp!r}: add it with `w3b dapp add`")
        entries: list[Entry] = []
        if registry.owner(owner) is None:
            entries.append(Owner(owner, clock.now_ms()))
        known = {did: registry.device(did) for did in dids}
        for did, device in known.items():
            if device is not None and device.owner != owner:
                raise EnrolmentError(f"device {did} belongs to {device.owner!r}, not to {owner!r}")
            if device is not None and device.status is not DeviceStatus.ACTIVE:
                raise EnrolmentError(
                    f"device {did} is revoked: use another data directory or fewer devices"
                )
        new = [Device(did, owner) for did, device in known.items() if device is None]
        entries += new
        grant = registry.grants(owner).get(dapp)
        is_grant_new = grant is None or not grant.holds_at(clock.now_ms())
        if is_grant_new:
            entries.append(Grant(owner, dapp, clock.now_ms()))
        if entries:
            registry.wait_for(RegistryWriter(kafka, registry, clock=clock).put_all(entries))
        return Enrolled(len(new), is_grant_new)
    finally:
        registry.close()
