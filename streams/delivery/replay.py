"""Reading a stretch of one partition again, outside of any group: to restore what came of it."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams import limits
from streams.delivery.batch import Position, pack
from streams.delivery.transaction import DISCONNECTED

_STALL_S_MAX: Final = 60.0  # longer than any transaction may hold back what follows it
_RETRY_S: Final = 0.1
# A partition that was just made or found again has a leader, who does not know it yet.
_NOT_YET: Final = frozenset(
    {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError._TRANSPORT}
)
_POLL_S: Final = 0.05  # a poll waits this long for a full batch, the last one in vain


class RepeatWindow(Protocol):
    """What remembers the ids of a partition's latest messages (`streams/delivery/wire`)."""

    def clear(self) -> None:
        """Forget all of them."""
        ...

    def remember(self, packed: bytes) -> int:
        """Let it see a packed batch's messages; how many it has seen since it was clear."""
        ...


def replay(
    kafka: Mapping[str, Any],
    topic: str,
    partition: int,
    start: int = 0,
    end: int | None = None,
    *,
    stall_s_max: float = _STALL_S_MAX,
) -> Iterator[list[Message]]:
    """Committed records of a partition from offset ``start`` up to ``end``, in lists.

    Without ``end``: up to where the log ends when this is called, open transactions waited for.
    What retention has taken is passed over; `watermarks` says where the log begins.

    Raises:
        TimeoutError: an open transaction, or Kafka, held the reading up for ``stall_s_max``.
        KafkaException: the partition cannot be read.
    """
    consumer = Consumer(
        {
            **kafka,
            "group.id": "replay",  # nothing is ever committed under it
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,  # the log's end is told after so long an idle fetch
            "auto.offset.reset": "earliest",  # what retention took is not there to be restored
            "queued.max.messages.kbytes": limits.FETCH_QUEUE_KIB,
            "fetch.queue.backoff.ms": limits.FETCH_BACKOFF_MS,
        }
    )
    try:
        place = TopicPartition(topic, partition)
        low = _watermarks(consumer, place, stall_s_max)[0]
        goal = watermarks(kafka, topic, partition)[1] if end is None else end
        start = max(start, low)
        if start >= goal:
            return
        consumer.assign([TopicPartition(topic, partition, start)])
        yield from _until(consumer, goal, stall_s_max)
    finally:
        consumer.close()


def watermarks(
    kafka: Mapping[str, Any], topic: str, partition: int, stall_s_max: float = _STALL_S_MAX
) -> tuple[int, int]:
    """The first offset that the log still has, and its end: open transactions included.

    Raises:
        KafkaException: Kafka does not answer, or has no such partition.
    """
    consumer = Consumer({**kafka, "group.id": "replay", "isolation.level": "read_uncommitted"})
    try:
        return _watermarks(consumer, TopicPartition(topic, partition), stall_s_max)
    finally:
        consumer.close()


def refill(
    kafka: Mapping[str, Any],
    start: Position,
    window: RepeatWindow,
    messages_max: int,
    *,
    stall_s_max: float = _STALL_S_MAX,
) -> None:
    """A window of ``messages_max`` messages as it is at ``start``: it has seen those before.

    Raises:
        TimeoutError, KafkaException: as `replay`.
    """
    topic, partition, stop = start.topic, start.partition, max(start.offset, 0)
    low = watermarks(kafka, topic, partition, stall_s_max)[0] if stop else 0
    span = messages_max + messages_max // 8  # transactions' markers use offsets up, too
    while True:
        begin = max(low, stop - span)
        window.clear()
        seen = 0
        for messages in replay(kafka, topic, partition, begin, stop, stall_s_max=stall_s_max):
            seen = window.remember(pack(messages))
        if seen >= messages_max or begin == low:
            return
        span *= 4


def _until(consumer: Consumer, goal: int, stall_s_max: float) -> Iterator[list[Message]]:
    idle_s = 0.0
    while True:
        messages = consumer.consume(limits.BATCH_MESSAGES_MAX, _POLL_S)
        idle_s = 0.0 if messages else idle_s + _POLL_S
        if idle_s > stall_s_max:
            place = consumer.assignment()[0]
            raise TimeoutError(
                f"Kafka gave nothing of {place.topic}[{place.partition}] for {stall_s_max:.0f} s"
            )
        found = [one for one in messages if one.error() is None and one.offset() < goal]
        if found:
            yield found
        marks = [one for one in messages if one.error() is not None] + found[-1:]
        if any(_reaches(one, goal) for one in marks):
            return


def _reaches(message: Message, goal: int) -> bool:
    error = message.error()
    if error is None:
        return bool(message.offset() >= goal - 1)
    if error.code() == KafkaError._PARTITION_EOF:
        return bool(message.offset() >= goal)
    if error.retriable() or error.code() in DISCONNECTED:
        return False
    raise KafkaException(error)


def _watermarks(consumer: Consumer, place: TopicPartition, stall_s_max: float) -> tuple[int, int]:
    """Where the partition's log begins and ends, from a broker that may just be starting."""
    tries_left = int(stall_s_max / _RETRY_S)
    while True:
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=stall_s_max)
            return int(low), int(high)
        except KafkaException as error:
            tries_left -= 1
            if error.args[0].code() not in _NOT_YET or tries_left == 0:
                raise
        time.sleep(_RETRY_S)
