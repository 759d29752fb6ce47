"""Audit records on their way into Kafka."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.audit.record import AuditError, Record
from streams.delivery.transaction import Write
from streams.topics import AUDIT

_DELIVERY_MS: Final = 15_000


def write_of(records: Iterable[Record]) -> Write:
    """The records as a part of a transaction, that of the change which they tell of."""
    return Write(AUDIT, 0, [{"key": one.key(), "value": one.encode()} for one in records])


class AuditLog:
    """Appends what belongs to no transaction, acks=all; used from one thread at a time."""

    def __init__(self, kafka: Mapping[str, Any], delivery_ms: int = _DELIVERY_MS) -> None:
        """``kafka``: how clients reach Kafka (confluent-kafka's configuration keys)."""
        self._producer = Producer(
            {
                **kafka,
                "acks": "all",
                "enable.idempotence": True,
                "delivery.timeout.ms": delivery_ms,
            }
        )
        self._errors: list[KafkaError] = []

    def append(self, *records: Record) -> None:
        """Returns once Kafka has all of them. Blocks.

        Raises:
            AuditError: it has not, or not all.
        """
        self._errors.clear()
        write = write_of(records)
        try:
            queued = self._producer.produce_batch(
                write.topic, write.records, partition=write.partition, on_delivery=self._delivered
            )
        except (KafkaException, BufferError) as error:
            raise AuditError(f"the audit log was not written: {error}") from error
        self._producer.flush()  # ends: each record is delivered or given up in time
        if self._errors or queued < len(write.records):
            why = self._errors[0].str() if self._errors else "the client's queue is full"
            raise AuditError(f"the audit log was not (wholly) written: {why}")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._errors.append(error)
