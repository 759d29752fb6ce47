"""What a program writes to its standard output and error."""

import pytest

from streams.execution.instance import ALL_LOGS, Instance
from streams.execution.program import Specification, load
from streams.records import DeadReason
from tests.execution.feeding import numbered, outputs
from tests.execution.guests import PRELUDE, wasm

IMPORT = """(import "wasi_snapshot_preview1" "fd_write"
 (func $fd_write (param i32 i32 i32 i32) (result i32)))"""

# The payload's first byte is the descriptor, the rest is written in two pieces; a `!` at its end
# traps.
WRITER = """
 (func (export "start") (param $rid i32) (result i32) (local $code i32)
   (call $read (local.get $rid))
   (i32.store (i32.const 16) (i32.add (call $in) (i32.const 1)))
   (i32.store (i32.const 20) (i32.const 1))
   (i32.store (i32.const 24) (i32.add (call $in) (i32.const 2)))
   (i32.store (i32.const 28) (i32.sub (call $len) (i32.const 2)))
   (local.set $code (call $fd_write (i32.sub (i32.load8_u (call $in)) (i32.const 48))
     (i32.const 16) (i32.const 2) (i32.const 32)))
   (if (i32.eq (i32.load8_u (i32.sub (i32.add (call $in) (call $len)) (i32.const 1)))
     (i32.const 33)) (then (unreachable)))
   (local.get $code))
"""


@pytest.fixture(scope="module")
def writer():
    return load(wasm(IMPORT + PRELUDE + WRITER, ""), Specification({"DEFAULT": "start"}))


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"1one\ntwo\n", 0), (b"1no end", 0), (b"2worse\n\n", 0), (b"3nobody's\n", 8)],
)
def test_what_is_printed_is_taken_and_is_no_log(writer, payload, code):
    instance = Instance(writer, "d", 0, ALL_LOGS)
    outcome = instance.run(numbered([payload]))
    assert instance.code == code
    assert outputs(outcome, "logs") == []


@pytest.mark.parametrize("descriptor", [b"1", b"2"])
def test_what_was_printed_before_a_trap_explains_it(writer, descriptor):
    payloads = [descriptor + b"panic: index out of range!", descriptor + b"fine\n"]
    outcome = Instance(writer, "d", 0).run(numbered(payloads))
    (letter,) = outputs(outcome, "dead")
    assert letter.label == DeadReason.TRAP
    assert letter.a.startswith(b"panic: index out of range!\n")
