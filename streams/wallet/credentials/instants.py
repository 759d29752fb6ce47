"""Times in credentials: XML Schema's dateTimeStamp, which has a zone, as milliseconds."""

import re
from datetime import UTC, datetime
from typing import Final

from streams.wallet.credentials.faults import CredentialError, Fault

_STAMP: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)


def read_instant(value: object, name: str, fault: Fault) -> int | None:
    """Milliseconds since 1970 of a dateTimeStamp; None if there is none.

    Raises:
        CredentialError: ``fault``: something else is there.
    """
    if value is None:
        return None
    match = _STAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise CredentialError(fault, f"{name}: not a time with a zone, as 2026-01-31T12:00:00Z")
    seconds, fraction, zone = match.groups()
    try:
        whole = datetime.fromisoformat(seconds + zone.replace("Z", "+00:00"))
        return int(whole.timestamp()) * 1000 + int((fraction or "0").ljust(3, "0")[:3])
    except (ValueError, OverflowError):
        raise CredentialError(fault, f"{name}: no such time: {value!r}") from None


def write_instant(time_ms: int) -> str:
    """A dateTimeStamp of whole seconds, in UTC."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
