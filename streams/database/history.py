"""Reading a partition again, outside the consumer group."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.delivery.batch import pack

_READ_MESSAGES: Final = 10_000
_POLL_S: Final = 0.05  # `consume` waits for all it was asked for, or this long
_TIMEOUT_S: Final = 10.0


class HistoryError(RuntimeError):
    """Records that should be in the log cannot be read; says which and why."""


@dataclass(frozen=True, slots=True)
class Watermarks:
    """The first offset that a partition still has, and the one that it will give next."""

    low: int
    high: int


class History:
    """Reads ranges of partitions that somebody else's consumer is assigned."""

    def __init__(self, kafka: Mapping[str, Any]) -> None:
        self._config = {
            **kafka,
            "group.id": "w3b-history",  # librdkafka wants one; nothing is committed to it
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }

    def watermarks(self, topic: str, partition: int) -> Watermarks:
        """Where the partition begins and ends.

        Raises:
            KafkaException: Kafka does not answer.
        """
        consumer = Consumer(self._config)
        try:
            place = TopicPartition(topic, partition)
            low, high = consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)
            return Watermarks(low, high)
        finally:
            consumer.close()

    def packed(self, topic: str, partition: int, start: int, stop: int) -> Iterator[bytes]:
        """Packed batches of the committed records of ``[start, stop)``."""
        for messages in self.read(topic, partition, start, stop):
            yield pack(messages)

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[list[Message]]:
        """The committed records of ``[start, stop)``.

        Raises:
            HistoryError: Kafka stops answering, or no longer has ``start``.
        """
        if start >= stop:
            return
        consumer = Consumer(self._config)
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            done = False
            silent_s = 0.0
            while not done:
                messages = consumer.consume(_READ_MESSAGES, _POLL_S)
                silent_s = 0.0 if messages else silent_s + _POLL_S
                if silent_s >= _TIMEOUT_S:
                    raise HistoryError(
                        f"Kafka gave nothing of {topic}[{partition}] for {_TIMEOUT_S:.0f} s"
                    )
                records = []
                for message in messages:
                    error = message.error()
                    if error is None:
                        records.append(message)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        done = True
                    elif not error.retriable() and error.code() != KafkaError._TRANSPORT:
                        raise HistoryError(
                            f"{topic}[{partition}] from {start}: {error}"
                        ) from KafkaException(error)
                if records and records[-1].offset() >= stop - 1:
                    done = True
                    records = [one for one in records if one.offset() < stop]
                if records:
                    yield records
        finally:
            consumer.close()
