"""Services of which a node runs one for each Dapp: started and stopped as the registry says, none
of them waiting for another."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from mode import Service

from streams.registry.entries import Dapp, Entry, Kind
from streams.registry.view import Registry

log = logging.getLogger(__name__)


class PerDapp(Service):  # type: ignore[misc]
    """Follows the registry: one service a Dapp, made by ``make``.

    A service lives for as long as its Dapp is wanted; what changes of the Dapp meanwhile is its
    own business.
    """

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
        self._running: dict[str, Any] = {}
        self._settling: dict[str, asyncio.Task[None]] = {}  # a Dapp's service comes or goes
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
        await asyncio.gather(self._follower, *self._settling.values(), return_exceptions=True)
        await asyncio.gather(*(service.stop() for service in self._running.values()))

    @property
    def trouble(self) -> str | None:
        """Why one of them is not well, or None."""
        troubles = (
            f"{name}: {service.trouble}"
            for name, service in self._running.items()
            if service.trouble
        )
        return next(troubles, None)

    async def _follow(self) -> None:
        while True:
            for name in {dapp.name for dapp in self._registry.dapps()} | self._running.keys():
                settling = self._settling.get(name)
                if settling is None or settling.done():
                    self._settling[name] = asyncio.create_task(self._settle(name))
            await self._changed.wait()
            self._changed.clear()

    async def _settle(self, name: str) -> None:
        """Start or stop a Dapp's service until it is as the registry wants it."""
        while True:
            dapp = self._registry.dapp(name)
            is_wanted = dapp is not None and self._wants(dapp)
            if is_wanted == (name in self._running):
                return
            try:
                if dapp is not None and is_wanted:
                    self._running[name] = self._make(dapp)
                    await self._running[name].start()
                else:
                    await self._running[name].stop()
                    del self._running[name]
            except Exception:
                log.exception("the service of %s", name)
                return
