"""What the audit log is told of a change: who, of what, and what differs. Secrets are in none."""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from streams.audit.record import Author, Record
from streams.registry.entries import (
    Dapp,
    Device,
    Entry,
    Erasure,
    Grant,
    Hold,
    Kind,
    Owner,
    Publisher,
    kind_of,
)

_TOKEN_DIGITS: Final = 12  # of a token's hash: enough to tell one from the other


def changed(entry: Entry, before: Entry | None, author: Author, at_ms: int) -> Record:
    """The record of an entry that is put in place of another, or of none."""
    new, old = _facts(entry), None if before is None else _facts(before)
    if old is not None:
        old, new = _differing(old, new)
    return Record(
        at_ms=at_ms,
        author=author,
        action="add" if before is None else "change",
        kind=kind_of(entry),
        name=entry.name,
        before=old,
        after=new,
        **_concerned(entry),
    )


def removed(kind: Kind, name: str, before: Entry | None, author: Author, at_ms: int) -> Record:
    """The record of an entry that is removed."""
    return Record(
        at_ms=at_ms,
        author=author,
        action="remove",
        kind=kind,
        name=name,
        before=None if before is None else _facts(before),
        **({} if before is None else _concerned(before)),
    )


def _differing(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The facts that are not the same; of objects in them, the members."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            old[name], new[name] = _differing(one, other)
        else:
            old[name], new[name] = one, other
    return old, new


def _concerned(entry: Entry) -> dict[str, Any]:
    match entry:
        case Dapp():
            return {"dapp": entry.name}
        case Owner():
            return {"owner": entry.name}
        case Device():
            return {"device": entry.did, "owner": entry.owner}
        case Grant():
            return {"owner": entry.owner, "dapp": entry.dapp}
        case Publisher():
            return {"device": entry.key, "owner": entry.owner, "dapp": entry.dapp}
        case Hold():
            return {"device": entry.device}
        case Erasure():
            named = entry.devices[0] if len(entry.devices) == 1 else ""
            return {"owner": entry.owner, "device": named}
        case _:
            assert_never(entry)


def _facts(entry: Entry) -> dict[str, Any]:
    match entry:
        case Dapp():
            return {
                "version": entry.manifest.dapp.version,
                "deployment_sha256": entry.deployment_sha256,
                "program_sha256": entry.program_sha256,
                "status": entry.status,
                "keys": list(entry.keys),
                "retention": dict(entry.retention),
                "queries": dict(entry.queries),
            }
        case Owner():
            return {"since_ms": entry.since_ms}
        case Device():
            known = entry.credential
            return {
                "owner": entry.owner,
                "status": entry.status,
                "credential_sha256": None if known is None else known.sha256,
            }
        case Grant():
            return {
                "since_ms": entry.since_ms,
                "until_ms": entry.until_ms,
                "devices": None if entry.devices is None else sorted(entry.devices),
                "event_types": None if entry.event_types is None else sorted(entry.event_types),
            }
        case Publisher():
            kind = "reader" if entry.is_reader else "gateway" if entry.is_gateway else "device"
            return {
                "owner": entry.owner,
                "kind": kind,
                "status": entry.status,
                "token": entry.token_sha256[:_TOKEN_DIGITS],
            }
        case Hold():
            return {"fault": entry.fault, "credential_sha256": entry.sha256}
        case Erasure():
            return {
                "devices": list(entry.devices),
                "ordered_ms": entry.ordered_ms,
                "certificate": None if entry.certificate is None else dict(entry.certificate),
            }
        case _:
            assert_never(entry)
