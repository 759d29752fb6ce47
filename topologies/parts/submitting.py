"""proofs → transactions on the chain."""

import asyncio
from collections.abc import Sequence
from typing import Final

from streams import topics
from streams.chain.submit import Submit
from streams.chain.submitter import ChainSettings
from streams.delivery.batch import Batch, Position
from streams.delivery.reader import BatchReader
from topologies.components import chain
from topologies.parts.contract import deployment, node_key
from topologies.stage import Emit, OnFailure
from topologies.wiring import Wiring

# Blocks after which a transaction counts as settled. The local chain mines on demand: the block
# that would confirm the last one may never come.
_CONFIRMATIONS_LOCAL: Final = 1
_CONFIRMATIONS: Final = 2


class Submitting:
    """The submitter, whose journal remembers how far it has read, and its reader."""

    def __init__(self, wiring: Wiring, emit: Emit) -> None:
        settings = wiring.settings
        assert settings.chain_rpc_url is not None
        made = deployment(settings)
        local = made.chain_id == chain.CHAIN_ID
        self._submit = Submit(
            ChainSettings(
                settings.chain_rpc_url,
                local,
                confirmations=_CONFIRMATIONS_LOCAL if local else _CONFIRMATIONS,
                deploys=settings.deploy_contract,
            ),
            made,
            settings.data / "submit.sqlite",
            node_key(settings, "operator"),
            wiring.clock,
        )
        self._reader = BatchReader(
            wiring.kafka, "submit", [topics.PROOFS], emit, self, instance_id="submit"
        )
        self._work: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str | None:
        """Why commitments wait, while they do."""
        return self._submit.trouble

    async def start(self, on_failure: OnFailure) -> None:
        self._reader.on_failure = on_failure
        self._work = asyncio.create_task(self._submit.run())
        self._work.add_done_callback(lambda work: _report(work, on_failure))
        self._reader.start()

    async def process(self, batch: Batch) -> None:
        try:
            await self._submit.take(batch.slices)
        finally:
            self._reader.release()

    async def stop(self) -> None:
        await asyncio.to_thread(self._reader.stop)
        await asyncio.to_thread(self._submit.close)
        if self._work is not None:
            await asyncio.gather(self._work, return_exceptions=True)

    def assigned(self, committed: Sequence[Position]) -> Sequence[Position]:
        """The journal knows better than Kafka: it has what was taken."""
        return [Position(one.topic, one.partition, self._submit.position) for one in committed]

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """What was taken is on disk."""


def _report(work: "asyncio.Task[None]", on_failure: OnFailure) -> None:
    if not work.cancelled() and (error := work.exception()) is not None:
        on_failure(error)
