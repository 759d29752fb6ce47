"""Asking for erasures: which entries a request comes to, and what is told of one."""

import uuid
from collections.abc import Sequence
from typing import Any, Protocol

from streams import limits
from streams.registry.entries import EntryError, Erasure


class Known(Protocol):
    """The part of the registry that is asked."""

    def erasure(self, name: str) -> Erasure | None:
        """An erasure by its UUID."""
        ...


def erasures_of(
    known: Known, owner: str, devices: Sequence[str], name: str, now_ms: int
) -> list[Erasure]:
    """The erasures of a request: as they are if it was made before, else new ones.

    ``name``: the request's UUID; empty: one of its own. So many devices that they need several
    erasures make several, whose names follow from it.

    Raises:
        EntryError: the name is no UUID, or that of something else; or there are no devices.
    """
    try:
        first = str(uuid.UUID(name)) if name else str(uuid.uuid4())
    except ValueError:
        raise EntryError(f"erasure {name[:80]!r}: its name is a UUID") from None
    if not devices:
        raise EntryError(f"{owner} has no device")
    most = limits.ERASURE_DEVICES_MAX
    found = []
    for number, start in enumerate(range(0, len(devices), most)):
        part = tuple(devices[start : start + most])
        called = first if number == 0 else str(uuid.uuid5(uuid.UUID(first), str(number)))
        before = known.erasure(called)
        if before is not None and (before.owner, before.devices) != (owner, part):
            raise EntryError(f"erasure {called}: there is another one of this name")
        found.append(before or Erasure(called, owner, part, now_ms))
    return found


def described(erasure: Erasure) -> dict[str, Any]:
    """What is told of an erasure, as JSON has it."""
    state = "asked" if erasure.ordered_ms is None else "under_way"
    said: dict[str, Any] = {
        "erasure": erasure.name,
        "owner": erasure.owner,
        "devices": list(erasure.devices),
        "asked_ms": erasure.asked_ms,
        "state": "done" if erasure.certificate is not None else state,
    }
    if erasure.certificate is not None:
        said["certificate"] = dict(erasure.certificate)
    return said
