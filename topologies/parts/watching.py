"""Schedules and chains → messages.<dapp>."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from mode import Service

from streams import limits, metrics
from streams.chain import monitors
from streams.chain.json_rpc import ChainAway, JsonRpc, RpcError
from streams.delivery.inlet import Inlet, Made
from streams.endpoint import schedule
from streams.registry.entries import Dapp
from streams.registry.sources import MonitorSection
from topologies.parts.contract import deployment
from topologies.parts.sending import chain_urls
from topologies.wiring import Wiring

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_MINUTE_MS: Final = 60_000

Monitored = tuple[Dapp, int, MonitorSection]


class Watching(Service):  # type: ignore[misc]
    """Looks at the clock, and at each chain that a Dapp monitors, once a second."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__()
        self._trouble: str | None = "starting"
        self._away: dict[int, str] = {}  # why a chain cannot be looked at
        self._wiring = wiring
        # Ahead of what is committed by blocks in which nothing happened.
        self._seen: dict[tuple[str, str], monitors.Position] = {}
        self._minutes: dict[tuple[str, str], int] = {}  # in which a schedule was last looked at

    @property
    def trouble(self) -> str | None:
        """Why it does not look, or not at some chain, or None."""
        return self._trouble or next(iter(self._away.values()), None)

    async def on_start(self) -> None:
        """Run in the background."""
        self._runner = asyncio.create_task(self._keep_watching())

    async def on_stop(self) -> None:
        """Let a look that is under way end."""
        self._runner.cancel()
        await asyncio.gather(self._runner, return_exceptions=True)

    async def _keep_watching(self) -> None:
        while True:
            inlet = Inlet(self._wiring.kafka)
            try:
                await asyncio.to_thread(inlet.start)
                self._seen.clear()
                self._minutes.clear()
                self._trouble = None
                while True:
                    await self._look(inlet)
                    await asyncio.sleep(limits.WATCH_MS / 1000)
            except Exception as error:
                log.warning("schedules and monitors wait: %s", error, exc_info=error)
                self._trouble = f"{type(error).__name__}: {error}"
            finally:
                inlet.close()
            await asyncio.sleep(_RETRY_S)

    async def _look(self, inlet: Inlet) -> None:
        dapps = self._wiring.registry.dapps()
        made = [one for dapp in dapps for one in self._ticks(inlet, dapp)]
        by_chain: dict[int, list[Monitored]] = {}
        for dapp in dapps:
            for number, monitor in enumerate(dapp.manifest.monitor):
                chain_id = monitor.chain
                if chain_id is None:
                    chain_id = await asyncio.to_thread(self._own_chain)
                by_chain.setdefault(chain_id, []).append((dapp, number, monitor))
        self._away = {chain: why for chain, why in self._away.items() if chain in by_chain}
        looks = (asyncio.to_thread(self._chain, inlet, *one) for one in by_chain.items())
        for found in await asyncio.gather(*looks):
            made += found
        if made:
            await asyncio.to_thread(inlet.put, made)
            for one in made:
                kind = one.source.partition(":")[0]
                metrics.WATCH_MESSAGES.labels(one.dapp, kind).inc(len(one.messages))

    def _ticks(self, inlet: Inlet, dapp: Dapp) -> Iterable[Made]:
        now_ms = self._wiring.clock.now_ms()
        for number, section in enumerate(dapp.manifest.schedule):
            source = schedule.identity(section)
            position = inlet.position(dapp.name, source)
            if position is None:  # new: nothing was missed
                yield Made(dapp.name, source, {"tick_ms": now_ms}, ())
                continue
            minute = now_ms // _MINUTE_MS
            if self._minutes.get((dapp.name, source)) == minute:
                continue  # cron has no finer ticks, and to ask costs 0.1 ms
            self._minutes[dapp.name, source] = minute
            tick_ms = schedule.due(section.cron, int(position["tick_ms"]), now_ms)
            if tick_ms is not None:
                tick = schedule.message(dapp.name, number, section, tick_ms)
                yield Made(dapp.name, source, {"tick_ms": tick_ms}, (tick,))

    def _own_chain(self) -> int:
        return deployment(self._wiring.settings).chain_id

    def _chain(self, inlet: Inlet, chain_id: int, watched: Sequence[Monitored]) -> list[Made]:
        """What happened on one chain."""
        made: list[Made] = []
        try:
            url = chain_urls(self._wiring.settings, self._own_chain()).get(chain_id)
            if url is None:
                self._fail(chain_id, f"chain {chain_id} is monitored, but not in chain_rpc_urls")
                return []
            rpc = JsonRpc(url)
            head = int(rpc.call("eth_blockNumber"), 16)
            for one in watched:
                made += self._one(inlet, rpc, chain_id, head, *one)
        except (ChainAway, RpcError) as error:
            self._fail(chain_id, f"chain {chain_id}: {error}")
        else:
            self._away.pop(chain_id, None)
        return made

    def _one(
        self, inlet: Inlet, rpc: JsonRpc, chain_id: int, head: int,
        dapp: Dapp, number: int, monitor: MonitorSection,
    ) -> Iterable[Made]:  # fmt: skip
        source = monitors.identity(monitor)
        committed: Any = inlet.position(dapp.name, source)
        before = self._seen.get((dapp.name, source), committed)
        look = monitors.look(rpc, monitor, before, head)
        self._seen[dapp.name, source] = look.position
        empty = int(look.position.get("next", 0)) - int((committed or {}).get("next", 0))
        if not look.happenings and committed is not None and empty < limits.MONITOR_BLOCKS_MAX:
            return []
        now_ms = self._wiring.clock.now_ms()
        messages = [
            monitors.message(dapp.name, number, chain_id, monitor, seen, now_ms)
            for seen in look.happenings
        ]
        return [Made(dapp.name, source, look.position, messages)]

    def _fail(self, chain_id: int, why: str) -> None:
        if self._away.get(chain_id) != why:
            log.warning("%s", why)
        self._away[chain_id] = why
