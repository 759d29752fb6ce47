"""Times as commands take them: an age or a distance (30m, 12h, 7d), or a time of ISO 8601."""

import re
from datetime import UTC, datetime
from typing import Final

from topologies.commands import CommandError

_DISTANCE: Final = re.compile(r"(\d{1,6})([mhd])")
_UNIT_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def read_moment(text: str, now_ms: int, *, is_ahead: bool) -> int:
    """Milliseconds since 1970; a time without a zone is UTC's.

    ``is_ahead``: a distance is from now on; else it is back from now.

    Raises:
        CommandError: neither.
    """
    if distance := _DISTANCE.fullmatch(text):
        by_ms = int(distance[1]) * _UNIT_MS[distance[2]]
        return max(0, now_ms + (by_ms if is_ahead else -by_ms))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{text!r} is no time: give 30m, 12h or 7d, or a time as 2026-01-31T12:00"
        ) from None
    return max(0, int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000))


def moment_text(ms: int) -> str:
    """A time of UTC, to the second."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
