"""A member of a consumer group for tests: keeps every batch until it is asked to let go."""

import threading
from collections.abc import Callable, Sequence

from streams.delivery.batch import Batch, Position
from streams.delivery.reader import BatchReader
from tests.delivery.kafka_topics import config


class Member:
    """A `BatchReader` and what it was told."""

    def __init__(
        self,
        kafka: str,
        group: str,
        topics: Sequence[str],
        *,
        released: bool = True,
        instance_id: str | None = None,
        batch_messages_max: int = 100,
        on_revoked: Callable[[], None] = lambda: None,
    ) -> None:
        """``released``: whether a batch counts as dealt with as soon as it has come."""
        self.batches: list[Batch] = []
        self.assigned_now: set[tuple[str, int]] = set()
        self.starts: list[Position] = []
        self.revocations: list[tuple[str, int]] = []
        self.failures: list[BaseException] = []
        self._released, self._on_revoked = released, on_revoked
        self._lock = threading.Lock()
        self.reader = BatchReader(
            config(kafka), group, topics, self._take, self,
            instance_id=instance_id, batch_messages_max=batch_messages_max,
        )  # fmt: skip

    def start(self) -> "Member":
        self.reader.start(self.failures.append)
        return self

    def assigned(self, committed: Sequence[Position]) -> Sequence[Position]:
        with self._lock:
            self.assigned_now |= {(at.topic, at.partition) for at in committed}
            self.starts += committed
        return committed

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        self._on_revoked()
        with self._lock:
            self.assigned_now -= set(partitions)
            self.revocations += partitions

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """(partition, first offset) of every slice, in the order in which they came."""
        batches = list(self.batches)
        return [(piece.partition, piece.first_offset) for one in batches for piece in one.slices]

    def last_offset(self, partition: int) -> int:
        """Of the messages of a partition that have come; -1: none has."""
        ends = [
            piece.next_offset
            for one in list(self.batches)
            for piece in one.slices
            if piece.partition == partition
        ]
        return max(ends, default=0) - 1

    @property
    def messages(self) -> int:
        """How many messages have come."""
        return sum(piece.count for one in list(self.batches) for piece in one.slices)

    def _take(self, batch: Batch) -> None:
        self.batches.append(batch)
        if self._released:
            self.reader.release()
