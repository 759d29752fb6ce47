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


def records_of(values: Mapping[bytes, Sequence[bytes]]) -> list[dict[str, Any]]:
    """Values by key as `produce_batch` takes them; a new list, as it marks in it what failed."""
    return [{"key": key, "value": value} for key, some in values.items() for value in some]


def unavailable(why: str) -> RefusedError:
    """The refusal of a request that Kafka did not take, or may not have taken."""
    return RefusedError(
        Refusal.LOG_UNAVAILABLE,
        f"the log did not confirm the messages ({why}); send them again with the same id: what "
        "was written already is recognised",
    )


# Told once of records that belong together; None: Kafka has all of them.
Settled = Callable[[RefusedError | None], None]


class _Delivery:
    """Counts the delivery reports of records that belong together."""

    __slots__ = ("_due", "_error", "_settled")

    def __init__(self, due: int, settled: Settled) -> None:
        self._due = due
        self._error: str | None = None
        self._settled = settled

    def __call__(self, error: KafkaError | str | None, _: Message | None) -> None:
        if error is not None:
            self._error = error if isinstance(error, str) else error.str()
        self._due -= 1
        if not self._due:
            self._settled(None if self._error is None else unavailable(self._error))


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

    async def append(self, topic: str, values: Mapping[bytes, Sequence[bytes]]) -> None:
        """Returns once Kafka has every value (by key); see `append_records`."""
        await self.append_records(topic, records_of(values))

    async def append_records(self, topic: str, records: list[dict[str, Any]]) -> None:
        """Returns once Kafka has every record (``key``, ``value``); those of a key in order.

        Raises:
            RefusedError: LOG_UNAVAILABLE within ``limits.APPEND_TIMEOUT_MS``: some of the
                values may have been written all the same.
        """
        if not records:
            return
        self._check_room(len(records))
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settled(refused: RefusedError | None) -> None:
            if done.done():
                return  # the client has gone
            if refused is None:
                done.set_result(None)
            else:
                done.set_exception(refused)

        self._produce(topic, records, _Delivery(len(records), settled))
        self._expect_reports(loop)
        await done

    def post(self, topic: str, key: bytes, values: Sequence[bytes], settled: Settled) -> None:
        """Append values, in order, without waiting; as `post_records`."""
        delivery = self._begin(len(values), settled)
        self._posted.setdefault(topic, []).extend(
            [{"key": key, "value": value, "callback": delivery} for value in values]
        )

    def post_records(
        self, topic: str, records: Sequence[Mapping[str, Any]], settled: Settled
    ) -> None:
        """Append records (``key``, ``value``) without waiting; ``settled`` is told of all of them.

        What is posted in one turn of the event loop, by whatever clients, goes to the client
        library together: for a door that takes single messages, that halves what one costs.

        Raises:
            RefusedError: LOG_UNAVAILABLE, there is no room for them.
        """
        delivery = self._begin(len(records), settled)
        self._posted.setdefault(topic, []).extend(
            [{**record, "callback": delivery} for record in records]
        )

    def _begin(self, records: int, settled: Settled) -> _Delivery:
        self._check_room(records)
        if not self._posted:
            asyncio.get_running_loop().call_soon(self._produce_posted)
        return _Delivery(records, settled)

    async def close(self) -> None:
        """Wait for what is under way."""
        await self._idle.wait()
        self._producer.close()

    def _produce_posted(self) -> None:
        posted, self._posted = self._posted, {}
        for topic, records in posted.items():
            self._produce(topic, records)
        self._expect_reports(asyncio.get_running_loop())

    def _produce(
        self, topic: str, records: list[dict[str, Any]], delivery: _Delivery | None = None
    ) -> None:
        """Hand records over; ``delivery``: of all of them, None: each has its own as "callback".

        Reports come from `poll`, on this thread: none is early.
        """
        try:
            more = {} if delivery is None else {"on_delivery": delivery}
            if self._producer.produce_batch(topic, records, **more) == len(records):
                return
            lost = [record for record in records if "_error" in record]
        except (KafkaException, BufferError):
            log.exception("%d records for %s were not produced", len(records), topic)
            lost = records
        for record in lost:
            (delivery or record["callback"])(str(record.get("_error", "not queued")), None)

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
