"""The engine alone: batches through a program, without Kafka.

Ours are whole batches in one call, host functions in wasm; the baseline is `NaiveEngine`, an
event a call, host functions in Python. Both get the same events, in memory and ready: ours packed
as the reader packs them, the baseline as plain arguments. Ours does more for an event (it looks
for repeats, hashes the message into the epoch's tree, counts fuel, checks results, makes
changelog records), so the ratio is not flattered.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import wasmtime

from streams.execution.instance import Instance
from streams.execution.program import Program, Specification, load
from tests.benchmarks.figures import Check, Row, Spread, in_turns
from tests.benchmarks.load import Sample, drives, packed, safe_driving
from tests.benchmarks.naive import NaiveEngine
from tests.local_components import LocalComponents

OURS_EVENTS: Final = 100_000
NAIVE_EVENTS: Final = 3_000
SMALL_NAIVE_EVENTS: Final = {"fresh": 3_000, "kept": 10_000}
# What design.md measured for wasmtime with host functions in Python, on a small program.
NAIVE_PER_S: Final = {"fresh": 2_100, "kept": 8_300}

# Gets its data and sets one key to it: next to nothing besides crossing into the host.
SMALL: Final = r"""(module
 (import "env" "ws_get_data" (func $get_data (param i32 i32 i32) (result i32)))
 (import "env" "ws_set_db" (func $set_db (param i32 i32 i32 i32) (result i32)))
 (memory (export "memory") 1)
 (global $heap (mut i32) (i32.const 4096))
 (data (i32.const 64) "last")
 (func (export "alloc") (param $n i32) (result i32)
   ;; 1 KiB at the same place: an instance that is kept does not grow
   (i32.const 4096))
 (func (export "start") (param $rid i32) (result i32)
   (drop (call $get_data (local.get $rid) (i32.const 0) (i32.const 4)))
   (call $set_db (i32.const 64) (i32.const 4) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
"""


def naive_per_s(binary: bytes, instance: str, events: Sequence[Sample]) -> float:
    """Events a second of the naive engine."""
    engine = NaiveEngine(binary, kept=instance == "kept", host_logs=False)
    started_s = time.perf_counter()
    for one in events:
        engine.handle("start", one.payload, one.device, one.time_ms)
    return len(events) / (time.perf_counter() - started_s)


def ours_per_s(program: Program, batches: Sequence[bytes]) -> float:
    """Events a second of the node's engine, one partition, outputs read and batches committed."""
    instance = Instance(program, "bench", 0)
    processed = 0
    started_s = time.perf_counter()
    for batch in batches:
        processed += instance.run(batch).processed
        instance.commit()
    return processed / (time.perf_counter() - started_s)


@dataclass(frozen=True)
class Workload:
    """Events for both engines."""

    events: list[Sample] = field(default_factory=lambda: drives(OURS_EVENTS))

    def compare(
        self, name: str, binary: bytes, instance: str, naive_events: int, check: bool = False
    ) -> Row:
        """One program in one mode on both engines; ``check``: its baseline's speed is known."""
        program = load(binary, Specification({"DEFAULT": "start"}, instance=instance))  # type: ignore[arg-type]
        spreads = in_turns(
            {
                "naive": partial(naive_per_s, binary, instance, self.events[:naive_events]),
                "ours": partial(ours_per_s, program, packed(self.events)),
            }
        )
        return Row(
            what=f"engine alone: {name}, instance {instance}",
            unit="events/s",
            figure=spreads["ours"],
            baseline=f"host functions in Python, instance {instance}",
            baseline_figure=spreads["naive"],
            checks=(small_naive_check(instance, spreads["naive"]),) if check else (),
        )


def small_naive_check(instance: str, measured: Spread) -> Check:
    """The naive engine on the small program, against what the design measured."""
    what = f"naive engine, small program, instance {instance}"
    return Check(what, measured.median, NAIVE_PER_S[instance], "design")


def run(_: LocalComponents) -> list[Row]:
    """Both engines on the small program and on safe_driving, fresh and kept."""
    work = Workload()
    small, binary = bytes(wasmtime.wat2wasm(SMALL)), safe_driving()
    return [
        work.compare("small program", small, "fresh", SMALL_NAIVE_EVENTS["fresh"], check=True),
        work.compare("small program", small, "kept", SMALL_NAIVE_EVENTS["kept"], check=True),
        work.compare("safe_driving", binary, "fresh", NAIVE_EVENTS),
        work.compare("safe_driving", binary, "kept", NAIVE_EVENTS),
    ]
