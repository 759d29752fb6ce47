"""Reads the effects of some labels, of all Dapps, and commits what came of a batch with it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from streams import metrics, topics
from streams.clock import Clock
from streams.delivery.batch import Batch, Position
from streams.delivery.effects import Effect, effects_of
from streams.delivery.reader import BatchReader
from streams.delivery.transaction import TransactionalWriter
from streams.effects.answers import Reaction, Refusal, writes_of


class Outlet(Protocol):
    """Where effects leave."""

    def carry_out(self, effects: Sequence[Effect]) -> Sequence[Reaction]:
        """Bring effects into safe hands, or raise; done again after a crash. Blocks for as long as
        it takes, but not once it is closed."""
        ...

    def close(self) -> None:
        """Let go of what is under way."""
        ...


class EffectWorker:
    """Hands batches of effects to an outlet. `process` is called by one thread at a time.

    Args:
        kafka: where.
        name: of the consumer group, and of the writer's transactions.
        labels: which effects.
        dapps: of which Dapps.
        outlet: where they leave.
        clock: for the time of answers.
        emit: gets each batch on the reader's thread; whoever takes it calls `process`.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        name: str,
        labels: Collection[str],
        dapps: Sequence[str],
        outlet: Outlet,
        clock: Clock,
        emit: Callable[[Batch], None],
    ) -> None:
        self._labels = labels
        self._outlet = outlet
        self._clock = clock
        self._writer = TransactionalWriter(kafka, name)
        self._reader = BatchReader(kafka, name, _topics(dapps), emit, self, instance_id=name)

    def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """Fence a predecessor, then read. Blocks until Kafka answers.

        Raises:
            ProducerLost: Kafka does not.
        """
        self._writer.start()
        self._reader.start(on_failure)

    def stop(self) -> None:
        """Let what is under way go, leave the group. Blocks."""
        self._outlet.close()
        self._reader.stop()
        self._writer.close()

    def subscribe(self, dapps: Sequence[str]) -> None:
        """Read these Dapps' effects from now on."""
        self._reader.subscribe(_topics(dapps))

    def assigned(self, committed: Sequence[Position]) -> Sequence[Position]:
        """Go on behind what was carried out."""
        return committed

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """What was carried out and not committed is carried out again by whoever has it next."""

    def process(self, batch: Batch) -> None:
        """Carry a batch's effects out; write what came of it.

        Raises:
            TransactionAborted, ProducerLost, or what the outlet raises: make a new worker, which
                carries out again what is not committed.
        """
        try:
            slices = [one for one in batch.slices if self._reader.is_current(one)]
            effects = [one for piece in slices for one in effects_of(piece, self._labels)]
            reactions = self._outlet.carry_out(effects) if effects else ()
            places = [Position(one.topic, one.partition, one.next_offset) for one in slices]
            if places:
                writes = writes_of(reactions, self._clock.now_ms())
                self._writer.write(writes, places, batch.group_metadata)
            _count(effects, reactions)
        finally:
            self._reader.release()


def _topics(dapps: Sequence[str]) -> list[str]:
    return [topics.effects(dapp) for dapp in dapps]


def _count(effects: Sequence[Effect], reactions: Sequence[Reaction]) -> None:
    for one in effects:
        metrics.EFFECTS.labels(one.dapp, one.record.label).inc()
    for reaction in reactions:
        if isinstance(reaction, Refusal):
            effect = reaction.effect
            metrics.EFFECTS_REFUSED.labels(effect.dapp, effect.record.label).inc()
