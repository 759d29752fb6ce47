"""Programs that mean harm: whatever one does to itself, the host and its neighbours stay whole."""

import psutil
import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.execution.check import ProgramError
from streams.execution.instance import Instance
from streams.execution.program import Ceilings, Specification, load
from streams.records import DeadReason
from tests.execution.feeding import numbered, state
from tests.execution.guests import ACTOR, program

SMALL = Ceilings(fuel=3_000_000, output_bytes=100_000, state_bytes=10 << 20)


def driver_bytes(instance: Instance) -> int:
    """The host's own memory, keyed state included."""
    return int(instance._memory.data_len(instance._linked.store))


def test_keys_of_events_that_fail_do_not_stay_in_memory() -> None:
    writing = program(
        """
        (func (export "start") (param $rid i32) (result i32) (local $n i32)
          (call $read (local.get $rid))
          (memory.copy (i32.const 8192) (call $in) (call $len))
          (loop $more
            (i32.store (i32.const 8200) (local.get $n))
            (drop (call $set_db (i32.const 8192) (i32.const 1000) (i32.const 0) (i32.const 0)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $n) (i32.const 1000))))
          (unreachable))
        """,
        ceilings=SMALL,
    )
    instance = Instance(writing, "d", 0)
    sizes = []
    for first in range(0, 200, 50):
        outcome = instance.run(numbered([b"%08d" % i for i in range(first, first + 50)], first))
        instance.commit()
        assert outcome.dead == {DeadReason.TRAP: 50}
        assert state(outcome) == {}
        sizes.append(driver_bytes(instance))
    assert sizes[-1] == sizes[0]
    assert instance.state_keys == 0


def loop(call: str, prepare: str) -> str:
    """A handler that does the same for ever."""
    return f"""
    (func (export "start") (param $rid i32) (result i32)
      (call $read (local.get $rid))
      (loop $more {prepare} (drop {call}) (br $more)) (i32.const 0))
    """


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        # Half of the memory as a value, again and again under one key: each could be undone.
        ("(call $set_db (i32.const 64) (i32.const 5) (i32.const 0) (i32.const 32768))", "state"),
        ("(call $set_data (i32.const 7) (i32.const 0) (i32.const 32768))", "output"),
        ("(call $log (i32.const 2) (i32.const 0) (i32.const 65536))", "log"),
        ("(call $metrics (i32.const 32) (i32.const 2))", "effect"),
        ("(call $claim (i32.const 64) (i32.const 5) (i32.const 64) (i32.const 5))", "output"),
        ("(call $result (i32.const 32) (i32.const 2))", "output"),
        # What copies and keeps nothing costs fuel.
        ("(call $get_data (local.get $rid) (i32.const 0) (i32.const 4))", "fuel"),
        ("(call $get_db (i32.const 64) (i32.const 5) (i32.const 0) (i32.const 4))", "fuel"),
        ("(call $device (i32.const 0) (i32.const 4))", "fuel"),
        ("(call $get_env (i32.const 64) (i32.const 5) (i32.const 0) (i32.const 4))", "fuel"),
        ("(i32.wrap_i64 (i64.trunc_sat_f64_u (call $seed)))", "fuel"),
        ("(memory.grow (i32.const 1))", "fuel"),
    ],
)
def test_a_host_function_called_for_ever(call: str, reason: str) -> None:
    reasons = {
        "state": DeadReason.STATE_LIMIT,
        "output": DeadReason.OUTPUT_LIMIT,
        "log": DeadReason.LOG_LIMIT,
        "effect": DeadReason.EFFECT_LIMIT,
        "fuel": DeadReason.FUEL_EXHAUSTED,
    }
    again = "(global.set $heap (i32.const 4096)) (i32.store16 (i32.const 32) (i32.const 0x7d7b))"
    looping = program(loop(call, again), ceilings=SMALL, env={"state": "x" * 1000})
    instance = Instance(looping, "d", 0)
    sizes = []
    for first in (0, 3, 6, 9):
        outcome = instance.run(numbered([b"x" * 10_000] * 3, first))
        instance.commit()
        assert outcome.dead == {reasons[reason]: 3}
        sizes.append(driver_bytes(instance))
    assert sizes[3] == sizes[2] < 64 << 20


