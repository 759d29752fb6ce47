"""Erasing what devices have sent: asked for, and how far it has come."""

from typing import Any

from streams.clock import SystemClock
from streams.registry.entries import Erasure
from streams.registry.erasures import described, erasures_of
from topologies.config import Settings
from topologies.operating.senders import known_device
from topologies.registering import Desk, UnknownError


def erase_device(desk: Desk, _: Settings, device: str, erasure: str = "") -> dict[str, Any]:
    """Erase what a device has sent so far, and what came of it; ``erasure``: a UUID for it, the
    same again is the same erasure.

    Raises:
        UnknownError: there is no such device.
        EntryError: the UUID is none, or another erasure's.
    """
    known = known_device(desk, device)
    return _asked(desk, known.owner, [known.did], erasure)


def erase_owner(desk: Desk, _: Settings, owner: str, erasure: str = "") -> dict[str, Any]:
    """Erase what all devices of an owner have sent so far; as `erase_device`.

    Raises:
        UnknownError: there is no such owner.
        EntryError: the owner has no device; or as `erase_device`.
    """
    if desk.registry.owner(owner) is None:
        raise UnknownError(f"there is no owner {owner!r}: see `w3b owner ls`")
    devices = desk.registry.devices_of(owner, "", desk.registry.device_count(owner))
    return _asked(desk, owner, [one.did for one in devices], erasure)


def list_erasures(desk: Desk, _: Settings) -> dict[str, Any]:
    """All erasures, without their certificates."""
    told = [described(one) for one in desk.registry.erasures()]
    for one in told:
        one.pop("certificate", None)
    return {"erasures": told}


def get_erasure(desk: Desk, settings: Settings, erasure: str) -> dict[str, Any]:
    """An erasure, with its certificate; or how far it has come.

    Raises:
        UnknownError: there is none of this name.
        DatabaseError: ClickHouse does not answer.
    """
    found = known_erasure(desk, erasure)
    if found.ordered_ms is None or found.certificate is not None:
        return described(found)
    from streams.database.server import Server  # heavy: only whoever asks for it pays it
    from topologies.certifying import progress

    assert settings.clickhouse_url is not None  # resolved settings have one
    server = Server(settings.clickhouse_url)
    try:
        done = progress(server, desk.registry, found)
    finally:
        server.close()
    return described(found) | {
        "places_done": done.done,
        "places": done.of,
        "tables_going": [table for table, _ in done.going],
    }


def known_erasure(desk: Desk, name: str) -> Erasure:
    """An erasure that was asked for.

    Raises:
        UnknownError: there is none of this name.
    """
    found = desk.registry.erasure(name)
    if found is None:
        raise UnknownError(f"there is no erasure {name!r}: see `w3b erasure ls`")
    return found


def _asked(desk: Desk, owner: str, devices: list[str], name: str) -> dict[str, Any]:
    found = erasures_of(desk.registry, owner, devices, name, SystemClock().now_ms())
    new = [one for one in found if desk.registry.erasure(one.name) is None]
    if new:
        desk.registry.wait_for(desk.writer.put_all(new))
    return {"erasures": [described(one) for one in found]}
