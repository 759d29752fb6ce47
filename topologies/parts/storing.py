"""messages, results, claims, dead letters of all Dapps, proofs, the audit log → ClickHouse."""

import asyncio
import logging
from collections.abc import Sequence
from itertools import chain

from streams import limits
from streams.database.server import DatabaseError
from streams.database.sink import Store
from streams.database.sources import GROUP, SHARED_TOPICS, dapp_sources
from streams.delivery.batch import Batch
from streams.delivery.reader import BatchReader
from topologies.stage import Emit, OnFailure
from topologies.wiring import Wiring

log = logging.getLogger(__name__)


class Storing:
    """The sink and its reader."""

    trouble = None

    def __init__(self, wiring: Wiring, emit: Emit) -> None:
        self._wiring = wiring
        assert wiring.settings.clickhouse_url is not None
        self._store = Store(wiring.kafka, wiring.settings.clickhouse_url, clock=wiring.clock)
        self._reader = BatchReader(
            wiring.kafka, GROUP, self._topics(wiring.dapps()), emit, self._store,
            instance_id="store",
        )  # fmt: skip
        self._store.bind(self._reader)
        self._keeper: asyncio.Task[None] | None = None

    async def start(self, on_failure: OnFailure) -> None:
        await self._store.start()
        await self._ensure_tables()
        self._store.on_failure = on_failure
        self._reader.start(on_failure)
        self._keeper = asyncio.create_task(self._keep())

    async def process(self, batch: Batch) -> None:
        try:
            await self._store.write(batch)
        finally:
            self._reader.release()

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        await self._store.close()
        await asyncio.to_thread(self._reader.stop)

    async def subscribe(self, dapps: Sequence[str]) -> None:
        """Store what these Dapps have from now on."""
        await self._ensure_tables()
        self._reader.subscribe(self._topics(dapps))

    async def _ensure_tables(self) -> None:
        for dapp in self._wiring.registry.dapps():
            sql = dapp.manifest.sql
            await self._store.ensure_views(
                dapp.name, dapp.manifest.results.columns, sql.tables if sql else ()
            )
        await self._keep_once()

    async def _keep(self) -> None:
        """What is kept by size has another age every day."""
        while True:
            await asyncio.sleep(limits.RETENTION_LOOK_S)
            try:
                await self._keep_once()
            except DatabaseError as error:
                log.warning("rows stay longer than they should: %s", error)

    async def _keep_once(self) -> None:
        await self._store.keep({dapp.name: dapp.terms for dapp in self._wiring.registry.dapps()})

    def _topics(self, dapps: Sequence[str]) -> list[str]:
        known = self._wiring.registry.dapps()
        with_tables = {dapp.name for dapp in known if dapp.manifest.sql is not None}
        sources = (dapp_sources(name, has_tables=name in with_tables) for name in dapps)
        return [*SHARED_TOPICS, *chain.from_iterable(sources)]
