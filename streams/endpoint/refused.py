"""What becomes of a refusal besides its answer: a metric at once, and the audit log each minute.

A door tells of each under the same name that its answer has. Until they are told, refusals are in
memory: a process that is killed takes those of the last minute with it.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from streams import limits, metrics
from streams.audit.log import AuditLog
from streams.audit.record import AuditError, Record
from streams.audit.refusals import Tally
from streams.clock import Clock
from streams.endpoint.admission import RefusedError

log = logging.getLogger(__name__)

_DELIVERY_MS: Final = 5_000  # what Kafka does not take now is kept for the next time
_NAME_MAX: Final = limits.DEVICE_BYTES_MAX

_counted: Final = lru_cache(256)(metrics.ENDPOINT_REFUSALS.labels)


class Refusals:
    """Those of one endpoint process; used on its event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tally = Tally()

    def count(self, door: str, refused: RefusedError, times: int = 1) -> None:
        """So many refusals at a door."""
        _counted(door, refused.refusal).inc(times)
        self._tally.count(
            door,
            refused.refusal,
            self._clock.now_ms(),
            device=_shown(refused.device),
            owner=_shown(refused.owner),
            dapp=_shown(refused.dapp),
            times=times,
        )

    def take(self) -> list[Record]:
        """What is to be told; counting begins anew."""
        return self._tally.take()


class RefusalTeller:
    """Writes refusals to the audit log."""

    def __init__(self, kafka: Mapping[str, Any], refusals: Refusals) -> None:
        self._log = AuditLog(kafka, _DELIVERY_MS)
        self._refusals = refusals
        self._untold: list[Record] = []
        self._telling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Tell of them from now on."""
        self._telling = asyncio.create_task(self._keep_telling())

    async def stop(self) -> None:
        """Tell of the last."""
        if self._telling is not None:
            self._telling.cancel()
            with suppress(asyncio.CancelledError):
                await self._telling
            await self._tell()

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(limits.AUDIT_REFUSALS_S)
            await self._tell()

    async def _tell(self) -> None:
        # While Kafka is away counts grow and records do not.
        self._untold = self._untold or self._refusals.take()
        if not self._untold:
            return
        try:
            await asyncio.to_thread(self._log.append, *self._untold)
            self._untold = []
        except AuditError as error:
            log.warning("refusals stay untold for now: %s", error)


def _shown(name: str) -> str:
    """A name that somebody gave, whatever it is, as one that can be told, on a terminal too."""
    cut = name[:_NAME_MAX]
    return cut if cut.isprintable() else ascii(cut)[1:-1]
