"""A consumer on a thread of its own that hands out batches."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Protocol

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams import limits
from streams.delivery.batch import Batch, Position, Slice, slices_of
from streams.delivery.group_client import consumer_config, static_id
from streams.delivery.lag import Lag
from streams.delivery.membership import Membership, NotAMember
from streams.delivery.transaction import DISCONNECTED

log = logging.getLogger(__name__)

# Back-pressure lasting longer than this pauses the partitions, so that the group still sees us
# polling; shorter ones keep what librdkafka has fetched ahead.
_PAUSE_AFTER_S = 1.0
_ORDER_POLL_S = 0.02
_ENDS_READING = (
    KafkaError._FATAL,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError._AUTO_OFFSET_RESET,
)


_Callback = Callable[[Consumer, list[TopicPartition]], None]


class RebalanceUnderWay(RuntimeError):
    """Nothing can be committed at the moment."""


class Assignments(Protocol):
    """Who wants to know which partitions come and go. Called on the reader's thread."""

    def assigned(self, committed: Sequence[Position]) -> Sequence[Position]:
        """New partitions with their committed offsets; answers where reading starts.

        May take its time (state is restored here); an offset of -1 in the answer means the
        beginning. An exception stops the reader, which says so: `BatchReader.start`.
        """
        ...

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Partitions that go: finish or drop what is at work on them before returning."""
        ...


class BatchReader:
    """Reads topics in a consumer group; calls ``emit`` with each batch on its own thread.

    At most ``limits.BATCH_QUEUE_MAX`` batches are out at a time; whoever takes one calls
    `release` when done with it. Slices whose partition was reassigned or rewound since they
    were fetched are not `is_current` and must be dropped.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        group: str,
        topics: Sequence[str],
        emit: Callable[[Batch], None],
        assignments: Assignments,
        *,
        instance_id: str | None = None,
        batch_messages_max: int = limits.BATCH_MESSAGES_MAX,
        batch_wait_ms: int = limits.BATCH_WAIT_MS,
    ) -> None:
        """``instance_id`` makes it a static member (KIP-345): one that comes back within the
        session timeout has its partitions at once."""
        self._lag = Lag(group)
        self._membership = Membership()
        told = {"stats_cb": self._on_statistics, "error_cb": self._note_error}
        config = consumer_config(kafka, group, static_id(instance_id, topics))
        self._consumer = Consumer(config | told)
        self._topics = list(topics)
        self._emit = emit
        self._assignments = assignments
        self._batch_messages_max = batch_messages_max
        self._batch_wait_s = batch_wait_ms / 1000
        self._room = threading.Semaphore(limits.BATCH_QUEUE_MAX)
        self._assigned: set[tuple[str, int]] = set()
        self._incarnations: dict[tuple[str, int], int] = {}
        self._next_incarnation = 1
        self._orders: deque[Callable[[], None]] = deque()
        self._stopping = threading.Event()
        self._rebalancing = False
        self.is_cut_off = False  # its broker went, and nothing has come since
        self._paused = False  # no room for batches: only the membership is kept up
        self._thread = threading.Thread(target=self._run, name=f"reader {group}", daemon=True)
        self._on_failure: Callable[[BaseException], None] | None = None

    def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """Join the group and begin to read; ``on_failure`` is told, on the reader's thread, when
        reading ends by an error."""
        self._on_failure = on_failure
        self._thread.start()

    def stop(self) -> None:
        """Leave the group (revoking what is assigned) and end the thread. Blocks.

        A client whose broker died may not come to an end: it is left to its thread, and whoever
        joins under its name next fences it.
        """
        self._stopping.set()
        self._room.release()
        if self._thread.is_alive():
            self._thread.join(limits.READER_STOP_S)
            if self._thread.is_alive():
                log.error("the client of %s does not close: going on without it", self._topics)

    def release(self) -> None:
        """A batch has been dealt with: another may be fetched."""
        self._room.release()

    def is_current(self, piece: Slice) -> bool:
        """Whether its partition has neither moved nor been rewound since it was fetched."""
        return self._incarnations.get((piece.topic, piece.partition)) == piece.incarnation

    def subscribe(self, topics: Sequence[str]) -> None:
        """Read these topics from now on (from the reader's next round)."""
        self._order(lambda: self._subscribe(list(topics)))

    def rewind(self, positions: Sequence[Position]) -> None:
        """Read again from these positions; what was fetched before stops being current."""
        for position in positions:
            self._incarnations.pop((position.topic, position.partition), None)
        self._order(lambda: self._seek(positions))

    def commit(self, positions: Sequence[Position]) -> None:
        """Commit offsets with metadata for the group; returns when Kafka has them.

        The reader's thread does it between two polls: from another thread, the client's own
        commit waits for as long as that thread goes on polling.

        Raises:
            KafkaException: not committed, for one because the partitions now belong to another.
            RebalanceUnderWay: try again, unless the partitions go.
            RuntimeError: the reader has stopped.
        """
        if threading.current_thread() is self._thread:
            self._commit(positions)
            return
        done: Future[None] = Future()
        self._order(lambda: _fulfil(done, lambda: self._commit(positions)))
        while True:
            try:
                done.result(timeout=_ORDER_POLL_S)
                return
            except TimeoutError:
                stopped = not self._thread.is_alive()
                if (self._rebalancing or stopped) and done.cancel():
                    if stopped:
                        raise RuntimeError("the reader has stopped") from None
                    raise RebalanceUnderWay("partitions are being reassigned") from None

    def _commit(self, positions: Sequence[Position]) -> None:
        answer = self._consumer.commit(
            offsets=[
                TopicPartition(at.topic, at.partition, at.offset, at.metadata) for at in positions
            ],
            asynchronous=False,
        )
        for place in answer or ():
            if place.error is not None:
                raise KafkaException(place.error)

    # --- the reader's thread ---------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._subscribe(self._topics)
            while not self._stopping.is_set():
                self._wait_for_room()
                self._obey_orders()
                self._membership.check()
                batch = self._poll()
                if batch is None or self._stopping.is_set():
                    self._room.release()
                else:
                    self._emit(batch)
        except BaseException as error:
            if isinstance(error, NotAMember):
                self.is_cut_off = True  # to close such a client may never end
            log.exception("the reader of %s stopped", ", ".join(self._topics))
            if self._on_failure is not None:
                self._on_failure(error)
        finally:
            self._leave()
            self._lag.close()

    def _leave(self) -> None:
        """Give up the partitions and the client.

        A client without a broker is dropped, not closed. Closing has its partitions unassigned on
        this thread, which keeps the interpreter's lock for it, and where the group's state in the
        client has ended by then nobody answers: the whole process stands still. Dropping ends it
        too, with the lock released; the group notices by the session's time-out, or by the
        member that comes back under the same static name.
        """
        self._stopping.set()
        if not self.is_cut_off:
            self._consumer.close()
            return
        self._assignments.revoked(list(self._assigned))
        self._assigned.clear()
        vars(self).pop("_consumer")  # the last reference to it

    def _note_error(self, error: KafkaError) -> None:
        log.warning("Kafka: %s", error)
        if error.code() in DISCONNECTED:
            self.is_cut_off = True

    def _poll(self) -> Batch | None:
        messages = self._consumer.consume(self._batch_messages_max, self._batch_wait_s)
        readable = [message for message in messages if message.error() is None]
        if len(readable) < len(messages):
            _report_errors(messages)
        if not readable:
            return None
        self.is_cut_off = False
        slices = slices_of(readable, self._incarnations)
        self._lag.handed_out(slices)
        return Batch(tuple(slices), self._consumer.consumer_group_metadata())

    def _wait_for_room(self) -> None:
        for _ in range(int(_PAUSE_AFTER_S / _ORDER_POLL_S)):
            if self._room.acquire(timeout=_ORDER_POLL_S):
                return
            self._obey_orders()
        self._paused = True
        self._consumer.pause(self._consumer.assignment())
        while not self._room.acquire(timeout=_ORDER_POLL_S) and not self._stopping.is_set():
            self._obey_orders()
            _report_errors(self._consumer.consume(1, 0))
        self._paused = False
        self._consumer.resume(self._consumer.assignment())

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)

    def _obey_orders(self) -> None:
        while self._orders:
            self._orders.popleft()()

    def _subscribe(self, topics: list[str]) -> None:
        self._topics = topics
        if topics:
            self._consumer.subscribe(
                topics,
                on_assign=_whole(self._on_assign),
                on_revoke=_whole(self._on_revoke),
                on_lost=_whole(self._on_lost),
            )
        else:
            self._consumer.unsubscribe()

    def _seek(self, positions: Sequence[Position]) -> None:
        for at in positions:
            if (at.topic, at.partition) in self._assigned:
                self._renew(at.topic, at.partition)
                self._consumer.seek(TopicPartition(at.topic, at.partition, _start(at.offset)))

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if not partitions:
            consumer.incremental_assign([])
            return
        if self._stopping.is_set():
            return  # the client, which is being closed, takes and gives them up by itself
        committed = [
            Position(place.topic, place.partition, max(place.offset, -1), place.metadata or "")
            for place in committed_offsets(consumer, partitions)
        ]
        with self._rebalance():
            starts = self._assignments.assigned(committed)
        for at in starts:
            self._assigned.add((at.topic, at.partition))
            self._renew(at.topic, at.partition)
        places = [TopicPartition(at.topic, at.partition, _start(at.offset)) for at in starts]
        consumer.incremental_assign(places)
        # A partition that left while it was paused comes back paused, whoever resumed the others.
        (consumer.pause if self._paused else consumer.resume)(places)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        told = [(place.topic, place.partition) for place in partitions]
        places = [place for place in told if place in self._assigned]
        for place in places:
            self._assigned.discard(place)
            self._incarnations.pop(place, None)
        self._lag.revoked(places)
        with self._rebalance():
            self._assignments.revoked(places)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("lost %d partitions to another member", len(partitions))
        self._on_revoke(consumer, partitions)

    def _on_statistics(self, statistics: str) -> None:
        told = orjson.loads(statistics)
        self._lag.heard(told, self._assigned)
        self._membership.heard(told, bool(self._topics))

    @contextmanager
    def _rebalance(self) -> Iterator[None]:
        """While the owner is told, nobody may wait for this thread to commit."""
        self._rebalancing = True
        try:
            yield
        finally:
            self._rebalancing = False
            self._membership.begin_anew()

    def _renew(self, topic: str, partition: int) -> None:
        self._incarnations[topic, partition] = self._next_incarnation
        self._next_incarnation += 1


