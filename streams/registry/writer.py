"""Changes to the registry: each in one transaction with the audit record that tells of it."""

import copy
import threading
import uuid
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, Message

from streams.audit.log import write_of
from streams.audit.record import Author, at_command
from streams.clock import Clock, SystemClock
from streams.delivery.transaction import (
    ProducerLost,
    TransactionAborted,
    TransactionalWriter,
    Write,
)
from streams.registry.changes import changed, removed
from streams.registry.checks import check
from streams.registry.entries import Entry, Kind, encode_key, encode_value, kind_of
from streams.registry.view import Registry, RegistryError
from streams.topics import REGISTRY

_INIT_ATTEMPTS_MAX: Final = 3  # whoever waits is a person, or a client with a time-out of its own
_CHUNK_RECORDS: Final = 10_000


class RegistryWriter:
    """Writes entries with acks=all and waits until Kafka has them.

    It connects when something is written. From several threads, one writes after the other.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        known: Registry | None = None,
        *,
        author: Author | None = None,
        transactional_id: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """A writer.

        Args:
            kafka: how clients reach Kafka (confluent-kafka's configuration keys).
            known: a view that says what was there before, for the audit log; without it, nothing is
                said of that.
            author: who makes the changes; None: whoever has started this process. See `by`.
            transactional_id: the same after a restart, so that a change that a kill cut short
                holds up readers no longer; None: one of its own, and readers wait for 10 s then.
            clock: when; the system's if none is given.
        """
        self._known = known
        self.author = author or at_command()
        self._clock = clock or SystemClock()
        self._transactions = _Transactions(kafka, transactional_id or f"registry.{uuid.uuid4()}")

    def by(self, author: Author) -> "RegistryWriter":
        """The same writer, for changes that somebody else makes."""
        other = copy.copy(self)
        other.author = author
        return other

    def put(self, *entries: Entry) -> int:
        """Write entries, replacing those of the same kind and name; see `put_all`."""
        return self.put_all(entries)

    def put_all(self, entries: Iterable[Entry]) -> int:
        """Write entries in order; the last one's offset, for `Registry.wait_for`.

        Raises:
            EntryError: an entry is not well-formed; none of them was written.
            RegistryError: Kafka does not have all of them; writing them again does no harm.
        """
        given = list(entries)
        for entry in given:
            check(entry)
        return self.put_checked(given)

    def put_checked(self, entries: Iterable[Entry]) -> int:
        """As `put_all`, of entries that were checked one by one.

        Raises:
            RegistryError: as `put_all`.
        """
        given = list(entries)
        offset = -1
        for start in range(0, len(given), _CHUNK_RECORDS):
            offset = self._put(given[start : start + _CHUNK_RECORDS])
        return offset

    def put_with(self, entry: Entry, writes: Sequence[Write]) -> int:
        """As `put`, with records of other topics in the same transaction.

        Raises:
            EntryError, RegistryError: as `put_all`.
        """
        check(entry)
        return self._put([entry], writes)

    def remove(self, kind: Kind, name: str) -> int:
        """Remove an entry; the offset of the removal.

        Raises:
            RegistryError: Kafka did not take it.
        """
        record = {"key": encode_key(kind, name), "value": None}
        told = removed(kind, name, self._before(kind, name), self.author, self._clock.now_ms())
        return self._transactions.write([record], write_of([told]))

    def _put(self, entries: Sequence[Entry], writes: Sequence[Write] = ()) -> int:
        records = [
            {"key": encode_key(kind_of(entry), entry.name), "value": encode_value(entry)}
            for entry in entries
        ]
        now_ms = self._clock.now_ms()
        told = [
            changed(entry, self._before(kind_of(entry), entry.name), self.author, now_ms)
            for entry in entries
        ]
        return self._transactions.write(records, write_of(told), *writes)

    def _before(self, kind: Kind, name: str) -> Entry | None:
        return None if self._known is None else self._known.entry(kind, name)


class _Transactions:
    """One producer, made when it is needed, and made anew once it is lost."""

    def __init__(self, kafka: Mapping[str, Any], transactional_id: str) -> None:
        self._kafka = kafka
        self._id = transactional_id
        self._lock = threading.Lock()
        self._writer: TransactionalWriter | None = None
        self._let_go: weakref.finalize[..., _Transactions] | None = None
        self._last_offset = -1

    def write(self, records: list[dict[str, Any]], *others: Write) -> int:
        """The offset of the last record, once Kafka has all."""
        with self._lock:
            try:
                writer = self._writer or self._begin()
                writer.renew_if_disconnected()
                writer.write([Write(REGISTRY, 0, records, self._delivered), *others], (), None)
            except TransactionAborted as error:
                self._drop()
                raise RegistryError(f"the registry was not written: {error}") from error
            except ProducerLost as error:
                self._drop()
                raise RegistryError(
                    f"Kafka does not say that it has the change: {error}; see whether it is there"
                ) from error
            return self._last_offset

    def _begin(self) -> TransactionalWriter:
        self._writer = writer = TransactionalWriter(self._kafka, self._id, _INIT_ATTEMPTS_MAX)
        # Collected with its cycles it could be destroyed on any thread, and stop that one for ever.
        self._let_go = weakref.finalize(self, writer.close)
        self._let_go.atexit = False
        writer.start()
        return writer

    def _drop(self) -> None:
        self._writer = None
        if self._let_go is not None:
            self._let_go()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._last_offset = message.offset() or 0
