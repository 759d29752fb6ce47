"""A node's agreement over the records of ``claims.<dapp>``: summaries in, commitments out."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from streams import limits, metrics
from streams.clock import Clock
from streams.commitments import Commitment, Domain, address_of
from streams.consensus.combine import Combiner, Heard
from streams.consensus.poa import Authority
from streams.delivery.batch import Position, Slice, spans
from streams.records import (
    HEADER,
    MAGIC,
    Kind,
    RecordError,
    Summary,
    decode_output,
    decode_summary,
)
from streams.topics import claims

log = logging.getLogger(__name__)

_TOPIC_PREFIX = claims("")
_EXPECTED = (Heard.WAITING, Heard.COMPLETE, Heard.REPEATED, Heard.LATE)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a batch came to.

    ``commitments`` go to topic ``proofs`` (`Commitment.key`, `Commitment.encode`) in one
    transaction with ``positions``. Without positions there is nothing to commit. A transaction
    that aborts needs a new `Agree`, and reading from the committed positions.
    """

    commitments: tuple[Commitment, ...]
    positions: tuple[Position, ...]


class Agree:
    """The only authority of its node, over all Dapps.

    It has to be given all partitions of a Dapp's topic: a node has one of these. A position that
    it returns lies behind the last summary whose epoch is settled, never inside an epoch: what a
    crash forgets is read again.

    Args:
        secret: the authority's secp256k1 key, 32 bytes.
        domain: the contract that signatures are for.
        partitions: how many partitions a Dapp has, by its manifest.
        clock: for rounds; with one authority no round ever ends.
    """

    def __init__(
        self, secret: bytes, domain: Domain, partitions: Callable[[str], int], clock: Clock
    ) -> None:
        self._authority = Authority(
            secret,
            [address_of(secret)],
            domain,
            round_ms=limits.ROUND_MS,
            finals_max=limits.FINALS_MAX,
        )
        self._partitions = partitions
        self._clock = clock
        self._combiners: dict[str, Combiner] = {}
        # A reader's thread brings assignments, another one batches.
        self._lock = threading.Lock()
        # Behind a partition's summaries whose epochs are not settled: epoch -> next offset.
        self._behind: dict[tuple[str, int], dict[int, int]] = {}

    def assigned(self, partitions: Iterable[tuple[str, int]]) -> None:
        """(topic, partition)s are read from their committed positions from now on."""
        with self._lock:
            self._behind.update((place, {}) for place in partitions)

    def revoked(self, partitions: Iterable[tuple[str, int]]) -> None:
        """(topic, partition)s are no longer read; a Dapp of which nothing is left is forgotten."""
        with self._lock:
            for place in partitions:
                self._behind.pop(place, None)
            read = {topic for topic, _ in self._behind}
            for dapp in [one for one in self._combiners if claims(one) not in read]:
                del self._combiners[dapp]

    def feed(self, slices: Iterable[Slice]) -> Agreed:
        """Take slices of ``claims.<dapp>`` topics, each partition's in the log's order."""
        commitments: list[Commitment] = []
        positions: dict[tuple[str, int], int] = {}
        for piece in slices:
            for offset, value in summaries_in(piece):
                try:
                    summary = decode_summary(decode_output(value))
                except RecordError as error:
                    log.error("%s-%d@%d: %s", piece.topic, piece.partition, offset, error)
                    continue
                with self._lock:
                    made = self._hear(piece, summary, offset + 1, positions)
                commitments += [made] if made else []
        return Agreed(
            tuple(commitments),
            tuple(Position(topic, part, offset) for (topic, part), offset in positions.items()),
        )

    def _hear(
        self, piece: Slice, summary: Summary, behind: int, positions: dict[tuple[str, int], int]
    ) -> Commitment | None:
        dapp = piece.topic.removeprefix(_TOPIC_PREFIX)
        if dapp not in self._combiners:
            self._combiners[dapp] = Combiner(dapp, self._partitions(dapp))
        combined = self._combiners[dapp].hear(summary)
        metrics.AGREE_SUMMARIES.labels(dapp, combined.heard).inc()
        if combined.heard not in _EXPECTED:
            log.error(
                "%s epoch %d, partition %d: %s",
                dapp, summary.epoch, summary.partition, combined.heard,
            )  # fmt: skip
        if combined.heard is Heard.LATE:
            positions[piece.topic, piece.partition] = behind
            return None
        self._behind.setdefault((piece.topic, piece.partition), {})[summary.epoch] = behind
        if combined.heard not in (Heard.COMPLETE, Heard.MIXED_PROGRAMS):
            return None
        self._settle(piece.topic, summary.epoch, positions)
        if combined.checkpoint is None:
            return None
        now_ms = self._clock.now_ms()
        final = self._authority.computed(combined.checkpoint, now_ms).final
        if final is not None:
            metrics.AGREE_EPOCH.labels(dapp).set(summary.epoch)
            metrics.AGREE_TIMESTAMP.labels(dapp).set(now_ms / 1000)
        return final

    def _settle(self, topic: str, epoch: int, positions: dict[tuple[str, int], int]) -> None:
        for place, behind in self._behind.items():
            settled = [one for one in behind if one <= epoch]
            if place[0] == topic and settled:
                positions[place] = max(behind.pop(one) for one in settled)


def summaries_in(piece: Slice) -> Sequence[tuple[int, bytes]]:
    """(offset, value) of the summaries among a slice's records; claims are skipped unread."""
    packed = piece.packed
    return [
        (offset, packed[start:end])
        for offset, start, end in spans(piece)
        if end - start >= HEADER.size
        and packed[start] == MAGIC
        and packed[start + 2] == Kind.SUMMARY
    ]
