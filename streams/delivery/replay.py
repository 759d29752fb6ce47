"""Reading a stretch of one partition again: to restore what was made of it."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams import limits

_STALL_S_MAX: Final = 60.0  # longer than any transaction may hold back what follows it
_RETRY_S: Final = 0.1
# A partition that was just made or found again has a leader, who does not know it yet.
_NOT_YET: Final = frozenset(
    {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError._TRANSPORT}
)
_POLL_S: Final = 0.05  # a poll waits this long for a full batch, the last one in vain


def replay(
    kafka: Mapping[str, Any], topic: str, partition: int, start: int = 0, end: int | None = None
) -> Iterator[list[Message]]:
    """Committed records of a partition from offset ``start`` up to ``end``, in lists.

    Without ``end``: up to where the log ends when this is called, open transactions waited for.

    Raises:
        TimeoutError: an open transaction, or Kafka, held the reading up for a minute.
        KafkaException: the partition cannot be read.
    """
    consumer = Consumer(
        {
            **kafka,
            "group.id": "replay",  # nothing is ever committed under it
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",  # what retention took is not there to be restored
            "queued.max.messages.kbytes": limits.FETCH_QUEUE_KIB,
        }
    )
    try:
        place = TopicPartition(topic, partition)
        low = _watermarks(consumer, place)[0]
        goal = _log_end(kafka, place) if end is None else end
        start = max(start, low)
        if start >= goal:
            return
        consumer.assign([TopicPartition(topic, partition, start)])
        yield from _until(consumer, goal)
    finally:
        consumer.close()


def _until(consumer: Consumer, goal: int) -> Iterator[list[Message]]:
    idle_s = 0.0
    while True:
        messages = consumer.consume(limits.BATCH_MESSAGES_MAX, _POLL_S)
        idle_s = 0.0 if messages else idle_s + _POLL_S
        if idle_s > _STALL_S_MAX:
            raise TimeoutError(f"{consumer.assignment()[0]}: nothing could be read for a minute")
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
    if error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
        return False
    raise KafkaException(error)


def _log_end(kafka: Mapping[str, Any], place: TopicPartition) -> int:
    """The log's end, transactions that are still open included."""
    consumer = Consumer({**kafka, "group.id": "replay", "isolation.level": "read_uncommitted"})
    try:
        return _watermarks(consumer, place)[1]
    finally:
        consumer.close()


def _watermarks(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """Where the partition's log begins and ends, from a broker that may just be starting."""
    tries_left = int(_STALL_S_MAX / _RETRY_S)
    while True:
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=_STALL_S_MAX)
            return int(low), int(high)
        except KafkaException as error:
            tries_left -= 1
            if error.args[0].code() not in _NOT_YET or tries_left == 0:
                raise
        time.sleep(_RETRY_S)
