"""Services of which a node runs one for each Dapp: started, replaced and stopped as the
registry says, each without stopping the others."""

import asyncio
from collections.abc import Callable
from typing import Any

from mode import Service

from streams.registry.entries import Dapp, Entry, Kind
from streams.registry.view import Registry


class PerDapp(Service):  # type: ignore[misc]
    """Follows the registry: one service a Dapp, made by ``make``."""

    def __init__(
        self,
        registry: Registry,
        make: Callable[[Dapp], Any],
        wants: Callable[[Dapp], bool] = lambda _: True,
    ) -> None:
        """``make`` gives a `Service` with a ``trouble``: why it is not well, or None; ``wants``
        says which Dapps have one."""
        super().__init__()
        self._registry = registry
        self._make = make
        self._wants = wants
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

    @property
    def trouble(self) -> str | None:
        """Why one of them is not well, or None."""
        troubles = (
            f"{name}: {service.trouble}"
            for name, (_, service) in self._running.items()
            if service.trouble
        )
        return next(troubles, None)

    async def _follow(self) -> None:
        while True:
            wanted = {dapp.name: dapp for dapp in self._registry.dapps() if self._wants(dapp)}
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
