"""What execute says of messages whose senders wait: ``answers.<dapp>``, followed while needed.

A sender who wants to know what became of an event sets a flag in its message, and only those are
answered. The alternative, reading results and dead letters, would cost the endpoint every Dapp's
whole output, and an event that leaves nothing would look like one that has not run.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from streams import limits, topics
from streams.delivery.admin import TopicError, ensure_topics
from streams.endpoint.admission import RefusedError
from streams.endpoint.append import Settled, unavailable
from streams.records import Answer, Message, RecordError, decode_answer, decode_output

log = logging.getLogger(__name__)

_POLL_S: Final = 0.2  # how long closing may have to wait; records wake the reader at once
_POLL_RECORDS_MAX: Final = 10_000
_FETCH_WAIT_MS: Final = 100

_Key = tuple[str, bytes, bytes]  # Dapp, device, message id


class Waiting:
    """Several messages' answers, in the messages' order."""

    def __init__(self, keys: Sequence[_Key], loop: asyncio.AbstractEventLoop) -> None:
        """``keys``: of each message."""
        self.keys = keys
        self._loop = loop
        self._answers: list[Answer | None] = [None] * len(keys)
        self._missing = len(keys)
        self._all = asyncio.Event()

    async def answers(self, timeout_s: float) -> list[Answer | None]:
        """Those that came in time; None for the others."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._all.wait()
        except TimeoutError:
            pass
        return self._answers

    def settle(self, number: int, answer: Answer) -> None:
        """Message ``number``'s answer; from the reader's thread."""
        try:
            self._loop.call_soon_threadsafe(self._settle, number, answer)
        except RuntimeError:
            log.debug("the event loop closed before an answer was there")

    def _settle(self, number: int, answer: Answer) -> None:
        if self._answers[number] is None:
            self._answers[number] = answer
            self._missing -= 1
            if not self._missing:
                self._all.set()


class AnswerReader:
    """Follows the answers of Dapps that somebody has asked; one for each endpoint process.

    Use it from one event loop; a thread of its own reads, once there is something to read.
    """

    def __init__(self, kafka: Mapping[str, Any]) -> None:
        """``kafka``: how clients reach Kafka (confluent-kafka's configuration keys)."""
        self._kafka = dict(kafka)
        self._waiting: dict[_Key, list[tuple[Waiting, int]]] = {}
        self._followed: dict[str, asyncio.Future[None]] = {}
        self._behind: dict[str, list[Settled]] = {}  # who waits for it, in order
        self._tasks: set[asyncio.Task[None]] = set()
        self._assigned: deque[list[TopicPartition]] = deque()  # for the thread to take over
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    async def follow(self, dapp: str, partitions: int) -> None:
        """Returns once every answer to a message that is written from now on will be seen.

        Raises:
            RefusedError: LOG_UNAVAILABLE.
        """
        known = self._followed.get(dapp)
        if known is None:
            known = asyncio.ensure_future(self._begin(dapp, partitions))
            self._followed[dapp] = known
        try:
            await asyncio.shield(known)
        except (KafkaException, TopicError) as error:
            self._followed.pop(dapp, None)  # the next one tries again
            raise unavailable(str(error)) from error

    def after_following(self, dapp: str, partitions: int, then: Settled) -> None:
        """As `follow`, without waiting: ``then`` is told, at once if there is nothing to wait for.

        Of several for one Dapp, the first is told first.
        """
        known = self._followed.get(dapp)
        if (behind := self._behind.get(dapp)) is not None:
            behind.append(then)
        elif known is not None and known.done() and known.exception() is None:
            then(None)
        else:
            self._behind[dapp] = [then]
            task = asyncio.ensure_future(self._let_go(dapp, partitions))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _let_go(self, dapp: str, partitions: int) -> None:
        outcome: RefusedError | None = None
        try:
            await self.follow(dapp, partitions)
        except RefusedError as refused:
            outcome = refused
        for then in self._behind.pop(dapp):
            then(outcome)

    async def _begin(self, dapp: str, partitions: int) -> None:
        ends = await asyncio.to_thread(self._ends, dapp, partitions)
        self._assigned.append(ends)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="answers", daemon=True)
            self._thread.start()

    def expect(self, dapp: str, messages: Sequence[Message]) -> Waiting:
        """Begin to wait; do so before the messages are written, and `forget` in the end."""
        keys = [(dapp, one.device.encode(), one.message_id) for one in messages]
        waiting = Waiting(keys, asyncio.get_running_loop())
        for number, key in enumerate(waiting.keys):
            self._waiting.setdefault(key, []).append((waiting, number))
        return waiting

    def forget(self, waiting: Waiting) -> None:
        """Nobody waits any more."""
        for key in waiting.keys:
            others = [one for one in self._waiting.pop(key, ()) if one[0] is not waiting]
            if others:
                self._waiting[key] = others

    async def close(self) -> None:
        """Stop following."""
        self._closing.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    # --- Kafka: on other threads ------------------------------------------------------------------

    def _ends(self, dapp: str, partitions: int) -> list[TopicPartition]:
        """Where the Dapp's answers end now. A Dapp of an earlier version has no such topic yet."""
        timeout_s = limits.APPEND_TIMEOUT_MS / 1000
        ensure_topics(self._kafka, [topics.answers_topic(dapp, partitions)], timeout_s)
        consumer = self._consumer()
        try:
            places = [TopicPartition(topics.answers(dapp), at) for at in range(partitions)]
            for place in places:
                place.offset = consumer.get_watermark_offsets(place, timeout_s)[1]
        finally:
            consumer.close()
        return places

    def _run(self) -> None:
        consumer = self._consumer()
        try:
            while not self._closing.is_set():
                while self._assigned:
                    consumer.incremental_assign(self._assigned.popleft())
                try:
                    # `consume` would wait to see whether more come; one answer is worth waking for.
                    first = consumer.poll(_POLL_S)
                    if first is not None:
                        self._tell([first, *consumer.consume(_POLL_RECORDS_MAX, 0)])
                except Exception:
                    log.exception("answers could not be read; trying again")
                    self._closing.wait(1)
        finally:
            consumer.close()

    def _tell(self, records: Iterable[KafkaMessage]) -> None:
        for record in records:
            topic, value = record.topic(), record.value()
            if record.error() is not None or value is None or topic is None:
                continue
            try:
                output = decode_output(value)
                answer = decode_answer(output)
            except (RecordError, UnicodeDecodeError) as error:
                log.warning("%s: a record that is no answer: %s", topic, error)
                continue
            dapp = topic.removeprefix(topics.answers(""))
            for waiting, number in self._waiting.get((dapp, output.device, output.message_id), ()):
                waiting.settle(number, answer)

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                **self._kafka,
                "group.id": "answers",  # demanded by the client; no group is joined
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": _FETCH_WAIT_MS,
                "reconnect.backoff.max.ms": limits.RECONNECT_WAIT_MS,
            }
        )
