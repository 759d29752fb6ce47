"""Time, count and upgrades → a barrier in every partition of messages.<dapp>."""

import asyncio
import logging
import math
from typing import Final

from mode import Service

from streams.consensus.closer import Closer
from streams.registry.entries import Dapp
from topologies.wiring import Wiring

log = logging.getLogger(__name__)

_TICK_S: Final = 0.25
_RETRY_S: Final = 1.0


class Closing(Service):  # type: ignore[misc]
    """Ends a Dapp's epochs by time and count, and begins its upgrades.

    A Dapp without epochs gets barriers only for upgrades, and a closer only while one is due.
    """

    def __init__(self, wiring: Wiring, dapp: Dapp) -> None:
        super().__init__()
        self.trouble: str | None = "starting"
        self._wiring = wiring
        self._dapp = dapp

    async def on_start(self) -> None:
        """Run in the background."""
        self._runner = asyncio.create_task(self._keep_closing())

    async def on_stop(self) -> None:
        """Let a barrier that is being written be written."""
        self._runner.cancel()
        await asyncio.gather(self._runner, return_exceptions=True)

    async def _keep_closing(self) -> None:
        while True:
            closer = self._closer()
            try:
                await self._close(closer)
            except Exception as error:
                log.warning("%s: epochs wait: %s", self._dapp.name, error)
                self.trouble = str(error)
                await asyncio.sleep(_RETRY_S)
            finally:
                await asyncio.to_thread(closer.stop)
            if not self._has_epochs:
                while self._look().deployment_sha256 == closer.deployment:
                    await self.sleep(_TICK_S)

    async def _close(self, closer: Closer) -> None:
        """Until something fails, or there is nothing more to do for this closer."""
        epochs = self._dapp.manifest.epochs
        await asyncio.to_thread(closer.start, self._dapp.first_sha256)
        self.trouble = None
        while self._look().manifest.epochs == epochs:
            await asyncio.to_thread(closer.tick, self._dapp.deployment_sha256)
            if not self._has_epochs:
                return
            await asyncio.sleep(_TICK_S)

    @property
    def _has_epochs(self) -> bool:
        return self._dapp.manifest.dapp.has_epochs

    def _look(self) -> Dapp:
        """The Dapp as the registry has it now; as it was, once it is removed."""
        self._dapp = self._wiring.registry.dapp(self._dapp.name) or self._dapp
        return self._dapp

    def _closer(self) -> Closer:
        manifest = self._look().manifest
        return Closer(
            self._wiring.kafka,
            manifest.dapp.name,
            manifest.dapp.partitions,
            manifest.epochs.seconds if self._has_epochs else math.inf,
            manifest.epochs.messages if self._has_epochs else math.inf,
            self._wiring.clock,
        )
