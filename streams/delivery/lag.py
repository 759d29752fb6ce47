"""How far a reader is behind, as librdkafka itself tells it every few seconds."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from streams import metrics
from streams.delivery.batch import Slice, last_timestamp_ms


class Lag:
    """Keeps ``w3b_lag_messages`` and ``w3b_lag_seconds`` of one reader's stage, by Dapp.

    From the client's statistics and not from offsets of the group: those are behind what was
    read by whatever is at work, and to ask the broker for them costs a request a partition. Behind
    a transaction's last record lies its marker, which is never handed out: a partition that is
    fetched to its end has no lag, whatever offsets say.

    All methods are called on the reader's thread.
    """

    def __init__(self, group: str) -> None:
        """``group``: ``<stage>`` or ``<stage>.<dapp>``."""
        self._stage = group.partition(".")[0]
        self._newest_ms: dict[tuple[str, int], int] = {}  # of what was handed out
        self._caught_up_ms: dict[tuple[str, int], int] = {}  # when nothing was left to hand out
        self._told: set[str] = set()

    def handed_out(self, slices: Sequence[Slice]) -> None:
        """Take note of how new the records of a batch are."""
        for one in slices:
            self._newest_ms[one.topic, one.partition] = last_timestamp_ms(one)

    def heard(self, told: Mapping[str, Any], assigned: Collection[tuple[str, int]]) -> None:
        """Take librdkafka's statistics; only assigned partitions count.

        Source: https://github.com/confluentinc/librdkafka/blob/master/STATISTICS.md
        """
        now_ms = told["time"] * 1000
        totals: dict[str, tuple[int, int]] = {}
        for name, topic in told["topics"].items():
            dapp = name.partition(".")[2]
            for number, partition in topic["partitions"].items():
                place = (name, int(number))
                if place not in assigned:
                    continue
                waiting = _waiting(partition)
                if waiting == 0:
                    self._caught_up_ms[place] = now_ms
                messages, behind_ms = totals.get(dapp, (0, 0))
                since_ms = max(self._caught_up_ms.get(place, 0), self._newest_ms.get(place, 0))
                late_ms = max(now_ms - since_ms, 0) if waiting and since_ms else 0
                totals[dapp] = messages + waiting, max(behind_ms, late_ms)
        self._forget_but(set(totals))
        for dapp, (messages, behind_ms) in totals.items():
            metrics.LAG_MESSAGES.labels(self._stage, dapp).set(messages)
            metrics.LAG_SECONDS.labels(self._stage, dapp).set(behind_ms / 1000)

    def revoked(self, partitions: Collection[tuple[str, int]]) -> None:
        """Forget partitions: when they come back, others have read on meanwhile."""
        for place in partitions:
            self._newest_ms.pop(place, None)
            self._caught_up_ms.pop(place, None)

    def close(self) -> None:
        """Tell nothing any more: a lag that nobody looks at would stay as it was."""
        self._forget_but(set())

    def _forget_but(self, dapps: set[str]) -> None:
        for dapp in self._told - dapps:
            metrics.LAG_MESSAGES.remove(self._stage, dapp)
            metrics.LAG_SECONDS.remove(self._stage, dapp)
        self._told = dapps


def _waiting(partition: Mapping[str, int]) -> int:
    """Records of a partition that the log has and the application has not, markers included."""
    end = max(partition["ls_offset"], 0)
    if partition["next_offset"] >= end and partition["fetchq_cnt"] == 0:
        return 0
    places = (partition[name] for name in ("app_offset", "committed_offset", "lo_offset"))
    return max(end - max(0, *places), 0)
