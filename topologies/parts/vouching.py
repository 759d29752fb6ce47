"""Credentials by which devices are their owners' → which of them are held, in the registry."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from mode import Service

from streams import limits, metrics
from streams.audit.record import NODE
from streams.registry.entries import Device, DeviceStatus, Hold, Kind
from streams.registry.ownership import hold_now
from streams.registry.writer import RegistryWriter
from topologies.believing import verifier
from topologies.wiring import Wiring

log = logging.getLogger(__name__)

# Owners whose documents and lists are asked for at once: one that does not answer takes seconds.
_AT_ONCE: Final = 8


class Vouching(Service):  # type: ignore[misc]
    """Looks at all of them once in `limits.OWNERSHIP_LOOK_S`; in one process of a node only."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__()
        self.trouble: str | None = None
        self._wiring = wiring
        self._verifier = verifier(wiring.settings, wiring.clock)
        self._writer = RegistryWriter(
            wiring.kafka, wiring.registry,
            author=NODE, transactional_id="registry.vouching", clock=wiring.clock,
        )  # fmt: skip

    async def on_start(self) -> None:
        """Run in the background."""
        self._runner = asyncio.create_task(self._keep_looking())

    async def on_stop(self) -> None:
        """Look no more."""
        self._runner.cancel()
        await asyncio.gather(self._runner, return_exceptions=True)

    async def _keep_looking(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.look)
                self.trouble = None
            except Exception as error:
                log.warning("owners' credentials were not looked at: %s", error, exc_info=error)
                self.trouble = f"{type(error).__name__}: {error}"
            await asyncio.sleep(limits.OWNERSHIP_LOOK_S)

    def look(self) -> None:
        """Hold the devices whose credentials do not hold, and let go those whose do again.

        Raises:
            RegistryError: what has changed could not be written.
        """
        by_owner: dict[str, list[Device]] = {}
        for device in self._wiring.registry.devices_by_credential():
            if device.status is DeviceStatus.ACTIVE:
                by_owner.setdefault(device.owner, []).append(device)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            found = [
                hold for holds in threads.map(self._holds, by_owner.values()) for hold in holds
            ]
        metrics.REGISTRY_HELD.set(sum(hold is not None for _, hold in found))
        new: list[Hold] = []
        for device, hold in found:
            before = self._wiring.registry.hold(device.did)
            if hold == before:
                continue
            if hold is None:
                log.info("%s: its owner's credential holds again", device.did)
                self._writer.remove(Kind.HOLD, device.did)
            else:
                log.warning("%s is held: its owner's credential is %s", device.did, hold.fault)
                new.append(hold)
        if new:
            self._writer.put_all(new)

    def _holds(self, devices: Sequence[Device]) -> list[tuple[Device, Hold | None]]:
        now_ms, registry = self._wiring.clock.now_ms(), self._wiring.registry
        return [
            (device, hold_now(device, registry.hold(device.did), self._verifier, now_ms))
            for device in devices
        ]
