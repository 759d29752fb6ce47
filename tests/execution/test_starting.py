"""Programs that validate and cannot be served all the same: it is said before they are deployed."""

import pytest
import wasmtime

from streams.execution.check import ProgramError
from streams.execution.program import Specification
from streams.execution.starting import load_and_start

SHAPE = """(memory (export "memory") 1)
 (func (export "start") (param i32) (result i32) (i32.const 0))"""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("(func $s unreachable) (start $s)", "before its first event"),
        ("(func $s (loop $again br $again)) (start $s)", "an event's fuel"),
        ('(data (i32.const 65530) "past the end")', "out of bounds"),
        ("(table 1 funcref) (elem (i32.const 5) func 0)", "out of bounds"),
        ('(global (export "__w3b_fuel") i32 (i32.const 0))', "the node's additions"),
        ("(memory 1)", "one memory"),
        ("(table 100000000 funcref)", "are served"),
    ],
)
def test_what_would_fail_at_every_event_is_said_at_once(fields: str, said: str) -> None:
    binary = wasmtime.wat2wasm(f"(module {SHAPE} {fields})")
    with pytest.raises(ProgramError) as caught:
        load_and_start(bytes(binary), Specification({"DEFAULT": "start"}))
    (problem,) = caught.value.problems
    assert said in problem
