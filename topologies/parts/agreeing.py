"""claims of all Dapps → what the authorities sign → proofs; the closer of each Dapp's epochs."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from mode import Service

from streams.consensus.agree import Agree
from streams.consensus.closer import Closer
from streams.consensus.worker import AgreeWorker
from streams.registry.entries import Dapp
from topologies.parts.contract import deployment, node_key
from topologies.stage import Emit, InThreads
from topologies.wiring import Wiring

log = logging.getLogger(__name__)

_CLOSER_TICK_S: Final = 0.25
_RETRY_S: Final = 1.0


class Agreeing(InThreads):
    """Agreement over the claims of all Dapps."""

    def __init__(self, wiring: Wiring, emit: Emit) -> None:
        settings = wiring.settings
        secret, domain = node_key(settings, "authority"), deployment(settings).domain()
        protocol = Agree(secret, domain, wiring.partitions, wiring.clock)
        self._worker = AgreeWorker(wiring.kafka, wiring.dapps(), protocol, emit)
        super().__init__(self._worker)

    async def subscribe(self, dapps: Sequence[str]) -> None:
        """Agree on these Dapps from now on."""
        self._worker.subscribe(dapps)


class Closing(Service):  # type: ignore[misc]
    """Ends a Dapp's epochs by time and count."""

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
                await asyncio.to_thread(closer.start)
                self.trouble = None
                while True:
                    await asyncio.to_thread(closer.tick)
                    await asyncio.sleep(_CLOSER_TICK_S)
            except Exception as error:
                log.warning("%s: epochs wait: %s", self._dapp.name, error)
                self.trouble = str(error)
            finally:
                await asyncio.to_thread(closer.stop)
            await asyncio.sleep(_RETRY_S)

    def _closer(self) -> Closer:
        manifest = self._dapp.manifest
        return Closer(
            self._wiring.kafka,
            manifest.dapp.name,
            manifest.dapp.partitions,
            manifest.epochs.seconds,
            manifest.epochs.messages,
            self._wiring.clock,
        )
