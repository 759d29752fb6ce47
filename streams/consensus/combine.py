"""From what each partition says at a barrier to the one checkpoint of the epoch.

Pure: what comes out depends on the summaries alone, not on the order of their arrival, so every
node that reads them all computes the same checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from streams.commitments import Checkpoint
from streams.consensus import merkle
from streams.records import Summary


class Heard(StrEnum):
    """What a summary did; a metric's label."""

    WAITING = "waiting"  # taken; other partitions have not spoken yet
    COMPLETE = "complete"  # taken; it was the last one
    REPEATED = "repeated"  # the same had been said before
    CONTRADICTED = "contradicted"  # this partition had said something else: the first word counts
    LATE = "late"  # the epoch is closed already
    NO_PARTITION = "no_partition"  # a partition that the Dapp does not have
    MIXED_PROGRAMS = "mixed_programs"  # the last one, but partitions ran different programs


@dataclass(frozen=True, slots=True)
class Combined:
    """What came of one summary; ``checkpoint`` only where it completed its epoch."""

    heard: Heard
    checkpoint: Checkpoint | None = None


class Combiner:
    """Collects one Dapp's summaries, an epoch at a time.

    A partition speaks epoch after epoch, so epochs complete in order, and what waits is what fast
    partitions said ahead of the slowest: some 500 bytes each.
    """

    def __init__(self, dapp: str, partitions: int) -> None:
        self._dapp = dapp
        self._partitions = partitions
        self._waiting: dict[int, dict[int, Summary]] = {}
        self._closed_below = 0  # every epoch before it is closed

    def hear(self, summary: Summary) -> Combined:
        """Take what a partition said."""
        if not 0 <= summary.partition < self._partitions:
            return Combined(Heard.NO_PARTITION)
        if summary.epoch < self._closed_below:
            return Combined(Heard.LATE)
        said = self._waiting.setdefault(summary.epoch, {})
        before = said.setdefault(summary.partition, summary)
        if before is not summary:
            return Combined(Heard.REPEATED if before == summary else Heard.CONTRADICTED)
        if len(said) < self._partitions:
            return Combined(Heard.WAITING)
        return self._close(summary.epoch)

    def _close(self, epoch: int) -> Combined:
        said = self._waiting.pop(epoch)
        self._closed_below = max(self._closed_below, epoch + 1)
        for old in [one for one in self._waiting if one < epoch]:
            del self._waiting[old]  # a partition that was already past it will not go back
        summaries = [said[partition] for partition in range(self._partitions)]
        if len({one.program for one in summaries}) > 1:
            return Combined(Heard.MIXED_PROGRAMS)
        return Combined(Heard.COMPLETE, combine(self._dapp, summaries))


def combine(dapp: str, summaries: Sequence[Summary]) -> Checkpoint:
    """The checkpoint over all partitions of an epoch, given in partition order."""
    return Checkpoint(
        dapp=dapp,
        epoch=summaries[0].epoch,
        partitions=len(summaries),
        program=summaries[0].program,
        input_root=root_over([one.input_root for one in summaries]),
        claims_root=root_over([one.claims_root for one in summaries]),
        state_root=root_over([one.state_root for one in summaries]),
        messages=sum(one.messages for one in summaries),
        repeats=sum(one.repeats for one in summaries),
        dead=sum(one.dead for one in summaries),
        results=sum(one.results for one in summaries),
        claims=sum(one.claims for one in summaries),
    )


def root_over(partition_roots: Sequence[bytes]) -> bytes:
    """The tree whose leaf i is partition i's root."""
    return merkle.root([merkle.leaf_hash(one) for one in partition_roots])
