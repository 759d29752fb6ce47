"""Execute for one Dapp in one process: batches in, one transaction each out."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from streams import limits, metrics, topics
from streams.delivery.batch import Batch, Position, Slice
from streams.delivery.reader import BatchReader
from streams.delivery.transaction import TransactionAborted, TransactionalWriter, Write
from streams.execution.instance import Deployments, Instance, Outcome
from streams.execution.outside import Outside
from streams.execution.program import Program
from streams.execution.restoring import restored
from streams.execution.turns import Turns

log = logging.getLogger(__name__)

# Which topic each of an instance's streams goes to; logs stay on the node.
_TOPIC_OF = {
    "results": topics.results,
    "claims": topics.claims,
    "effects": topics.effects,
    "dead": topics.dead,
    "answers": topics.answers,
    "state": topics.state,
}

_NUDGE = Batch((), None)  # no messages: look whether the transaction at work failed


@dataclass(frozen=True, slots=True)
class _Piece:
    """A slice, from one of its records on."""

    slice: Slice
    first: int


@dataclass(frozen=True, slots=True)
class _Computed:
    """A batch that ran and waits for its transaction."""

    outcomes: tuple[tuple[int, Outcome], ...]
    offsets: tuple[Position, ...]
    group_metadata: Any


class Worker:
    """Reads a Dapp's messages, runs its program, commits.

    While a batch's transaction commits, the next batch is computed; an abort takes both back
    and reads them again. `process` is called by one thread at a time, batch after batch.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        dapp: str,
        program: Program | Deployments,
        slot: str,
        emit: Callable[[Batch], None],
        outside: Outside | None = None,
    ) -> None:
        """``program``: as `Instance`'s; a worker goes on over upgrades.

        ``slot`` names this worker among those of the node, the same after a restart.

        ``emit`` gets each batch on the reader's thread; whoever takes it calls `process`.

        ``outside``: as `Instance`'s.
        """
        self.dapp = dapp
        self._emit = emit
        self._kafka = kafka
        self._program = program
        self._outside = outside or {}
        self._instances: dict[int, Instance] = {}
        self._writer = TransactionalWriter(kafka, f"execute.{dapp}.{slot}")
        self._reader = BatchReader(
            kafka, f"execute.{dapp}", [topics.messages(dapp)], emit, self,
            instance_id=f"execute.{dapp}.{slot}",
            batch_messages_max=limits.EXECUTE_MESSAGES_MAX,
        )  # fmt: skip
        self._threads = ThreadPoolExecutor(thread_name_prefix=f"execute {dapp}")
        self._turns = Turns(dapp)
        self._near_ceiling: set[int] = set()  # partitions of which the log has said so
        self._committing: Future[None] | None = None
        self._to_settle: list[Instance] = []  # whose oldest batch is being committed
        metrics.EXECUTE_ABORTS.labels(dapp)  # at 0: a rate needs a value before
        self._busy = threading.Lock()  # held from the start of a batch's run to its commit

    def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """Fence a predecessor, then read. Blocks until Kafka answers.

        Raises:
            ProducerLost: Kafka does not.
        """
        self._writer.start()
        self._reader.start(on_failure)

    def stop(self) -> None:
        """Finish what commits, leave the group. Blocks."""
        self._reader.stop()
        self._threads.shutdown()
        self._turns.stop()
        self._writer.close()

    # --- partitions that come and go: on the reader's thread ------------------------------------

    def assigned(self, committed: Sequence[Position]) -> Sequence[Position]:
        """Restore each partition; reading starts where its state was left."""

        def restore(position: Position) -> Position:
            instance = restored(self._kafka, self.dapp, self._program, position, self._outside)
            with self._busy:
                self._instances[position.partition] = instance
            return Position(position.topic, position.partition, instance.next_offset)

        return list(self._threads.map(restore, committed))

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Let the batch at work commit, then drop the partitions' instances."""
        with self._busy:
            self._settle()
            for _, partition in partitions:
                self._instances.pop(partition, None)

    # --- batches ----------------------------------------------------------------------------------

    def process(self, batch: Batch) -> None:
        """Run a batch and begin its transaction, once the one before has committed.

        Raises:
            InstanceLost, ProducerLost: this worker cannot go on; make a new one.
        """
        if batch is _NUDGE:
            with self._busy:
                self._settle()
            return
        try:
            left = [_Piece(one, 0) for one in batch.slices]
            while left:
                with self._busy:
                    computed, left = self._compute(left, batch.group_metadata)
                    if not self._settle():
                        return  # it will be read again
                    if computed is not None:
                        self._begin_commit(computed)
        finally:
            self._reader.release()

    def _begin_commit(self, computed: _Computed) -> None:
        self._committing = self._threads.submit(self._commit, computed)
        self._to_settle = [self._instances[partition] for partition, _ in computed.outcomes]
        self._committing.add_done_callback(self._nudge_if_failed)

    def _nudge_if_failed(self, committing: Future[None]) -> None:
        if committing.exception() is not None:
            self._emit(_NUDGE)  # no later batch may come to find it out

    def _compute(
        self, left: Sequence[_Piece], group_metadata: Any
    ) -> tuple[_Computed | None, list[_Piece]]:
        """Run what is left of a batch; what of it is still left when its fuel is spent."""
        pieces = [
            one
            for one in left
            if self._reader.is_current(one.slice) and one.slice.partition in self._instances
        ]
        if not pieces:
            return None, []
        with metrics.EXECUTE_RUN_SECONDS.labels(self.dapp).time():
            outcomes = self._turns.run(self._run, pieces)
        ran = list(zip(pieces, outcomes, strict=True))
        metrics.EXECUTE_BATCH_MESSAGES.labels(self.dapp).observe(
            sum(outcome.consumed - one.first for one, outcome in ran)
        )
        computed = _Computed(
            outcomes=tuple((one.slice.partition, outcome) for one, outcome in ran),
            offsets=tuple(
                Position(one.slice.topic, one.slice.partition, outcome.next_offset)
                for one, outcome in ran
            ),
            group_metadata=group_metadata,
        )
        return computed, [
            _Piece(one.slice, outcome.consumed)
            for one, outcome in ran
            if outcome.consumed < one.slice.count
        ]

    def _run(self, piece: _Piece) -> Outcome:
        instance = self._instances[piece.slice.partition]
        renewals = instance.renewals
        outcome = instance.run(piece.slice.packed, piece.first)
        metrics.EXECUTE_RENEWALS.labels(self.dapp).inc(instance.renewals - renewals)
        return outcome

    def _commit(self, computed: _Computed) -> None:
        writes = [
            Write(_TOPIC_OF[stream](self.dapp), partition, records)
            for partition, outcome in computed.outcomes
            for stream, records in outcome.records.items()
            if records and stream in _TOPIC_OF
        ]
        with metrics.EXECUTE_COMMIT_SECONDS.labels(self.dapp).time():
            self._writer.write(writes, computed.offsets, computed.group_metadata)
        for partition, outcome in computed.outcomes:
            self._count(partition, outcome)

    def _settle(self) -> bool:
        """Wait for the transaction at work; ``False``: it aborted and everything was taken back."""
        if self._committing is None:
            return True
        committing, self._committing = self._committing, None
        try:
            committing.result()
        except TransactionAborted as abort:
            self._take_back(abort)
            return False
        for instance in self._to_settle:
            instance.commit()
        return True

    def _take_back(self, abort: TransactionAborted) -> None:
        log.warning("%s: a transaction was aborted, running it again: %s", self.dapp, abort)
        metrics.EXECUTE_ABORTS.labels(self.dapp).inc()
        for instance in self._instances.values():
            if not instance.rollback():
                raise abort
        topic = topics.messages(self.dapp)
        self._reader.rewind(
            [Position(topic, at, one.next_offset) for at, one in self._instances.items()]
        )

    def _count(self, partition: int, outcome: Outcome) -> None:
        dapp = self.dapp
        messages = metrics.EXECUTE_MESSAGES
        messages.labels(dapp, "processed").inc(outcome.processed)
        messages.labels(dapp, "repeat").inc(outcome.repeats)
        messages.labels(dapp, "dead").inc(sum(outcome.dead.values()))
        for reason, count in outcome.dead.items():
            metrics.EXECUTE_DEAD.labels(dapp, reason).inc(count)
        for stream, records in outcome.records.items():
            metrics.EXECUTE_OUTPUTS.labels(dapp, stream).inc(len(records))
        metrics.EXECUTE_EPOCH.labels(dapp, partition).set(outcome.epoch)
        metrics.EXECUTE_STATE_KEYS.labels(dapp, partition).set(outcome.state_keys)
        metrics.EXECUTE_STATE_BYTES.labels(dapp, partition).set(outcome.state_bytes)
        metrics.EXECUTE_SQL_BYTES.labels(dapp, partition).set(outcome.sql_bytes)
        self._watch_ceiling(partition, outcome)

    def _watch_ceiling(self, partition: int, outcome: Outcome) -> None:
        metrics.EXECUTE_STATE_SHARE.labels(self.dapp, partition).set(outcome.state_share)
        if outcome.state_share < limits.STATE_SHARE_WARNED:
            self._near_ceiling.discard(partition)
        elif partition not in self._near_ceiling:
            self._near_ceiling.add(partition)
            log.warning(
                "%s: keyed state of partition %d is at %.0f %% of its ceiling (%d keys, %d bytes); "
                "past it events that write more become dead letters (state_limit). Let the "
                "program keep less, raise limits.state_bytes of its manifest, or give a new Dapp "
                "more partitions",
                self.dapp, partition, 100 * outcome.state_share, outcome.state_keys,
                outcome.state_bytes,
            )  # fmt: skip
