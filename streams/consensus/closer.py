"""The one closer of a Dapp's epochs: a barrier into every partition, exactly once.

A barrier is a record like any other, so whoever reads the partition again, here or on another
node, cuts the epoch at the same message. All partitions' barriers and the closer's own memory
(``epochs.<dapp>``) go in one transaction: a crash leaves all of them or none. A barrier names the
deployment that runs from there on, so that programs change at the same message everywhere.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from confluent_kafka import Consumer, TopicPartition

from streams import metrics, records, topics
from streams.clock import Clock
from streams.delivery.replay import replay
from streams.delivery.transaction import TransactionalWriter, Write

log = logging.getLogger(__name__)

# What a barrier itself adds to a partition's log: the record and its transaction's marker.
_OFFSETS_OF_A_BARRIER: Final = 2


@dataclass(slots=True)
class Cutter:
    """When to cut: a pure state machine over log ends and time."""

    seconds: float
    messages: float
    cut_at: list[int]  # each partition's log end right after the last barrier
    first_seen_s: float | None = None  # when the open epoch's first message was noticed

    def due(self, ends: Sequence[int], now_s: float) -> bool:
        """Whether the epoch ends here; never while it is empty."""
        waiting = sum(ends) - sum(self.cut_at)
        if waiting <= 0:
            return False
        if self.first_seen_s is None:
            self.first_seen_s = now_s
        return waiting >= self.messages or now_s - self.first_seen_s >= self.seconds

    def cut(self, ends: Sequence[int]) -> None:
        """A barrier was written when the log ended there; later messages are the next epoch's."""
        self.cut_at = [end + _OFFSETS_OF_A_BARRIER for end in ends]
        self.first_seen_s = None


class Closer:
    """Writes a Dapp's barriers. All methods block; one thread at a time calls them."""

    def __init__(
        self,
        kafka: Mapping[str, Any],
        dapp: str,
        partitions: int,
        seconds: float,
        messages: float,
        clock: Clock,
    ) -> None:
        """``seconds`` and ``messages``: an epoch ends when it has lasted, or holds, as much."""
        self.dapp = dapp
        self._kafka = kafka
        self._partitions = partitions
        self._clock = clock
        self._writer = TransactionalWriter(kafka, f"close.{dapp}")
        self._offsets = Consumer({**kafka, "group.id": f"close.{dapp}"})
        self._cutter = Cutter(seconds, messages, [0] * partitions)
        self.epoch = 0  # the one that ended last
        self.deployment = ""  # the one that the latest barrier put in charge

    def start(self, first: str) -> None:
        """Fence a predecessor and recall which epoch ended last.

        ``first``: the deployment that runs where no barrier has named one.

        Raises:
            ProducerLost: Kafka does not answer.
        """
        self._writer.start()
        self.deployment = first
        for messages in replay(self._kafka, topics.epochs(self.dapp), 0):
            last = orjson.loads(messages[-1].value() or b"{}")
            self.epoch = last["epoch"]
            self.deployment = last.get("deployment", first)
            self._cutter.cut(last["ends"])

    def stop(self) -> None:
        """Let go of Kafka."""
        self._offsets.close()
        self._writer.close()

    def tick(self, deployment: str) -> bool:
        """Cut the epoch if it is time, or if another deployment has to take over; answers
        whether it did.

        ``deployment``: the SHA-256, in hex digits, of what is to run from the next barrier on.

        Raises:
            TransactionAborted, ProducerLost, KafkaException: not cut; make a new closer.
        """
        ends = self._log_ends()
        due = self._cutter.due(ends, self._clock.monotonic_s())
        if not due and deployment == self.deployment:
            return False
        epoch = self.epoch + 1
        value = records.barrier(epoch, self._clock.now_ms(), bytes.fromhex(deployment))
        memory = orjson.dumps({"epoch": epoch, "ends": ends, "deployment": deployment})
        topic = topics.messages(self.dapp)
        self._writer.write(
            [
                *(Write(topic, at, [{"value": value}]) for at in range(self._partitions)),
                Write(topics.epochs(self.dapp), 0, [{"key": b"epoch", "value": memory}]),
            ],
            offsets=(),
            group_metadata=None,
        )
        self.epoch = epoch
        self._cutter.cut(ends)
        if deployment != self.deployment:
            log.info("%s: deployment %s takes over after epoch %d", self.dapp, deployment, epoch)
            self.deployment = deployment
        metrics.CLOSED_EPOCH.labels(self.dapp).set(epoch)
        log.info("%s: epoch %d ends", self.dapp, epoch)
        return True

    def _log_ends(self) -> list[int]:
        topic = topics.messages(self.dapp)
        return [
            self._offsets.get_watermark_offsets(TopicPartition(topic, at), timeout=10)[1]
            for at in range(self._partitions)
        ]
