"""What a program writes to its standard output and error."""

import pytest

from streams.execution.instance import ALL_LOGS, NO_LOGS, Instance
from streams.execution.program import Ceilings, Specification, load
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
    specification = Specification({"DEFAULT": "start"}, ceilings=Ceilings(logs=4))
    return load(wasm(IMPORT + PRELUDE + WRITER, ""), specification)


@pytest.mark.parametrize(
    ("payload", "code", "lines"),
    [
        (b"1one\ntwo\n", 0, [("info", "one"), ("info", "two")]),
        (b"1no end", 0, [("info", "no end")]),
        (b"2worse\n\n", 0, [("error", "worse"), ("error", "")]),
        (b"3nobody's\n", 8, []),
    ],
)
def test_each_line_is_one_of_the_log(writer, payload, code, lines):
    instance = Instance(writer, "d", 0, ALL_LOGS)
    outcome = instance.run(numbered([payload]))
    assert instance.code == code
    assert [(one.label, one.b.decode()) for one in outputs(outcome, "logs")] == lines


@pytest.mark.parametrize("descriptor", [b"1", b"2"])
@pytest.mark.parametrize("levels", [ALL_LOGS, NO_LOGS])
def test_what_was_written_before_a_trap_explains_it(writer, descriptor, levels):
    payloads = [descriptor + b"panic: index out of range!", descriptor + b"fine\n"]
    outcome = Instance(writer, "d", 0, levels).run(numbered(payloads))
    (letter,) = outputs(outcome, "dead")
    assert letter.label == DeadReason.TRAP
    assert letter.a.startswith(b"panic: index out of range!\n")
    if levels:
        assert [one.b for one in outputs(outcome, "logs")] == [payloads[0][1:], b"fine"]


def test_lines_count_as_lines_of_the_log(writer):
    outcome = Instance(writer, "d", 0).run(numbered([b"1\n\n\n\n", b"1\n\n\n\n\n", b"1x"]))
    assert outcome.dead == {DeadReason.LOG_LIMIT: 1}
    assert outcome.processed == 2
