"""Agree for a node: summaries in, certified commitments out, one transaction a batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streams import topics
from streams.consensus.agree import Agree
from streams.delivery.batch import Batch, Position
from streams.delivery.reader import BatchReader
from streams.delivery.transaction import TransactionalWriter, Write


class AgreeWorker:
    """Reads the claims of all Dapps, writes proofs. `process` is called by one thread at a time."""

    def __init__(
        self,
        kafka: Mapping[str, Any],
        dapps: Sequence[str],
        agree: Agree,
        emit: Callable[[Batch], None],
    ) -> None:
        """``emit`` gets each batch on the reader's thread; whoever takes it calls `process`."""
        self._agree = agree
        self._writer = TransactionalWriter(kafka, "agree")
        self._reader = BatchReader(
            kafka, "agree", [topics.claims(dapp) for dapp in dapps], emit, self,
            instance_id="agree",
        )  # fmt: skip

    def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """Fence a predecessor, then read. Blocks until Kafka answers.

        Raises:
            ProducerLost: Kafka does not.
        """
        self._writer.start()
        self._reader.start(on_failure)

    def stop(self) -> None:
        """Leave the group. Blocks."""
        self._reader.stop()
        self._writer.close()

    def subscribe(self, dapps: Sequence[str]) -> None:
        """Agree on these Dapps from now on."""
        self._reader.subscribe([topics.claims(dapp) for dapp in dapps])

    def assigned(self, committed: Sequence[Position]) -> Sequence[Position]:
        """Go on where the last settled epoch was left."""
        self._agree.assigned([(one.topic, one.partition) for one in committed])
        return committed

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Forget what was heard from these."""
        self._agree.revoked(partitions)

    def process(self, batch: Batch) -> None:
        """Hear a batch; write what became final.

        Raises:
            TransactionAborted, ProducerLost: make a new worker, which reads again what is not
                settled.
        """
        try:
            agreed = self._agree.feed(one for one in batch.slices if self._reader.is_current(one))
            if agreed.positions:
                proofs = [{"key": one.key(), "value": one.encode()} for one in agreed.commitments]
                writes = [Write(topics.PROOFS, 0, proofs)] if proofs else []
                self._writer.write(writes, agreed.positions, batch.group_metadata)
        finally:
            self._reader.release()
