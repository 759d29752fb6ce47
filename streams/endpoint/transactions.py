"""One message to several Dapps at once: in all of their topics, or in none.

Requests that wait together share a Kafka transaction, so that its two round trips are paid once
a group. A thread of its own runs them, because committing blocks. The price of sharing is that a
topic without a leader fails its whole group; a device that sends to one Dapp does not come here
(`streams.endpoint.append`).
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from streams import limits
from streams.clock import Clock
from streams.endpoint.admission import RefusedError
from streams.endpoint.append import producer_config, records_of, unavailable

log = logging.getLogger(__name__)

_TIMEOUT_S: Final = limits.APPEND_TIMEOUT_MS / 1000


@dataclass(frozen=True, slots=True)
class _Request:
    topics: Sequence[str]
    values: Mapping[bytes, Sequence[bytes]]  # by key
    deadline_s: float
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]

    @property
    def records(self) -> int:
        """How many records it becomes."""
        return len(self.topics) * sum(map(len, self.values.values()))


class TransactionalAppender:
    """Appends the same records to several topics atomically, acknowledged once committed."""

    def __init__(self, kafka: Mapping[str, Any], transactional_id: str, clock: Clock) -> None:
        """``transactional_id``: stable over restarts, and no other process's."""
        self._config = producer_config(kafka) | {
            # One request may fill what waits just as another's transaction is being filled.
            "queue.buffering.max.messages": 2 * limits.APPEND_MESSAGES_MAX,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": limits.TRANSACTION_TIMEOUT_MS,
        }
        self._clock = clock
        self._producer: Producer | None = None
        self._requests: deque[_Request] = deque()
        self._records = 0  # of all requests that wait
        self._arrived = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="append", daemon=True)
        self._thread.start()

    async def append(self, topics: Sequence[str], values: Mapping[bytes, Sequence[bytes]]) -> None:
        """Returns once all of the topics have all of the values (by key), those of a key in order.

        Raises:
            RefusedError: LOG_UNAVAILABLE; no reader sees any of them, unless Kafka went away
                just while it committed.
        """
        loop = asyncio.get_running_loop()
        request = _Request(
            topics, values, self._clock.monotonic_s() + _TIMEOUT_S, loop, loop.create_future()
        )
        with self._arrived:
            if self._records + request.records > limits.APPEND_MESSAGES_MAX or self._closing:
                raise unavailable(f"{self._records} records are waiting for Kafka already")
            self._records += request.records
            self._requests.append(request)
            self._arrived.notify()
        await request.future

    async def close(self) -> None:
        """Wait for what is under way."""
        with self._arrived:
            self._closing = True
            self._arrived.notify()
        await asyncio.to_thread(self._thread.join)

    # --- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        while group := self._take():
            refused: RefusedError | None = None
            try:
                self._commit(group)
            except (KafkaException, BufferError) as error:
                log.warning("a transaction of %d requests failed: %s", len(group), error)
                refused = unavailable(str(error))
            except Exception:
                log.exception("a transaction of %d requests failed", len(group))
                self._producer = None
                refused = unavailable("an internal error")
            for request in group:
                _settle(request, refused)
        if self._producer is not None:
            self._producer.close()

    def _take(self) -> list[_Request]:
        """The requests that wait, as many as a transaction may hold; empty: it is over."""
        group: list[_Request]
        with self._arrived:
            while True:
                while not self._requests and not self._closing:
                    self._arrived.wait()
                group = []
                records = 0
                while self._requests and records < limits.TRANSACTION_RECORDS:
                    request = self._requests.popleft()
                    self._records -= request.records
                    if request.deadline_s < self._clock.monotonic_s():
                        _settle(request, unavailable("it waited too long behind others"))
                        continue
                    group.append(request)
                    records += request.records
                if group or self._closing:
                    return group

    def _commit(self, group: Sequence[_Request]) -> None:
        producer = self._producer or self._make_producer()
        self._producer = None  # unless all goes well, or it can be rolled back
        try:
            producer.begin_transaction()
            for request in group:
                for topic in request.topics:
                    # A new list each: produce_batch marks in it what it could not queue.
                    records = records_of(request.values)
                    if producer.produce_batch(topic, records) < len(records):
                        raise BufferError("the producer's queue is full")
            producer.commit_transaction(_TIMEOUT_S)
        except (KafkaException, BufferError) as error:
            if isinstance(error, BufferError) or error.args[0].txn_requires_abort():
                producer.abort_transaction(_TIMEOUT_S)
                self._producer = producer
            else:
                producer.purge()  # its successor fences it; what it still holds must not follow
            raise
        self._producer = producer

    def _make_producer(self) -> Producer:
        producer = Producer(self._config)
        producer.init_transactions(_TIMEOUT_S)
        return producer


def _settle(request: _Request, refused: RefusedError | None) -> None:
    def settle() -> None:
        if request.future.done():
            return  # the client has gone
        if refused is None:
            request.future.set_result(None)
        else:
            request.future.set_exception(refused)

    try:
        request.loop.call_soon_threadsafe(settle)
    except RuntimeError:
        log.debug("the event loop closed before a request was settled")
