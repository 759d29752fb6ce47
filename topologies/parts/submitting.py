"""proofs → transactions on the chain."""

import asyncio
from collections.abc import Sequence

from streams import topics
from streams.chain.sender import ChainBeganAnew
from streams.chain.submit import Submit
from streams.delivery.batch import Batch, Position
from streams.delivery.reader import BatchReader
from topologies.parts.sending import Senders
from topologies.stage import Emit, OnFailure
from topologies.wiring import Wiring


class Submitting:
    """Commitments to their sender, whose journal remembers how far they were read."""

    def __init__(self, wiring: Wiring, senders: Senders, emit: Emit) -> None:
        self._sender = senders.of_commitments()
        self._submit = Submit(self._sender)
        self._reader = BatchReader(
            wiring.kafka, "submit", [topics.PROOFS], emit, self, instance_id="submit"
        )

    @property
    def trouble(self) -> str | None:
        """Why commitments wait, while they do."""
        return self._sender.trouble

    async def start(self, on_failure: OnFailure) -> None:
        self._sender.on_new_beginning = lambda: on_failure(
            ChainBeganAnew("the local chain was wiped: reading topic proofs from its start again")
        )
        self._reader.start(on_failure)

    async def process(self, batch: Batch) -> None:
        try:
            await self._submit.take(batch.slices)
        finally:
            self._reader.release()

    async def stop(self) -> None:
        self._sender.on_new_beginning = None
        await asyncio.to_thread(self._reader.stop)

    def assigned(self, committed: Sequence[Position]) -> Sequence[Position]:
        """The journal knows better than Kafka: it has what was taken."""
        return [
            Position(one.topic, one.partition, self._sender.journal.position) for one in committed
        ]

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """What was taken is on disk."""
