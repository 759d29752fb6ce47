"""Who may send: owners, their devices and grants, publishers."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from streams.clock import SystemClock
from streams.registry.adding import device_missing, new_grant, owner_missing
from streams.registry.entries import (
    PUBLISHER_TOKEN,
    Device,
    DeviceStatus,
    Grant,
    Kind,
    Publisher,
)
from topologies.commands import CommandError
from topologies.config import Settings
from topologies.registering import Desk, UnknownError, known_dapp

_TOKEN_BYTES: Final = 32


# --- owners ---------------------------------------------------------------------------------------


def list_owners(desk: Desk, _: Settings) -> dict[str, Any]:
    """All owners, and the Dapps that they have granted."""
    return {
        "owners": [
            {
                "owner": owner.name,
                "devices": desk.registry.device_count(owner.name),
                "granted": sorted(desk.registry.grants(owner.name)),
            }
            for owner in desk.registry.owners()
        ]
    }


def add_owner(desk: Desk, _: Settings, owner: str, grant: Sequence[str] = ()) -> dict[str, Any]:
    """An owner, who has granted these Dapps what its devices send. Twice is once."""
    for dapp in grant:
        known_dapp(desk, dapp)
    entries = owner_missing(desk.registry, owner, grant, SystemClock().now_ms())
    if entries:
        desk.registry.wait_for(desk.writer.put_all(entries))
    return {
        "owner": owner,
        "devices": desk.registry.device_count(owner),
        "granted": sorted(desk.registry.grants(owner)),
    }


# --- grants --------------------------------------------------------------------------------------


def list_grants(desk: Desk, _: Settings, owner: str = "") -> dict[str, Any]:
    """All grants, or an owner's."""
    owners = [one.name for one in desk.registry.owners() if owner in ("", one.name)]
    return {
        "grants": [
            _grant(grant)
            for name in owners
            for _, grant in sorted(desk.registry.grants(name).items())
        ]
    }


def grant_dapp(
    desk: Desk,
    _: Settings,
    owner: str,
    dapp: str,
    until_ms: int = 0,
    devices: Sequence[str] = (),
    event_types: Sequence[str] = (),
) -> dict[str, Any]:
    """Let a Dapp have what an owner's devices send, in place of what was granted.

    Args:
        desk: the registry.
        owner: who has to be known.
        dapp: that is served.
        until_ms: when it ends; 0: not by itself.
        devices: of these alone; none: of all.
        event_types: these alone; none: all.

    Raises:
        UnknownError: no such owner or Dapp.
        CommandError: it would be over already.
        NotOwnedError: a device is not the owner's.
    """
    known_dapp(desk, dapp)
    _known_owner(desk, owner)
    now_ms = SystemClock().now_ms()
    if until_ms and until_ms <= now_ms:
        raise CommandError("a grant ends in the future")
    grant = new_grant(
        desk.registry, owner, dapp, now_ms,
        until_ms=until_ms or None, devices=devices or None, event_types=event_types or None,
    )  # fmt: skip
    desk.registry.wait_for(desk.writer.put(grant))
    return _grant(grant)


def withdraw_grant(desk: Desk, _: Settings, owner: str, dapp: str) -> dict[str, Any]:
    """Let a Dapp have nothing more of an owner's devices."""
    grant = desk.registry.grants(owner).get(dapp)
    if grant is None:
        raise UnknownError(f"{owner!r} has granted {dapp!r} nothing: see `w3b owner ls`")
    desk.registry.wait_for(desk.writer.remove(Kind.GRANT, grant.name))
    return _grant(grant)


def _known_owner(desk: Desk, owner: str) -> None:
    if desk.registry.owner(owner) is None:
        raise UnknownError(f"there is no owner {owner!r}: see `w3b owner ls`")


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "owner": grant.owner,
        "dapp": grant.dapp,
        "since_ms": grant.since_ms,
        "until_ms": grant.until_ms or 0,
        "devices": sorted(grant.devices or ()),
        "event_types": sorted(grant.event_types or ()),
    }


