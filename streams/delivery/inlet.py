"""Messages that the node itself makes, with the position of what they were made from.

Ticks of schedules and happenings on chains come from no device that would send them again. So
what they were made from has its position on a compacted topic, written in the transaction that
writes the messages: both are there or neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from streams import topics
from streams.delivery.replay import replay
from streams.delivery.transaction import TransactionalWriter, Write
from streams.records import Message

_BY_KEY: Final = -1  # the partition that the client computes, as it does for devices' messages


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of one source of one Dapp.

    Attributes:
        dapp: whose topic gets the messages.
        source: which of its sources, by a name that lasts.
        position: how far the source has come with these messages; JSON.
        messages: may be none.
    """

    dapp: str
    source: str
    position: Mapping[str, Any]
    messages: Sequence[Message]


class Inlet:
    """The one writer of such messages on a node. Methods block; one thread at a time."""

    def __init__(self, kafka: Mapping[str, Any]) -> None:
        self._kafka = kafka
        self._writer = TransactionalWriter(kafka, "watch")
        self._positions: dict[str, Mapping[str, Any]] = {}

    def start(self) -> None:
        """Fence a predecessor and recall all positions.

        Raises:
            ProducerLost, KafkaException: Kafka does not answer.
        """
        self._writer.start()
        for records in replay(self._kafka, topics.SOURCES, 0):
            for one in records:
                name = (one.key() or b"").decode()
                self._positions[name] = orjson.loads(one.value() or b"{}")

    def close(self) -> None:
        """Let go of Kafka."""
        self._writer.close()

    def position(self, dapp: str, source: str) -> Mapping[str, Any] | None:
        """How far a source had come; None: it is new."""
        return self._positions.get(f"{dapp} {source}")

    def put(self, made: Sequence[Made]) -> None:
        """Write messages and positions, in one transaction.

        Raises:
            TransactionAborted, ProducerLost: make a new inlet, which recalls what is there.
        """
        writes = [
            Write(
                topics.messages(one.dapp),
                _BY_KEY,
                [{"key": said.device.encode(), "value": said.encode()} for said in one.messages],
            )
            for one in made
            if one.messages
        ]
        positions = {f"{one.dapp} {one.source}": one.position for one in made}
        records = [
            {"key": name.encode(), "value": orjson.dumps(position)}
            for name, position in positions.items()
        ]
        writes.append(Write(topics.SOURCES, 0, records))
        self._writer.write(writes, offsets=(), group_metadata=None)
        self._positions |= positions
