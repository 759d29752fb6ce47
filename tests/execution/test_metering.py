"""Fuel and depth: what a program is charged, to the instruction."""

import pytest
import wasmtime

from streams.execution.check import ProgramError
from streams.execution.instance import Instance
from streams.execution.program import Ceilings, Specification, load
from streams.execution.rewrite import DEPTH, FUEL, rewrite
from streams.execution.wasm_binary import WasmError
from streams.records import DeadReason
from tests.execution.feeding import numbered, outputs
from tests.execution.guests import program, wasm

PAGE = 65536


def spent(body: str, argument: int) -> int:
    """The fuel that `run(argument)` takes."""
    rewritten = rewrite(wasmtime.wat2wasm(f"(module (memory 1) {body})"), PAGE)
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, wasmtime.Module(engine, rewritten.module), []).exports(store)
    exports[FUEL].set_value(store, wasmtime.Val.i64(1_000_000))
    exports[DEPTH].set_value(store, wasmtime.Val.i32(100_000))
    exports["run"](store, argument)
    assert exports[DEPTH].value(store) <= 100_000
    return 1_000_000 - int(exports[FUEL].value(store))


def test_straight_code_pays_for_each_instruction_once():
    assert spent('(func (export "run") (param i32) (drop (i32.const 1)))', 0) == 3


@pytest.mark.parametrize("rounds", [1, 2, 10])
def test_a_loop_pays_for_each_round(rounds):
    counting = """(func (export "run") (param $n i32)
      (loop $again
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $again (i32.gt_s (local.get $n) (i32.const 0)))))"""
    # `loop` and `end` of the function; then nine instructions and the loop's `end` a round.
    assert spent(counting, rounds) == 2 + 9 * rounds


def test_bulk_memory_pays_for_its_length():
    fill = """(func (export "run") (param $n i32)
      (memory.fill (i32.const 0) (i32.const 1) (local.get $n)))"""
    assert spent(fill, 8000) - spent(fill, 0) == 1000


@pytest.mark.parametrize(
    "body",
    [
        "(func $f (call $f))",
        "(func $f (param i32) (call $g (local.get 0)))"
        " (func $g (param i32) (call $f (local.get 0)))",
        "(table 1 funcref) (elem (i32.const 0) $f) (func $f (call_indirect (i32.const 0)))",
    ],
)
def test_endless_calls_meet_the_counted_depth(body):
    name = "$f (i32.const 0)" if "(param i32)" in body else "$f"
    start = f'(func (export "start") (param i32) (result i32) (call {name}) (i32.const 0))'
    outcome = Instance(program(f"{body} {start}"), "d", 0).run(numbered([b"x", b"x"]))
    assert outcome.dead == {DeadReason.STACK_EXHAUSTED: 2}


def test_calls_that_return_give_their_frames_back():
    many = """
     (func $leaf (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
     (func (export "start") (param i32) (result i32) (local $n i32)
       (loop $again
         (local.set $n (call $leaf (local.get $n)))
         (br_if $again (i32.lt_u (local.get $n) (i32.const 100000))))
       (i32.const 0))
    """
    assert Instance(program(many), "d", 0).run(numbered([b"x"])).processed == 1


def test_depth_is_whole_again_after_the_host_called_the_guest():
    reading = """
     (func (export "start") (param $rid i32) (result i32) (local $n i32)
       (loop $again
         (call $read (local.get $rid))
         (local.set $n (i32.add (local.get $n) (i32.const 1)))
         (global.set $heap (i32.const 4096))
         (br_if $again (i32.lt_u (local.get $n) (i32.const 20000))))
       (i32.const 0))
    """
    assert Instance(program(reading), "d", 0).run(numbered([b"x"])).processed == 1


def test_fuel_alone_decides_and_not_what_ran_before():
    looping = """
     (func (export "start") (param $rid i32) (result i32) (local $n i32)
       (call $read (local.get $rid))
       (local.set $n (i32.mul (i32.load8_u (call $in)) (i32.const 1000)))
       (loop $again
         (local.set $n (i32.sub (local.get $n) (i32.const 1)))
         (br_if $again (i32.gt_s (local.get $n) (i32.const 0))))
       (i32.const 0))
    """
    limited = program(looping, ceilings=Ceilings(fuel=1_000_000))
    payloads = [bytes([n]) for n in range(90, 130)]
    together = Instance(limited, "d", 0).run(numbered(payloads))
    failed = [one.b[-1:] for one in outputs(together, "dead")]
    alone = [one for one in payloads if Instance(limited, "d", 0).run(numbered([one])).dead]
    assert failed == alone
    assert 0 < len(failed) < len(payloads)


def test_lasting_changes_are_known():
    setting = """(table $t 2 funcref)
      (func (export "start") (param i32) (result i32)
        (table.set $t (i32.const 0) (ref.null func)) (i32.const 0))"""
    assert rewrite(wasm(setting), PAGE).lasting
    assert not rewrite(wasm("(func (nop))"), PAGE).lasting


def test_a_table_that_an_event_wrote_is_new_for_the_next():
    once = """(table $t 1 funcref) (elem declare func $f) (func $f)
      (func (export "start") (param i32) (result i32)
        (if (result i32) (ref.is_null (table.get $t (i32.const 0)))
          (then (table.set $t (i32.const 0) (ref.func $f)) (i32.const 0))
          (else (i32.const -1))))"""
    assert Instance(program(once), "d", 0).run(numbered([b"x"] * 3)).processed == 3


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        (b"", "not a WebAssembly module"),
        (b"\0asm\1\0\0\0\x01\x50", "cut short"),
        (wasmtime.wat2wasm('(module (import "env" "memory" (memory 1)))'), "imports a memory"),
        (wasmtime.wat2wasm("(module)"), "must define one memory"),
        (wasmtime.wat2wasm("(module (memory 2))"), "raise limits.memory_bytes"),
    ],
)
def test_what_cannot_be_rewritten_is_said(module, complaint):
    with pytest.raises(WasmError, match=complaint):
        rewrite(module, PAGE)


def test_a_program_with_threads_is_refused_before_it_runs():
    atomic = """(module (memory (export "memory") 1 1)
      (func (export "start") (param i32) (result i32) (i32.atomic.load (i32.const 0))))"""
    with pytest.raises(ProgramError):
        load(bytes(wasmtime.wat2wasm(atomic)), Specification({"DEFAULT": "start"}))