# --- devices --------------------------------------------------------------------------------------


def list_devices(desk: Desk, _: Settings, owner: str = "") -> dict[str, Any]:
    """All devices, or an owner's."""
    devices = desk.registry.devices()
    return {"devices": [_device(one) for one in devices if owner in ("", one.owner)]}


def add_device(
    desk: Desk, _: Settings, device: str, owner: str, grant: Sequence[str] = ()
) -> dict[str, Any]:
    """A device of an owner's, by its did:key; see `add`."""
    return add(desk, Device(device, owner), grant)


def add(desk: Desk, device: Device, grant: Sequence[str]) -> dict[str, Any]:
    """A device, its owner if need be, and Dapps that get what the owner's devices send.

    Raises:
        CommandError: a Dapp that is not there.
        TakenError: the device is another's, or was revoked.
    """
    for dapp in grant:
        known_dapp(desk, dapp)
    entries = owner_missing(desk.registry, device.owner, grant, SystemClock().now_ms())
    if device_missing(desk.registry, device):
        entries.append(device)
    if entries:
        desk.registry.wait_for(desk.writer.put_all(entries))
    return _device(device) | {"granted": sorted(desk.registry.grants(device.owner))}


def revoke_device(desk: Desk, _: Settings, device: str) -> dict[str, Any]:
    """Take no more messages from a device, for good."""
    revoked = replace(known_device(desk, device), status=DeviceStatus.REVOKED)
    desk.registry.wait_for(desk.writer.put(revoked))
    return _device(revoked)


def known_device(desk: Desk, did: str) -> Device:
    """A device that is registered.

    Raises:
        UnknownError: there is none of this name.
    """
    device = desk.registry.device(did)
    if device is None:
        raise UnknownError(f"there is no device {did!r}: see `w3b device ls`")
    return device


def _device(device: Device) -> dict[str, Any]:
    return {"device": device.did, "owner": device.owner, "status": device.status}


# --- publishers -----------------------------------------------------------------------------------


def list_publishers(desk: Desk, _: Settings) -> dict[str, Any]:
    """All publishers."""
    return {"publishers": [_publisher(one) for one in desk.registry.publishers()]}


def add_publisher(
    desk: Desk, _: Settings, dapp: str, key: str, owner: str = "", kind: str = "device"
) -> dict[str, Any]:
    """A publisher's token, told once; in place of the one before.

    Raises:
        CommandError: ``kind`` is none of device, gateway and reader.
    """
    known_dapp(desk, dapp)
    kind = kind or "device"
    if kind not in ("device", "gateway", "reader"):
        raise CommandError(f"kind {kind!r}: there are device, gateway and reader")
    token = PUBLISHER_TOKEN + secrets.token_urlsafe(_TOKEN_BYTES)
    publisher = Publisher(
        dapp, key, owner or dapp, hashlib.sha256(token.encode()).hexdigest(),
        is_gateway=kind == "gateway", is_reader=kind == "reader",
    )  # fmt: skip
    entries = owner_missing(desk.registry, publisher.owner, [dapp], SystemClock().now_ms())
    desk.registry.wait_for(desk.writer.put_all([*entries, publisher]))
    return {"token": token}


def revoke_publisher(desk: Desk, _: Settings, dapp: str, key: str) -> dict[str, Any]:
    """Take no more messages with a publisher's token."""
    publisher = desk.registry.publisher(dapp, key)
    if publisher is None:
        raise UnknownError(f"{dapp!r} has no publisher {key!r}: see `w3b publisher ls`")
    revoked = replace(publisher, status=DeviceStatus.REVOKED)
    desk.registry.wait_for(desk.writer.put(revoked))
    return _publisher(revoked)


def _publisher(one: Publisher) -> dict[str, Any]:
    kind = "reader" if one.is_reader else "gateway" if one.is_gateway else "device"
    return {"dapp": one.dapp, "key": one.key, "kind": kind, "owner": one.owner,
            "status": one.status.value}  # fmt: skip