def test_a_batch_that_writes_much_commits_in_parts() -> None:
    """Each event stays below its ceilings; a thousand of them would fill the host's memory."""
    writing = program(
        """
        (func (export "start") (param $rid i32) (result i32) (local $n i32)
          (memory.fill (i32.const 8192) (i32.const 32) (i32.const 50000))
          (i32.store8 (i32.const 8192) (i32.const 123))
          (i32.store8 (i32.const 58191) (i32.const 125))
          (loop $more
            (drop (call $result (i32.const 8192) (i32.const 50000)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $n) (i32.const 20))))
          (i32.const 0))
        """
    )
    instance = Instance(writing, "d", 0)
    batch = numbered([b"{}"] * 200)
    consumed = parts = results = 0
    while consumed < 200:
        outcome = instance.run(batch, consumed)
        instance.commit()
        assert sum(len(one["value"]) for one in outcome.records["results"]) < 18 << 20
        consumed, parts, results = outcome.consumed, parts + 1, results + outcome.results
    assert (results, parts) == (4_000, 12)
    assert driver_bytes(instance) < 100 << 20


LYING = {
    "far away": "(i32.const 0x7ffffff0)",
    "negative": "(i32.const -1)",
    "the last byte": "(i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1))",
    "on the out pair": "(i32.const 0)",
    "always the same": "(i32.const 64)",
    "grows": "(i32.mul (memory.grow (i32.const 16)) (i32.const 65536))",
    "traps": "(unreachable)",
    "without end": "(loop $l (br $l)) (i32.const 0)",
    "calls the host again": "(call $device (i32.const 0) (i32.const 4))",
    "calls itself": "(call $alloc (local.get 0))",
}
FAILING = {
    "traps": DeadReason.TRAP,
    "without end": DeadReason.FUEL_EXHAUSTED,
    "calls the host again": DeadReason.STACK_EXHAUSTED,
    "calls itself": DeadReason.STACK_EXHAUSTED,
}


@pytest.mark.parametrize("how", LYING)
def test_an_alloc_that_lies(how: str) -> None:
    source = f"""(module
      (import "env" "ws_get_data" (func $get_data (param i32 i32 i32) (result i32)))
      (import "env" "ws_set_db" (func $set_db (param i32 i32 i32 i32) (result i32)))
      (import "w3b" "device" (func $device (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func $alloc (export "alloc") (param i32) (result i32) {LYING[how]})
      (func (export "start") (param $rid i32) (result i32)
        (i32.store (i32.const 128) (call $get_data (local.get $rid) (i32.const 0) (i32.const 4)))
        (drop (call $device (i32.const 0) (i32.const 4)))
        (call $set_db (i32.const 64) (i32.const 8) (i32.const 128) (i32.const 4))))"""
    specification = Specification({"DEFAULT": "start"}, ceilings=SMALL)
    lying = load(bytes(wasmtime.wat2wasm(source)), specification)
    whole = Instance(lying, "d", 0).run(numbered([b"some payload"] * 4))
    assert whole.dead == ({FAILING[how]: 4} if how in FAILING else {})
    assert whole.processed == 4 - sum(whole.dead.values())
    steps = Instance(lying, "d", 0)
    singles = [steps.run(numbered([b"some payload"], i)) for i in range(4)]
    assert whole.records["dead"] == [one for each in singles for one in each.records["dead"]]
    assert state(whole) == state(singles[-1])


