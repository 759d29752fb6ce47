"""`consensus = "none"`: the same results, and none of what only a network would need."""

import pytest

from streams.execution.check import ProgramError
from streams.execution.instance import Instance
from streams.execution.program import Specification, load
from streams.records import DeadReason, barrier
from tests.execution.feeding import as_changelog, message, numbered, outputs, packed, state
from tests.execution.guests import ACTOR, wasm

# The payload under a key; a result of a handle, and of a random number, drawn twice.
_DRAWER = r"""(module
 (import "env" "ws_get_data" (func $get_data (param i32 i32 i32) (result i32)))
 (import "env" "ws_set_db" (func $set_db (param i32 i32 i32 i32) (result i32)))
 (import "env" "seed" (func $seed (result f64)))
 (memory (export "memory") 1)
 (func (export "alloc") (param i32) (result i32) (i32.const 4096))
 (func (export "start") (param $rid i32) (result i32)
   (if (i32.le_s (local.get $rid) (i32.const 0)) (then (unreachable)))
   (if (call $get_data (local.get $rid) (i32.const 0) (i32.const 4)) (then (unreachable)))
   (if (i32.eq (i32.load8_u (i32.const 4096)) (i32.const 116)) (then (unreachable)))
   (f64.store (i32.const 16) (call $seed))
   (f64.store (i32.const 24) (call $seed))
   (i32.store (i32.const 32) (local.get $rid))
   (call $set_db (i32.const 4096) (i32.load (i32.const 4)) (i32.const 16) (i32.const 20))))
"""


def _load(roots: bool):
    return load(
        wasm("", _DRAWER[len("(module") : -2]), Specification({"DEFAULT": "start"}, roots=roots)
    )


def test_what_programs_see_is_the_same_with_roots_and_without() -> None:
    payloads = [b"a", b"trap", b"b", b"a"]
    outcomes = [Instance(_load(roots), "d", 0).run(numbered(payloads)) for roots in (True, False)]
    assert state(outcomes[0]) == state(outcomes[1])
    assert outcomes[0].records["dead"] == outcomes[1].records["dead"]
    assert outcomes[1].dead == {DeadReason.TRAP: 1}
    values = list(state(outcomes[1]).values())
    drawn = [value[at : at + 8] for value in values for at in (0, 8)]
    handles = [value[16:] for value in values]
    assert len(set(drawn)) == len(drawn)
    assert len(set(handles)) == len(handles)


def test_batches_may_be_cut_anywhere() -> None:
    payloads = [b"a", b"trap", b"b", b"c", b"d"]
    whole = Instance(_load(roots=False), "d", 0).run(numbered(payloads))
    cut = Instance(_load(roots=False), "d", 0)
    first = cut.run(numbered(payloads[:2]))
    cut.commit()
    again = Instance(_load(roots=False), "d", 0)
    again.restore(as_changelog(first))
    second = again.run(numbered(payloads[2:], first=2))
    assert state(whole) == state(first) | state(second)
    assert whole.records["state"][-1] == second.records["state"][-1]


def test_a_barrier_that_somebody_wrote_ends_an_epoch_without_a_summary() -> None:
    instance = Instance(_load(roots=False), "d", 0)
    outcome = instance.run(packed([message(b"a", 1), barrier(1, 5), message(b"b", 2)]))
    assert outputs(outcome, "claims") == []
    assert (outcome.epoch, outcome.processed) == (2, 2)
    assert instance.rollback()
    assert instance.epoch == 1


def test_a_program_that_claims_is_refused() -> None:
    with pytest.raises(ProgramError, match=r'w3b.claim.*consensus = "none".*poa'):
        load(wasm(ACTOR), Specification({"DEFAULT": "start"}, roots=False))
