"""Erasures that owners and operators asked for → a record in every partition of messages.<dapp>;
once they are carried out → their certificates."""

import asyncio
import logging
import uuid
from dataclasses import replace

from mode import Service

from streams import limits, records, topics
from streams.audit.record import NODE
from streams.database.server import DatabaseError, Server
from streams.delivery.admin import TopicError
from streams.delivery.transaction import Write
from streams.registry.entries import Erasure
from streams.registry.view import RegistryError
from streams.registry.writer import RegistryWriter
from topologies.certifying import certificate, progress
from topologies.wiring import Wiring

log = logging.getLogger(__name__)


class Erasing(Service):  # type: ignore[misc]
    """Orders each erasure in one transaction with its entry; in one process of a node only."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__()
        self.trouble: str | None = None
        self._wiring = wiring
        assert wiring.settings.clickhouse_url is not None
        self._server = Server(wiring.settings.clickhouse_url)
        self._writer = RegistryWriter(
            wiring.kafka, wiring.registry,
            author=NODE, transactional_id="registry.erasing", clock=wiring.clock,
        )  # fmt: skip

    async def on_start(self) -> None:
        """Run in the background."""
        self._runner = asyncio.create_task(self._keep_looking())

    async def on_stop(self) -> None:
        """Look no more; what is under way goes on without this process."""
        self._runner.cancel()
        await asyncio.gather(self._runner, return_exceptions=True)
        self._server.close()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(limits.ERASURE_LOOK_S)
            try:
                await asyncio.to_thread(self.look)
                self.trouble = None
            except (DatabaseError, RegistryError, TopicError) as error:
                log.warning("erasures wait: %s", error)
                self.trouble = str(error)
            except Exception as error:
                log.exception("erasures wait")
                self.trouble = f"{type(error).__name__}: {error}"

    def look(self) -> None:
        """Order what was asked for, certify what has been carried out.

        Raises:
            DatabaseError, RegistryError, TopicError: ClickHouse or Kafka does not answer.
        """
        for erasure in self._wiring.registry.erasures():
            if erasure.ordered_ms is None:
                self._order(erasure)
            elif erasure.certificate is None:
                self._certify(erasure)

    def _order(self, erasure: Erasure) -> None:
        partitions = {
            dapp.name: dapp.manifest.dapp.partitions for dapp in self._wiring.registry.dapps()
        }
        now_ms = self._wiring.clock.now_ms()
        record = records.Erasure(uuid.UUID(erasure.name).bytes, now_ms, erasure.devices).encode()
        writes = [
            Write(topics.messages(dapp), partition, [{"value": record}])
            for dapp, count in partitions.items()
            for partition in range(count)
        ]
        ordered = replace(erasure, ordered_ms=now_ms, partitions=partitions)
        self._wiring.registry.wait_for(self._writer.put_with(ordered, writes))
        log.info("erasure %s: ordered, in %d partitions", erasure.name, len(writes))

    def _certify(self, erasure: Erasure) -> None:
        registry = self._wiring.registry
        done = progress(self._server, registry, erasure)
        for table, failed in done.going:
            if failed:
                log.warning("erasure %s: %s: ClickHouse: %s", erasure.name, table, failed)
        if not done.is_whole:
            return
        now_ms = self._wiring.clock.now_ms()
        said = certificate(self._wiring.kafka, registry, erasure, done, now_ms)
        registry.wait_for(self._writer.put(replace(erasure, certificate=said)))
        log.info("erasure %s: carried out", erasure.name)
