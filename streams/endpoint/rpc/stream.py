"""A stream's course: messages come in, each is told of once Kafka has it, or that it is refused.

Outcomes that are known at the same time leave in one answer. Whoever does not read them is not
read either: a message takes up room until its outcome has been told, and a stream without room
waits, so that HTTP/2's flow control reaches the sender.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final

from streams import limits
from streams.clock import Clock
from streams.endpoint.admission import RefusedError
from streams.endpoint.bodies import read_messages
from streams.endpoint.intake import Intake
from streams.endpoint.rpc.messages_pb2 import Outcomes, Refused, SendRequest
from streams.endpoint.rpc.reading import decode, options_of
from streams.endpoint.rpc.statuses import ends_stream, retry_after_s
from streams.registry.entries import Device, Publisher

log = logging.getLogger(__name__)

DOOR: Final = "grpc"


class Stream:
    """One call of SendStream; used once, on the event loop."""

    def __init__(
        self,
        intake: Intake,
        clock: Clock,
        sender: Callable[[], Device | Publisher],
        write: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """A stream that has just been opened.

        Args:
            intake: where messages go.
            clock: for messages without a time.
            sender: whose the stream is now; raises RefusedError if nobody's any more.
            write: sends an answer; it waits while the sender does not read.
        """
        self._intake = intake
        self._clock = clock
        self._sender = sender
        self._write = write
        self._untold = 0  # messages whose outcome has not been sent
        self._told = asyncio.Event()  # some were, since it was cleared
        self._outcomes = Outcomes()
        self._telling: asyncio.Task[None] | None = None

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        """Returns once every message's outcome has been told.

        Raises:
            RefusedError: the sender's messages are not taken any more; those before were told.
        """
        ended: RefusedError | None = None
        number = 0
        try:
            async for data in requests:
                self._untold += 1
                try:
                    self._take(number, data)
                except RefusedError as refused:
                    if ends_stream(refused.refusal):
                        self._untold -= 1
                        ended = refused
                        break
                    self._settle(number, refused)
                number += 1
                await self._wait_until_untold(limits.GRPC_STREAM_UNTOLD_MAX - 1)
            await self._wait_until_untold(0)
        finally:
            if self._telling is not None:
                self._telling.cancel()  # the sender has gone
        if ended is not None:
            raise ended

    def _take(self, number: int, data: bytes) -> None:
        asked = decode(SendRequest, data)
        message = asked.message
        sender = self._sender()  # its token may have expired, or been revoked
        owner, device, dapps = self._intake.admit_named(sender, asked.dapp or None, message.device)
        options = options_of(message, self._clock.now_ms())
        settled = partial(self._settled, number, str(options.request_id))
        values = read_messages(message.payload, "", options, device).values
        self._intake.post(DOOR, device, dapps, values, settled, owner)

    def _settled(self, number: int, id_: str, refused: RefusedError | None) -> None:
        if refused is not None:
            refused.retry_id = id_
        self._settle(number, refused)

    def _settle(self, number: int, refused: RefusedError | None) -> None:
        if refused is None:
            self._outcomes.acknowledged.append(number)
        else:
            self._intake.refusals.count(DOOR, refused)
            self._outcomes.refused.append(
                Refused(
                    number=number,
                    name=refused.refusal,
                    text=refused.message,
                    retry_after_s=retry_after_s(refused),
                    id=refused.retry_id,
                )
            )
        if self._telling is None:
            self._telling = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        try:
            while count := len(self._outcomes.acknowledged) + len(self._outcomes.refused):
                outcomes, self._outcomes = self._outcomes, Outcomes()
                await self._write(outcomes.SerializeToString())
                self._untold -= count
                self._told.set()
        except Exception as error:  # the sender has gone; gRPC ends the call
            log.debug("outcomes of a stream could not be told: %s", error)
        finally:
            self._telling = None

    async def _wait_until_untold(self, most: int) -> None:
        while self._untold > most:
            self._told.clear()
            await self._told.wait()
