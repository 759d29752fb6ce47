"""One Kafka transaction a batch: what it made and the offsets it was made from, or neither.

Source: KIP-98 (transactions), KIP-447 (fencing by the consumer group's metadata).
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from streams import limits
from streams.delivery.batch import Position

log = logging.getLogger(__name__)

_CALL_TIMEOUT_S: Final = 4.0  # of one attempt; retriable failures are tried again
_GRACE_S: Final = 2.0  # past its own time-out, a call is taken to hang
_INIT_ATTEMPTS_MAX: Final = 12
# The broker has ended the transaction by then (`limits.TRANSACTION_TIMEOUT_MS`), and a client
# that lost its coordinator may answer "timed out, try again" for as long as one does.
_END_ATTEMPTS_MAX: Final = 3
# What a client says when its broker has gone.
DISCONNECTED: Final = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN})


class TransactionAborted(RuntimeError):
    """Nothing of the batch is in Kafka: run it again from its offsets."""


class ProducerLost(RuntimeError):
    """The producer cannot go on, and whether its last transaction committed is unknown."""


@dataclass(frozen=True, slots=True)
class Write:
    """Records for one partition, as ``produce_batch`` takes them (key, value)."""

    topic: str
    partition: int
    records: list[dict[str, Any]]
    delivered: Callable[[KafkaError | None, Message], None] | None = None  # told of each record


class TransactionalWriter:
    """A producer with a stable transactional id: a successor with the same id fences it.

    All methods block; they are called from one thread at a time.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        transactional_id: str,
        init_attempts_max: int = _INIT_ATTEMPTS_MAX,
    ) -> None:
        """``init_attempts_max``: to begin, each of 4 s at most where Kafka does not answer."""
        self._init_attempts_max = init_attempts_max
        self._config = {
            **kafka,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": limits.TRANSACTION_TIMEOUT_MS,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 5,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
            "batch.size": 1_000_000,
            "message.max.bytes": limits.OUTPUT_RECORD_BYTES_MAX,
            "reconnect.backoff.max.ms": 1_000,
            # A transaction that follows at once is told to wait until the one before is marked
            # everywhere, which mostly takes under 20 ms; the client's own pause is 100 ms.
            "retry.backoff.ms": 10,
            "error_cb": self._note_error,
        }
        self._producer = Producer(self._config)
        self._was_disconnected = False

    def start(self) -> None:
        """Abort what a predecessor left open, and fence it.

        Raises:
            ProducerLost: Kafka did not answer, or refuses this id.
        """
        for attempt in range(1, self._init_attempts_max + 1):
            try:
                _within(lambda: self._producer.init_transactions(_CALL_TIMEOUT_S))
                return
            except KafkaException as error:
                if not error.args[0].retriable() or attempt == self._init_attempts_max:
                    raise ProducerLost(f"cannot begin transactions: {error.args[0]}") from error

    def _note_error(self, error: KafkaError) -> None:
        if error.code() in DISCONNECTED:
            self._was_disconnected = True

    def renew_if_disconnected(self) -> None:
        """A producer whose broker died may hang in a later transaction (see `_within`), and
        waiting for that takes long; between two transactions a new one costs 50 ms.

        It fences whoever took the id over meanwhile; so this is for transactions that the
        group's metadata fences as well.
        """
        self._producer.poll(0)  # hears of errors
        if self._was_disconnected:
            self.close()
            self._producer = Producer(self._config)
            self._was_disconnected = False
            self.start()

    def close(self) -> None:
        """Let the producer go, on a thread of its own: after a broker's death that may never
        end either. What it had open is aborted by its successor, or by the broker in time."""
        going = [vars(self).pop("_producer", None)]  # the last reference to it
        threading.Thread(target=going.clear, name="producer going", daemon=True).start()

    def write(
        self, writes: Sequence[Write], offsets: Sequence[Position], group_metadata: Any
    ) -> None:
        """Write all records and commit the offsets (if there are any) in one transaction.

        Raises:
            TransactionAborted: nothing was written; for one because the partitions moved.
            ProducerLost: see there.
        """
        if offsets:
            self.renew_if_disconnected()
        try:
            self._producer.begin_transaction()
            for one in writes:
                self._produce(one)
            if offsets:
                places = [TopicPartition(at.topic, at.partition, at.offset) for at in offsets]
                # Not tried again: after a lost connection the second call may never return.
                _within(
                    lambda: self._producer.send_offsets_to_transaction(
                        places, group_metadata, _CALL_TIMEOUT_S
                    )
                )
            self._retried(lambda: self._producer.commit_transaction(_CALL_TIMEOUT_S))
        except KafkaException as error:
            self._abort_after(error.args[0])

    def _produce(self, one: Write) -> None:
        left = one.records
        told = {} if one.delivered is None else {"on_delivery": one.delivered}
        while left:
            queued = self._producer.produce_batch(one.topic, left, partition=one.partition, **told)
            if queued == len(left):
                return
            failed = [record for record in left if "_error" in record]
            for record in failed:
                error = record.pop("_error")
                if error.code() != KafkaError._QUEUE_FULL:
                    raise KafkaException(error)
            self._producer.poll(0.05)
            left = failed

    def _retried(self, call: Callable[[], None]) -> None:
        for attempt in range(1, _END_ATTEMPTS_MAX + 1):
            try:
                _within(call)
                return
            except KafkaException as error:
                if error.args[0].code() == KafkaError._CONFLICT:  # it would say so for ever
                    raise ProducerLost(str(error.args[0])) from error
                if not error.args[0].retriable():
                    raise
                if attempt == _END_ATTEMPTS_MAX:
                    raise ProducerLost(f"{error.args[0]}, {attempt} times") from error
                log.warning("Kafka: %s; trying again", error.args[0])

    def _abort_after(self, error: KafkaError) -> None:
        if error.fatal():
            raise ProducerLost(str(error))
        try:
            self._retried(lambda: self._producer.abort_transaction(_CALL_TIMEOUT_S))
        except KafkaException as failure:
            raise ProducerLost(f"{error}; and not aborted: {failure.args[0]}") from failure
        raise TransactionAborted(str(error))


def _within(call: Callable[[], None]) -> None:
    """The call, on a thread of its own, so that one that never returns is noticed.

    After a broker's death the client's transactional calls may wait for ever, whatever time-out
    they were given (librdkafka, issues 5456 and 5511). Such a producer is left alone with its
    thread; a new one with the same transactional id fences it.

    Raises:
        ProducerLost: it did not return. Otherwise what the call raises.
    """
    done: Future[None] = Future()

    def run() -> None:
        try:
            call()
            done.set_result(None)
        except Exception as error:
            done.set_exception(error)

    threading.Thread(target=run, name="transaction", daemon=True).start()
    try:
        done.result(_CALL_TIMEOUT_S + _GRACE_S)
    except TimeoutError:
        raise ProducerLost("a transactional call did not return in time") from None
