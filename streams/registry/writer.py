"""Changes to the registry: written by operators' commands, acknowledged by Kafka."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.registry.checks import check
from streams.registry.entries import Entry, Kind, encode_key, encode_value, kind_of
from streams.registry.view import RegistryError
from streams.topics import REGISTRY

_DELIVERY_MS: Final = 15_000
_CHUNK_RECORDS: Final = 10_000


class RegistryWriter:
    """Writes entries with acks=all and waits until Kafka has them."""

    def __init__(self, kafka: Mapping[str, Any]) -> None:
        """``kafka``: how clients reach Kafka (confluent-kafka's configuration keys)."""
        self._producer = Producer(
            {
                **kafka,
                "acks": "all",
                "enable.idempotence": True,
                "delivery.timeout.ms": _DELIVERY_MS,
            }
        )
        self._last_offset = -1
        self._errors: list[KafkaError] = []

    def put(self, *entries: Entry) -> int:
        """Write entries, replacing those of the same kind and name; see `put_all`."""
        return self.put_all(entries)

    def put_all(self, entries: Iterable[Entry]) -> int:
        """Write entries in order; the last one's offset, for `Registry.wait_for`.

        Raises:
            EntryError: an entry is not well-formed; none of them was written.
            RegistryError: Kafka does not have all of them; writing them again does no harm.
        """
        checked = list(entries)
        for entry in checked:
            check(entry)
        return self.put_checked(checked)

    def put_checked(self, entries: Iterable[Entry]) -> int:
        """As `put_all`, of entries that were checked one by one.

        Raises:
            RegistryError: as `put_all`.
        """
        return self._write(
            [
                {"key": encode_key(kind_of(entry), entry.name), "value": encode_value(entry)}
                for entry in entries
            ]
        )

    def remove(self, kind: Kind, name: str) -> int:
        """Remove an entry; the offset of the removal.

        Raises:
            RegistryError: Kafka did not take it.
        """
        return self._write([{"key": encode_key(kind, name), "value": None}])

    def _write(self, records: list[dict[str, Any]]) -> int:
        self._errors.clear()
        for start in range(0, len(records), _CHUNK_RECORDS):
            chunk = records[start : start + _CHUNK_RECORDS]
            try:
                queued = self._producer.produce_batch(
                    REGISTRY, chunk, partition=0, on_delivery=self._delivered
                )
            except (KafkaException, BufferError) as error:
                raise RegistryError(f"the registry was not written: {error}") from error
            self._producer.flush()  # ends: each record is delivered or given up in time
            if self._errors or queued < len(chunk):
                why = self._errors[0].str() if self._errors else "the client's queue is full"
                raise RegistryError(f"the registry was not (wholly) written: {why}")
        return self._last_offset

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._errors.append(error)
        else:
            self._last_offset = max(self._last_offset, message.offset() or 0)
