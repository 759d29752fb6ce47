"""How fast a program runs, and what an event of it uses: `w3b program bench`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Final

from streams.clock import Clock
from streams.delivery.batch import pack_records
from streams.execution.instance import Instance
from streams.execution.program import Program
from streams.execution.trial import Event

_BATCH_EVENTS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Pace:
    """Figures of a run; all but the rate are the same on any machine."""

    events: int
    seconds: float
    failed: int  # became dead letters
    fuel: float  # instructions an event, on average
    memory_bytes: int  # the program's, as each event finds it
    renewals: int  # events that left an instance which could not be put back
    state_bytes: int  # keyed state at the end

    @property
    def events_per_s(self) -> float:
        """On one thread, without Kafka."""
        return self.events / self.seconds


def measure(program: Program, events: Sequence[Event], seconds: float, clock: Clock) -> Pace:
    """Run the events again and again for some time, in batches as a node does.

    State stays from round to round. The first round is not counted.
    """
    instance = Instance(program, "bench", 0)
    numbers = count(1)
    _round(instance, events, numbers)
    ran = failed = fuel = 0
    renewals = instance.renewals
    began_s = clock.monotonic_s()
    while (took_s := clock.monotonic_s() - began_s) < seconds or not ran:
        one = _round(instance, events, numbers)
        ran, failed, fuel = ran + len(events), failed + one.failed, fuel + one.fuel
    return Pace(
        ran, took_s, failed, fuel / ran, instance.memory_bytes, instance.renewals - renewals,
        instance.state_bytes,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Round:
    failed: int
    fuel: int


def _round(instance: Instance, events: Sequence[Event], numbers: Iterator[int]) -> _Round:
    """All events once, each with an id that no other had."""
    failed = fuel = 0
    for first in range(0, len(events), _BATCH_EVENTS):
        part = events[first : first + _BATCH_EVENTS]
        ids = list(islice(numbers, len(part)))
        packed = pack_records(
            [one.device.encode() for one in part],
            [one.record(id_) for one, id_ in zip(part, ids, strict=True)],
            ids,
            [one.time_ms for one in part],
        )
        consumed = 0
        while consumed < len(part):  # a batch that spends much is cut
            outcome = instance.run(packed, consumed)
            instance.commit()
            consumed = outcome.consumed
            failed += sum(outcome.dead.values())
            fuel += outcome.fuel
    return _Round(failed, fuel)
