"""What a dead letter says of where the program was."""

import pytest
import wasmtime

from streams.execution.instance import Instance
from streams.execution.program import Ceilings, Program, Specification, load
from streams.execution.rewrite import rewrite
from streams.execution.wasm_binary import MAGIC, name, sections, unsigned
from streams.records import DeadReason
from tests.execution.feeding import numbered, outputs
from tests.execution.guests import PRELUDE, wasm

SMALL = Ceilings(fuel=1_000_000, output_bytes=10_000)
START = '(func (export "start") (param i32) (result i32) (call $mid))'


def letter(program: Program) -> tuple[str, list[str]]:
    (dead,) = outputs(Instance(program, "d", 0).run(numbered([b"x"])), "dead")
    return dead.label, dead.a.decode().split("\n")


def loaded(binary: bytes) -> Program:
    return load(binary, Specification({"DEFAULT": "start"}, ceilings=SMALL))


@pytest.mark.parametrize(
    ("mid", "reason", "lines"),
    [
        ("(unreachable)", DeadReason.TRAP, ["wasm `unreachable` instruction executed"]),
        (
            "(i32.div_s (i32.const 1) (i32.const 0))",
            DeadReason.TRAP,
            ["integer divide by zero"],
        ),
        (
            "(i32.load (i32.const -4))",
            DeadReason.TRAP,
            [
                "memory fault at wasm address 0xfffffffc in linear memory of size 0x10000: "
                "out of bounds memory access"
            ],
        ),
        (
            "(loop $l (br $l)) (i32.const 0)",
            DeadReason.FUEL_EXHAUSTED,
            ["the event ran more instructions than it may"],
        ),
        (
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const -1)) (i32.const 0)",
            DeadReason.FUEL_EXHAUSTED,
            ["the event ran more instructions than it may"],
        ),
        (
            "(loop $l (drop (call $set_data (i32.const 9) (i32.const 64) (i32.const 9))) (br $l))"
            " (i32.const 0)",
            DeadReason.OUTPUT_LIMIT,
            ["the event wrote more than its output ceiling"],
        ),
    ],
)
def test_the_cause_and_the_programs_own_calls(mid, reason, lines):
    body = f"(func $mid (result i32) {mid}) {START}"
    assert letter(loaded(wasm(body))) == (reason, [*lines, "  at mid", "  at start"])


def test_a_recursion_is_one_line():
    body = "(func $mid (result i32) (i32.add (call $mid) (i32.const 1)))" + START
    assert letter(loaded(wasm(body))) == (
        DeadReason.STACK_EXHAUSTED,
        ["the event's calls are nested deeper than they may be", "  at mid (20 times)", "  …"],
    )


def stripped(binary: bytes) -> bytes:
    parts = [one for one in sections(binary) if one.number]
    return MAGIC + b"".join(
        bytes([one.number]) + unsigned(len(one.body)) + one.body for one in parts
    )


def test_without_names_exports_and_numbers_are_shown():
    binary = stripped(wasm(f"(func $mid (result i32) (unreachable)) {START}"))
    _, lines = letter(loaded(binary))
    start = PRELUDE.count("(func ") + 1
    assert lines[1:] == [f"  at function {start - 1}", "  at start"]


def test_the_module_may_be_called_anything_and_its_functions_keep_their_names():
    body = f"{PRELUDE} (func $mid (result i32) (unreachable)) {START}"
    binary = bytes(wasmtime.wat2wasm(f"(module $other {body})"))
    assert letter(loaded(binary))[1][1:] == ["  at mid", "  at start"]


@pytest.mark.parametrize("broken", [b"\1\xff", b"\0", b"\1\x05ab", b""])
def test_names_that_are_broken_do_no_harm(broken):
    body = name("name") + broken
    binary = stripped(wasm(f"(func $mid (result i32) (unreachable)) {START}"))
    binary += b"\0" + unsigned(len(body)) + body
    assert letter(loaded(binary))[1][-1] == "  at start"
    assert rewrite(binary, 64 * 1024 * 1024).module[:8] == MAGIC
