"""Records to Kafka, awaited on the event loop: one request's at a time, every door's way in."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams import limits
from streams.endpoint.admission import Refusal, RefusedError

log = logging.getLogger(__name__)

# Delivery reports are fetched on the event loop's own thread. A polling thread would have to win
# the interpreter's lock for each report, against a loop that is busy just then.
_POLL_S: Final = 0.001


# Why a record was not written (None: it was), and the record, if the client library had it.
OnDelivery = Callable[[Any, Message | None], None]


def producer_config(kafka: Mapping[str, Any]) -> dict[str, Any]:
    """What every producer of a door has in common."""
    return {
        **kafka,
        "acks": "all",
        "enable.idempotence": True,
        "delivery.timeout.ms": limits.APPEND_TIMEOUT_MS,
        "queue.buffering.max.messages": limits.APPEND_MESSAGES_MAX,
        # A Kafka that restarts is found again at once; the client's own pause grows to 10 s.
        "reconnect.backoff.max.ms": limits.RECONNECT_WAIT_MS,
        # Requests that come together travel together, at a price of 2 ms.
        "linger.ms": 2,
        "compression.type": "lz4",
    }


def unavailable(why: str) -> RefusedError:
    """The refusal of a request that Kafka did not take, or may not have taken."""
    return RefusedError(
        Refusal.LOG_UNAVAILABLE,
        f"the log did not confirm the messages ({why}); send them again with the same id: what "
        "was written already is recognised",
    )


class _Delivery:
    """Counts a request's delivery reports."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[None] = loop.create_future()
        self._reports_due = 0
        self._reports = 0
        self._error: str | None = None

    def expect(self, reports: int, error: str | None) -> None:
        """So many reports will come; ``error`` if that is not all of the request."""
        self._reports_due = reports
        self._error = self._error or error
        self._settle()

    def __call__(self, error: KafkaError | None, _: Message) -> None:
        self._reports += 1
        if error is not None:
            self._error = error.str()
        self._settle()

    def _settle(self) -> None:
        if self._reports < self._reports_due or self.future.done():
            return  # not all yet, or the client has gone
        if self._error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(unavailable(self._error))


class Appender:
    """Appends records to one topic a call, acknowledged by all in-sync replicas (acks=all).

    Topics do not wait for each other: one whose partitions have no leader holds up its own
    requests alone. Use it from one event loop.
    """

    def __init__(self, kafka: Mapping[str, Any]) -> None:
        """``kafka``: how clients reach Kafka (confluent-kafka's configuration keys)."""
        self._config = producer_config(kafka) | {"error_cb": self._note_error}
        self._producer = Producer(self._config)
        self._is_broken = False
        self._posted: dict[str, list[dict[str, Any]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    async def append(self, topic: str, key: bytes, values: Sequence[bytes]) -> None:
        """Returns once Kafka has every value, in order, under ``key``; see `append_records`."""
        await self.append_records(topic, [{"key": key, "value": value} for value in values])

    async def append_records(self, topic: str, records: list[dict[str, Any]]) -> None:
        """Returns once Kafka has every record (``key``, ``value``); those of a key in order.

        Raises:
            RefusedError: LOG_UNAVAILABLE within ``limits.APPEND_TIMEOUT_MS``: some of the
                values may have been written all the same.
        """
        self._check_room(len(records))
        loop = asyncio.get_running_loop()
        delivery = _Delivery(loop)
        # Reports come from `poll`, on this thread, so none is early.
        try:
            queued = self._producer.produce_batch(topic, records, on_delivery=delivery)
        except (KafkaException, BufferError) as error:
            raise unavailable(str(error)) from error
        self._expect_reports(loop)
        delivery.expect(queued, None if queued == len(records) else _why_not_queued(records))
        await delivery.future

    def post(self, topic: str, key: bytes, value: bytes, on_delivery: OnDelivery) -> None:
        """Append one value without waiting; ``on_delivery`` is told once Kafka has it, or not.

        Values that are posted in one turn of the event loop go to the client library together:
        for a door that takes single messages, that halves what one costs.

        Raises:
            RefusedError: LOG_UNAVAILABLE, there is no room for it.
        """
        self._check_room(1)
        if not self._posted:
            asyncio.get_running_loop().call_soon(self._produce_posted)
        record = {"key": key, "value": value, "callback": on_delivery}
        self._posted.setdefault(topic, []).append(record)

    async def close(self) -> None:
        """Wait for what is under way."""
        await self._idle.wait()
        self._producer.close()

    def _produce_posted(self) -> None:
        posted, self._posted = self._posted, {}
        for topic, records in posted.items():
            try:
                self._producer.produce_batch(topic, records)
                lost = [record for record in records if "_error" in record]
            except (KafkaException, BufferError):
                log.exception("%d records for %s were not produced", len(records), topic)
                lost = records
            for record in lost:
                record["callback"](record.get("_error", "not queued"), None)
        self._expect_reports(asyncio.get_running_loop())

    def _expect_reports(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None:
            self._idle.clear()
            self._timer = loop.call_later(_POLL_S, self._poll, loop)

    def _check_room(self, messages: int) -> None:
        waiting = len(self._producer)
        if self._is_broken and waiting == 0:
            # An idempotent producer that lost its place cannot go on; those who waited know.
            self._producer = Producer(self._config)
            self._is_broken = False
        if self._is_broken or waiting + messages > limits.APPEND_MESSAGES_MAX:
            raise unavailable(f"{waiting} messages are waiting for Kafka already")

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._producer.poll(0)
        except Exception:  # from a callback; the loop of reports must go on for all others
            log.exception("a delivery report was not taken")
        if len(self._producer) > 0:
            self._timer = loop.call_later(_POLL_S, self._poll, loop)
        else:
            self._timer = None
            self._idle.set()

    def _note_error(self, error: KafkaError) -> None:
        if error.fatal():
            log.error("the producer cannot go on and will be replaced: %s", error.str())
            self._is_broken = True
        else:
            log.debug("Kafka: %s", error.str())  # the client library reports it as well


def _why_not_queued(records: Sequence[Mapping[str, Any]]) -> str:
    return next((str(record["_error"]) for record in records if "_error" in record), "not queued")
