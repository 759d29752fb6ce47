"""Outcomes of transactions to the programs that asked for them, in a transaction of their own.

The journal that has an outcome forgets that it is to be told only after Kafka has it; told again
after a crash in between, it is a repeat.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from streams.clock import Clock
from streams.delivery.transaction import TransactionalWriter
from streams.effects.answers import writes_of
from streams.effects.transfer import Routes, TransferOutcome, answer_of


class Teller:
    """Writes outcomes into messages of the devices whose events asked. Methods block.

    Args:
        kafka: where.
        routes: whether a Dapp's manifest routes an event type by name.
        serves: whether the node still serves a Dapp.
        clock: for the time of messages.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        routes: Routes,
        serves: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._routes = routes
        self._serves = serves
        self._clock = clock
        self._writer = TransactionalWriter(kafka, "tell")

    def start(self) -> None:
        """Fence a predecessor.

        Raises:
            ProducerLost: Kafka does not answer.
        """
        self._writer.start()

    def close(self) -> None:
        """Let go of Kafka."""
        self._writer.close()

    def tell(self, outcomes: Iterable[tuple[bytes, TransferOutcome]]) -> None:
        """Returns once Kafka has all of them; each is a `Transfer.reply` and what came of it.

        Raises:
            TransactionAborted, ProducerLost: make a new teller, and tell them again.
        """
        served = (one for one in outcomes if self._serves(str(orjson.loads(one[0])["dapp"])))
        answers = (answer_of(reply, outcome, self._routes) for reply, outcome in served)
        writes = writes_of((one for one in answers if one is not None), self._clock.now_ms())
        if writes:
            self._writer.write(writes, offsets=(), group_metadata=None)
