"""Refusals, counted until they are told. Pure: the time comes in.

One who is refused a thousand times a second is one record a minute. Names are the senders' own, so
there may be any number of them: past so many at once, the others are counted without one.
"""

from dataclasses import dataclass
from typing import Final

from streams import limits
from streams.audit.record import Author, Record

_OTHERS: Final = ("", "", "")


@dataclass(slots=True)
class _Count:
    since_ms: int
    times: int = 0


class Tally:
    """How often whom was refused what, since it was taken last."""

    def __init__(self, most: int = limits.AUDIT_REFUSALS_MAX) -> None:
        self._most = most
        self._counts: dict[tuple[str, str, tuple[str, str, str]], _Count] = {}

    def count(
        self,
        door: str,
        reason: str,
        now_ms: int,
        *,
        device: str = "",
        owner: str = "",
        dapp: str = "",
        times: int = 1,
    ) -> None:
        """Some refusals of one kind; ``device`` and the others as far as they are known."""
        key = (door, reason, (device, owner, dapp))
        found = self._counts.get(key)
        if found is None:
            if len(self._counts) >= self._most:
                key = (door, reason, _OTHERS)  # of which there are as many as reasons
            found = self._counts.setdefault(key, _Count(now_ms))
        found.times += times

    def take(self) -> list[Record]:
        """A record of each kind; counting begins anew."""
        counts, self._counts = self._counts, {}
        return [
            Record(
                at_ms=count.since_ms,
                author=Author(device or owner, door),
                action="refuse",
                kind="request",
                name=device or owner or dapp,
                device=device,
                owner=owner,
                dapp=dapp,
                reason=reason,
                times=count.times,
            )
            for (door, reason, (device, owner, dapp)), count in counts.items()
        ]
