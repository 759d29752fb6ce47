"""The engine alone: batches through a program, without Kafka.

Ours are whole batches in one call, host functions in wasm; the baseline is `NaiveEngine`, an
event a call, host functions in Python. Both get the same events, in memory and ready: ours packed
as the reader packs them, the baseline as plain arguments. Ours does more for an event (it looks
for repeats, hashes the message into the epoch's tree unless the row says so, counts fuel, checks
results, makes changelog records), so the ratio is not flattered.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal

import wasmtime

from streams.execution.instance import Instance
from streams.execution.program import Program, Specification, load
from tests.benchmarks.figures import Check, Row, Spread, in_turns
from tests.benchmarks.load import Sample, drives, kv, packed, safe_driving
from tests.benchmarks.naive import NaiveEngine
from tests.local_components import LocalComponents

OURS_EVENTS: Final = 100_000
NAIVE_EVENTS: Final = 3_000
SMALL_NAIVE_EVENTS: Final = {"fresh": 3_000, "kept": 10_000}
KV_NAIVE_EVENTS: Final = 1_000
SMALL_FRESH_RATIO_MIN: Final = 70.0
SMALL_KEPT_RATIO_MIN: Final = 200.0
KV_FRESH_RATIO_MIN: Final = 60.0
# What design.md measured for wasmtime with host functions in Python, on a small program.
NAIVE_PER_S: Final = {"fresh": 2_100, "kept": 8_300}
NAIVE_KV_PER_S: Final = 690  # the same, fresh, on the SDK's own example of its KV functions

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

# The same, and its data as a result.
SMALL_WITH_RESULT: Final = SMALL.replace(
    '(memory (export "memory") 1)',
    '(import "w3b" "result" (func $result (param i32 i32) (result i32)))\n'
    ' (memory (export "memory") 1)',
).replace(
    "   (call $set_db",
    "   (drop (call $result (i32.load (i32.const 0)) (i32.load (i32.const 4))))\n   (call $set_db",
)


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


@dataclass(frozen=True, slots=True)
class Contest:
    """A program in one mode, and what is hoped for."""

    name: str
    binary: bytes
    instance: Literal["fresh", "kept"]
    naive_events: int
    roots: bool = True  # inputs, claims and state are hashed; not with `consensus = "none"`
    bare: bool = False  # records of a plain producer, in which no repeats are looked for
    ratio_min: float | None = None
    aim: bool = False
    naive_expected: float | None = None  # events/s: what the design measured of the baseline


@dataclass(frozen=True)
class Workload:
    """Events for both engines."""

    events: list[Sample] = field(default_factory=lambda: drives(OURS_EVENTS))

    def compare(self, contest: Contest) -> Row:
        """One program in one mode on both engines."""
        specification = Specification(
            {"DEFAULT": "start"},
            instance=contest.instance,
            roots=contest.roots,
        )
        program = load(contest.binary, specification)
        events = self.events[: contest.naive_events]
        batches = packed(self.events, bare=contest.bare)
        spreads = in_turns(
            {
                "naive": partial(naive_per_s, contest.binary, contest.instance, events),
                "ours": partial(ours_per_s, program, batches),
            }
        )
        what = f"engine alone: {contest.name}, instance {contest.instance}"
        what += "" if contest.roots else ', consensus "none"'
        what += ", bare records" if contest.bare else ""
        checks = []
        if contest.naive_expected is not None:
            name = f"naive engine, {contest.name}, instance {contest.instance}"
            measured = spreads["naive"].median
            checks = [Check(name, measured, contest.naive_expected, "design")]
        return Row(
            what=what,
            unit="events/s",
            figure=spreads["ours"],
            baseline=f"host functions in Python, instance {contest.instance}",
            baseline_figure=spreads["naive"],
            ratio_min=contest.ratio_min,
            aim=contest.aim,
            checks=tuple(checks),
        )


def small_naive_check(instance: str, measured: Spread) -> Check:
    """The naive engine on the small program, against what the design measured."""
    what = f"naive engine, small program, instance {instance}"
    return Check(what, measured.median, NAIVE_PER_S[instance], "design")


def run(_: LocalComponents) -> list[Row]:
    """Both engines on the small program, the SDK's example and safe_driving, fresh and kept."""
    work = Workload()
    small, driving = bytes(wasmtime.wat2wasm(SMALL)), safe_driving()
    fresh = Contest(
        "small program", small, "fresh", SMALL_NAIVE_EVENTS["fresh"], roots=False,
        ratio_min=SMALL_FRESH_RATIO_MIN, naive_expected=NAIVE_PER_S["fresh"],
    )  # fmt: skip
    kept = Contest(
        "small program", small, "kept", SMALL_NAIVE_EVENTS["kept"],
        naive_expected=NAIVE_PER_S["kept"],
    )  # fmt: skip
    sdk = Contest(
        "8 sets, 8 gets, 9 logs", kv(), "fresh", KV_NAIVE_EVENTS,
        ratio_min=KV_FRESH_RATIO_MIN, naive_expected=NAIVE_KV_PER_S,
    )  # fmt: skip
    contests = (
        fresh,
        replace(fresh, roots=True, ratio_min=None),
        sdk,
        replace(kept, roots=False, bare=True, ratio_min=SMALL_KEPT_RATIO_MIN),
        replace(kept, roots=False, ratio_min=SMALL_KEPT_RATIO_MIN, aim=True),
        kept,
        Contest("safe_driving", driving, "fresh", NAIVE_EVENTS),
        Contest("safe_driving", driving, "kept", NAIVE_EVENTS),
    )
    return [work.compare(one) for one in contests]
