"""What must hold of an entry before it is written to the registry."""

import re
from typing import Final

from streams import limits
from streams.registry.entries import (
    Dapp,
    Device,
    Entry,
    EntryError,
    Erasure,
    Grant,
    Hold,
    Owner,
    Publisher,
)
from streams.registry.manifest import DAPP_NAME, QUERY_NAME
from streams.wallet.did import DidError, parse_did_key

_OWNER_NAME: Final = re.compile(rf"[A-Za-z0-9._:@%-]{{1,{limits.NAME_BYTES_MAX}}}")
_DAPP_NAME: Final = re.compile(DAPP_NAME)
_TAKEN_NAMES: Final = ("did:", "schedule:", "monitor:")  # of other devices, and of sources
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check(entry: Entry) -> None:
    """What must hold of an entry before it is written.

    Raises:
        EntryError: a name of a wrong form, a DID that cannot sign, a hash that is none.
    """
    match entry:
        case Dapp():
            if not _SHA256.fullmatch(entry.program_sha256):
                raise EntryError(f"Dapp {entry.name}: program_sha256 is not 64 hex digits")
            if not all(_SHA256.fullmatch(one.sha256) for one in entry.history):
                raise EntryError(f"Dapp {entry.name}: a deployment's name is not 64 hex digits")
            _check_queries(entry)
            for name in entry.keys:
                if not _KEY_NAME.fullmatch(name):
                    raise EntryError(
                        f"key {name[:80]!r}: its name has 1 to 64 letters, digits or any of _ -"
                    )
        case Owner():
            _check_owner(entry.name)
        case Device():
            _check_owner(entry.owner)
            _check_device(entry.did)
        case Grant():
            _check_owner(entry.owner)
            if not _DAPP_NAME.fullmatch(entry.dapp):
                raise EntryError(f"Dapp {entry.dapp[:80]!r}: a name matches {DAPP_NAME}")
            if entry.until_ms is not None and entry.until_ms <= entry.since_ms:
                raise EntryError(f"grant {entry.name}: ends before it begins")
            if entry.devices is not None and len(entry.devices) > limits.GRANT_DEVICES_MAX:
                raise EntryError(
                    f"grant {entry.name}: names over {limits.GRANT_DEVICES_MAX} devices"
                )
            _check_event_types(entry)
        case Hold():
            _check_device(entry.device)
        case Erasure():
            _check_erasure(entry)
        case Publisher():
            _check_owner(entry.owner)
            check_device_name(entry.key)
            if not _DAPP_NAME.fullmatch(entry.dapp) or not _SHA256.fullmatch(entry.token_sha256):
                raise EntryError(f"publisher {entry.name[:80]!r}: no such Dapp name, or no hash")


def _check_event_types(grant: Grant) -> None:
    types = grant.event_types
    if types is None:
        return
    if not 0 < len(types) <= limits.GRANT_EVENT_TYPES_MAX:
        raise EntryError(
            f"grant {grant.name}: names 1 to {limits.GRANT_EVENT_TYPES_MAX} event types, or none"
        )
    for one in types:
        if not 1 <= len(one.encode(errors="replace")) <= limits.EVENT_TYPE_BYTES_MAX:
            raise EntryError(
                f"grant {grant.name}: an event type has 1 to {limits.EVENT_TYPE_BYTES_MAX} bytes"
            )


def _check_erasure(erasure: Erasure) -> None:
    if not _UUID.fullmatch(erasure.name):
        raise EntryError(f"erasure {erasure.name[:80]!r}: its name is a UUID in lower case")
    if not 0 < len(erasure.devices) <= limits.ERASURE_DEVICES_MAX:
        raise EntryError(
            f"erasure {erasure.name}: 1 to {limits.ERASURE_DEVICES_MAX} devices at once"
        )
    _check_owner(erasure.owner)
    for did in erasure.devices:
        _check_device(did)


def _check_queries(dapp: Dapp) -> None:
    if len(dapp.queries) > limits.SAVED_QUERIES_MAX:
        raise EntryError(f"Dapp {dapp.name}: more than {limits.SAVED_QUERIES_MAX} queries")
    for name, sql in dapp.queries.items():
        if not re.fullmatch(QUERY_NAME, name):
            raise EntryError(f"query {name[:80]!r}: a name matches {QUERY_NAME}")
        if not 0 < len(sql) <= limits.SAVED_QUERY_BYTES_MAX:
            raise EntryError(f"query {name}: 1 to {limits.SAVED_QUERY_BYTES_MAX} characters of SQL")


def check_device_name(name: str) -> None:
    """What a publisher may call a device, which is no DID and no source of the node's own.

    Raises:
        EntryError: empty, too long, or a name of another kind.
    """
    if not 1 <= len(name.encode(errors="replace")) <= limits.DEVICE_BYTES_MAX:
        raise EntryError(f"a device's name has 1 to {limits.DEVICE_BYTES_MAX} bytes of UTF-8")
    if not name.isprintable() or name.startswith(_TAKEN_NAMES):
        raise EntryError(
            f"device {name[:80]!r}: a name is printable and begins with none of "
            f"{' '.join(_TAKEN_NAMES)}"
        )


def _check_device(did: str) -> None:
    try:
        parse_did_key(did)
    except DidError as error:
        raise EntryError(f"device {did[:80]!r}: {error}") from None


def _check_owner(name: str) -> None:
    if not _OWNER_NAME.fullmatch(name):
        raise EntryError(
            f"owner {name[:80]!r}: 1 to {limits.NAME_BYTES_MAX} letters, digits or any of "
            ". _ : @ % -"
        )
