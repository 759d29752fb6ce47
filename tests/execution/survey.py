"""Runs programs that nobody wrote, and holds the host to what it promises whatever they do."""

from collections import Counter
from dataclasses import dataclass, field

import wasmtime

from streams.execution.check import ProgramError
from streams.execution.instance import Instance, Outcome
from streams.execution.program import Ceilings, Program, Specification, load
from tests.execution.feeding import numbered
from tests.execution.generated import generated

CEILINGS = Ceilings(
    fuel=1_000_000, memory_bytes=4 << 20, output_bytes=100_000, state_bytes=10 << 20
)
EVENTS = 12
PAYLOADS = [b'{"a":%d}' % n for n in range(EVENTS)]
CUTS = (1, 5)  # the same events in batches of as many
_STREAMS = ("results", "claims", "effects", "dead")
_WRITTEN_MAX = 200_000  # what one event may write, and its records' heads


@dataclass
class Survey:
    """What came of many programs."""

    ran: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def take(self, seed: int) -> None:
        """Run the program of a seed; in a fresh instance an event, or in one that is kept."""
        binary = generated(seed)
        if binary is None:
            self.refused["not generated"] += 1
            return
        mode = ("fresh", "kept")[seed % 2]
        try:
            program = load(binary, Specification({"DEFAULT": "start"}, mode, ceilings=CEILINGS))
            instance = Instance(program, "d", 0)
        except ProgramError:
            self.refused["refused when it was loaded"] += 1
            return
        except (wasmtime.Trap, wasmtime.WasmtimeError):
            self.refused["its start function trapped"] += 1
            return
        self.ran += 1
        try:
            found = self._problems(program, instance)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            found = [f"it got past the engine: {error}"]
        self.problems += [f"seed {seed}: {problem}" for problem in found]

    def _problems(self, program: Program, instance: Instance) -> list[str]:
        outcomes = _run(instance, EVENTS)
        problems = []
        for one in outcomes:
            self.events["processed"] += one.processed
            self.events.update({str(reason): count for reason, count in one.dead.items()})
        if sum(one.processed + sum(one.dead.values()) for one in outcomes) != EVENTS:
            problems.append("an event is not accounted for")
        written = _written(outcomes)
        problems += [
            f"more {stream} than its ceiling allows"
            for stream, records in zip(_STREAMS, written, strict=True)
            if sum(len(one["value"]) for one in records) > EVENTS * _WRITTEN_MAX
        ]
        if instance.state_bytes > CEILINGS.state_bytes:
            problems.append("more state than its ceiling allows")
        if instance.memory_bytes > CEILINGS.memory_bytes:
            problems.append("more memory than its ceiling allows")
        problems += [
            f"run again in batches of {cut}, it came to something else"
            for cut in (EVENTS, *CUTS)
            if _written(_run(Instance(program, "d", 0), cut)) != written
        ]
        return problems


def _run(instance: Instance, cut: int) -> list[Outcome]:
    """All events in batches of so many; one that writes much is cut by the engine as well."""
    outcomes = []
    for first in range(0, EVENTS, cut):
        part = PAYLOADS[first : first + cut]
        batch, consumed = numbered(part, first), 0
        while consumed < len(part):
            outcomes.append(instance.run(batch, consumed))
            instance.commit()
            consumed = outcomes[-1].consumed
    return outcomes


def _written(outcomes: list[Outcome]) -> list[list[dict[str, bytes]]]:
    return [[record for one in outcomes for record in one.records[stream]] for stream in _STREAMS]