def test_an_event_that_traps_leaves_no_copies_behind() -> None:
    failing = program(
        """
        (func (export "start") (param $rid i32) (result i32)
          (drop (call $set_data (i32.const 1) (i32.const 0) (i32.const 60000)))
          (drop (call $claim (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 4000)))
          (drop (call $set_data (i32.const 2) (i32.const 0) (i32.const 60000)))
          (i32.const 0))
        """,
        ceilings=SMALL,
    )
    instance = Instance(failing, "d", 0)
    sizes = []
    for first in range(0, 400, 100):
        outcome = instance.run(numbered([b"x"] * 100, first))
        instance.commit()
        assert outcome.dead == {DeadReason.OUTPUT_LIMIT: 100}
        sizes.append(driver_bytes(instance))
    assert sizes[-1] == sizes[0]


def growing(pages: int) -> Instance:
    """A program that makes its memory larger with each event, and writes to all of it."""
    body = f"""
    (func (export "start") (param $rid i32) (result i32)
      (drop (memory.grow (i32.const {pages})))
      (memory.fill (i32.const 65536) (i32.const 1) (i32.const {pages * 65536}))
      (i32.const 0))
    """
    return Instance(program(body), "d", 0)


def test_a_table_that_grows_for_ever() -> None:
    """Found by a generated program that took 23 GB."""
    growing_table = program(
        """
        (table $t 1 funcref)
        (func (export "start") (param $rid i32) (result i32)
          (loop $more (drop (table.grow $t (ref.null func) (i32.const 60000))) (br $more))
          (i32.const 0))
        """,
        ceilings=SMALL,
    )
    before = psutil.Process().memory_info().rss
    outcome = Instance(growing_table, "d", 0).run(numbered([b"x"] * 20))
    assert outcome.dead == {DeadReason.FUEL_EXHAUSTED: 20}
    assert psutil.Process().memory_info().rss - before < 50 << 20


@pytest.mark.parametrize(
    "table", ["(table 70000 funcref)", "(type $f (func)) (table 1 (ref null $f))"]
)
def test_a_table_that_is_not_served(table: str) -> None:
    source = f"""(module {table} (memory (export "memory") 1)
      (func (export "start") (param i32) (result i32) (i32.const 0)))"""
    with pytest.raises(ProgramError, match="table"):
        load(bytes(wasmtime.wat2wasm(source)), Specification({"DEFAULT": "start"}))


@pytest.mark.slow
def test_events_that_each_grow_memory_give_it_back() -> None:
    """More of them than a store keeps instances; `make soak` has a hundred thousand."""
    instance = growing(pages=32)
    instance.run(numbered([b"x"] * 50))
    before = psutil.Process().memory_info().rss
    outcome = instance.run(numbered([b"x"] * 1_200, first=50))
    assert outcome.processed == 1_200
    assert instance.renewals == 1_250
    assert psutil.Process().memory_info().rss - before < 100 << 20  # they grew by 2.5 GB in all


# What an event does, by the first letter of its payload: see `guests.ACTOR`.
KINDS = [b"ok", b"trap", b"negative", b"loop", b"grow", b"write", b"claim", b"recurse"]
CUTS = (1, 7, 1_000)


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=40), st.sampled_from(["fresh", "kept"])
)
def test_an_event_comes_to_the_same_whatever_its_neighbours(kinds: list[bytes], mode: str) -> None:
    actor = program(ACTOR, mode, SMALL)
    payloads = [b"%s-%d" % (kind, i) for i, kind in enumerate(kinds)]
    seen = []
    for cut in (*CUTS, CUTS[0]):  # and once more: a replay
        instance = Instance(actor, "d", 0)
        outcomes = []
        for first in range(0, len(payloads), cut):
            outcomes.append(instance.run(numbered(payloads[first : first + cut], first)))
            instance.commit()
        streams = [
            [one for each in outcomes for one in each.records[stream]]
            for stream in ("results", "claims", "effects", "dead")
        ]
        kept = {key: value for each in outcomes for key, value in state(each).items()}
        seen.append((streams, kept, outcomes[-1].records["state"][-1]))
    assert all(one == seen[0] for one in seen)
