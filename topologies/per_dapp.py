"""Services of which a node runs one for each Dapp: started, replaced and stopped as the
registry says, each without stopping the others."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from mode import Service

from streams.consensus.closer import Closer
from streams.registry.entries import Dapp, Entry, Kind
from streams.registry.view import Registry
from topologies.agents import Wiring

log = logging.getLogger(__name__)

_CLOSER_TICK_S: Final = 0.25
_RETRY_S: Final = 1.0


class PerDapp(Service):  # type: ignore[misc]
    """Follows the registry: one service a Dapp, made by ``make``."""

    def __init__(self, registry: Registry, make: Callable[[Dapp], Any]) -> None:
        """``make`` gives a `Service` with a ``trouble``: why it is not well, or None."""
        super().__init__()
        self._registry = registry
        self._make = make
        self._running: dict[str, tuple[Dapp, Any]] = {}
        self._changed = asyncio.Event()

    async def on_start(self) -> None:
        """Start what is registered already, and follow."""
        loop = asyncio.get_running_loop()

        def on_change(_kind: Kind, _name: str, _entry: Entry | None) -> None:
            loop.call_soon_threadsafe(self._changed.set)

        self._registry.subscribe(on_change, [Kind.DAPP])
        self._follower = asyncio.create_task(self._follow())

    async def on_stop(self) -> None:
        """Stop all of them."""
        self._follower.cancel()
        await asyncio.gather(self._follower, return_exceptions=True)
        await asyncio.gather(*(service.stop() for _, service in self._running.values()))

    def troubles(self) -> list[str | None]:
        """Of each service."""
        return [service.trouble for _, service in self._running.values()]

    async def _follow(self) -> None:
        while True:
            wanted = {dapp.name: dapp for dapp in self._registry.dapps()}
            for name, (dapp, _) in list(self._running.items()):
                if wanted.get(name) != dapp:
                    await self._running.pop(name)[1].stop()
            for name, dapp in wanted.items():
                if name not in self._running:
                    service = self._make(dapp)
                    self._running[name] = dapp, service
                    await service.start()
            await self._changed.wait()
            self._changed.clear()


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
