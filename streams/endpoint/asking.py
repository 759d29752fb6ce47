"""Messages whose senders want to know what becomes of them, as W3bStream's do."""

import asyncio
from collections.abc import Callable, Sequence

from streams import limits, topics
from streams.clock import Clock
from streams.endpoint.admission import RefusedError
from streams.endpoint.answers import AnswerReader, Waiting
from streams.endpoint.append import Appender, Settled
from streams.records import Answer, Message

# Owner, Dapp, messages and their records: the Dapp's partitions, or RefusedError.
Check = Callable[[str, str, Sequence[Message], Sequence[bytes]], int]
# Door, Dapps, how many messages Kafka has, and when they came.
Count = Callable[[str, Sequence[str], int, float], None]


class Asking:
    """The way of such messages; one for each endpoint process.

    Whoever calls has admitted them, and set ``WANTS_ANSWER`` in each.
    """

    def __init__(
        self, appender: Appender, answers: AnswerReader, check: Check, count: Count, clock: Clock
    ) -> None:
        self._appender = appender
        self._answers = answers
        self._check = check
        self._count = count
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(
        self, door: str, owner: str, dapp: str, messages: Sequence[Message]
    ) -> list[Answer | None]:
        """What became of an owner's messages; None: not known in time, it will run yet.

        Raises:
            RefusedError: LOG_UNAVAILABLE; messages with their ids can be sent again. NOT_GRANTED,
                for their event types. Or as `Rates.take`.
        """
        started_s = self._clock.monotonic_s()
        values = [one.encode() for one in messages]
        await self._answers.follow(dapp, self._check(owner, dapp, messages, values))
        waiting = self._answers.expect(dapp, messages)
        records = [
            {"key": one.device.encode(), "value": value}
            for one, value in zip(messages, values, strict=True)
        ]
        try:
            await self._appender.append_records(topics.messages(dapp), records)
            self._count(door, [dapp], len(messages), started_s)
            return await waiting.answers(limits.ANSWER_WAIT_S)
        finally:
            self._answers.forget(waiting)

    def post(
        self,
        door: str,
        owner: str,
        dapp: str,
        message: Message,
        settled: Settled,
        answered: Callable[[Answer | None], None],
    ) -> None:
        """As `ask`, of one message and without waiting: ``settled`` is told once Kafka has it,
        and ``answered`` what became of it.

        Raises:
            RefusedError: as `ask`, where it is known at once.
        """
        started_s = self._clock.monotonic_s()
        values = [message.encode()]
        partitions = self._check(owner, dapp, [message], values)

        def append(refused: RefusedError | None) -> None:
            if refused is not None:
                settled(refused)
                return
            waiting = self._answers.expect(dapp, [message])
            answering = asyncio.ensure_future(self._answer(waiting, answered))
            self._tasks.add(answering)
            answering.add_done_callback(self._tasks.discard)

            def done(refused: RefusedError | None) -> None:
                if refused is None:
                    self._count(door, [dapp], 1, started_s)
                else:
                    self._answers.forget(waiting)
                    answering.cancel()
                    refused.of(device=message.device, owner=owner)
                settled(refused)

            try:
                self._appender.post(topics.messages(dapp), message.device.encode(), values, done)
            except RefusedError as refused:
                done(refused)

        self._answers.after_following(dapp, partitions, append)

    async def _answer(self, waiting: Waiting, answered: Callable[[Answer | None], None]) -> None:
        try:
            (answer,) = await waiting.answers(limits.ANSWER_WAIT_S)
        finally:
            self._answers.forget(waiting)
        answered(answer)