def committed_offsets(
    consumer: Consumer, partitions: list[TopicPartition], timeout_s: float = 60
) -> list[TopicPartition]:
    """The group's committed offsets, once no open transaction may still change them.

    Raises:
        KafkaException: the coordinator did not answer in time.
    """
    places: list[TopicPartition] = consumer.committed(partitions, timeout=timeout_s)
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
    return places


def _whole(callback: _Callback) -> _Callback:
    """A callback whose exceptions can be caught.

    The client hands on what a callback raises as it finds it. Where that is the client's own error
    and no Python code has caught it yet, Python has made no exception of it: past the client it is
    a bare `KafkaError`, which no ``except`` stops, and the thread would end without a word.
    """

    def call(consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            callback(consumer, partitions)
        except KafkaException as error:
            raise error

    return call


def _fulfil(done: "Future[None]", call: Callable[[], None]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        call()
    except Exception as error:
        done.set_exception(error)
    else:
        done.set_result(None)


def _start(offset: int) -> int:
    return offset if offset >= 0 else -2  # librdkafka's OFFSET_BEGINNING


def _report_errors(messages: Sequence[Message]) -> None:
    for message in messages:
        error = message.error()
        if error is None:
            continue
        # Such a client reads no more, though it goes on polling: a restarted broker may fence a
        # static member, and a position may be deleted under it.
        if error.fatal() or error.code() in _ENDS_READING:
            raise KafkaException(error)
        log.warning("Kafka: %s", error)
