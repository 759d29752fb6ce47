"""Several handlers for an event type: in their order, on instances of their own, as one event."""

import pytest

from streams import limits
from streams.execution.instance import Instance
from streams.execution.program import Ceilings
from streams.records import DeadReason
from streams.registry.manifest import ManifestError, parse_manifest
from tests.execution.feeding import message, numbered, outputs, packed, state
from tests.execution.guests import program

KEY = b"state:key"

# `note` appends its letter to the key's value, and what it finds in memory where it counts.
NOTING = """
 (func $note (param $letter i32)
   (i32.store (i32.const 20) (i32.const 0))
   (drop (call $get_db (i32.const 64) (i32.const 9) (i32.const 16) (i32.const 20)))
   (memory.copy (i32.const 256) (i32.load (i32.const 16)) (i32.load (i32.const 20)))
   (i32.store8 (i32.add (i32.const 256) (i32.load (i32.const 20))) (local.get $letter))
   (i32.store8 (i32.add (i32.const 257) (i32.load (i32.const 20)))
     (i32.add (i32.const 48) (global.get $count)))
   (global.set $count (i32.add (global.get $count) (i32.const 1)))
   (drop (call $set_db (i32.const 64) (i32.const 9)
     (i32.const 256) (i32.add (i32.load (i32.const 20)) (i32.const 2)))))
 (func (export "a") (param i32) (result i32) (call $note (i32.const 97)) (i32.const 1))
 (func (export "b") (param i32) (result i32) (call $note (i32.const 98)) (i32.const 2))
 (func (export "grow") (param i32) (result i32)
   (drop (memory.grow (i32.const 1))) (call $note (i32.const 103)) (i32.const 3))
 (func (export "minus") (param i32) (result i32) (call $note (i32.const 109)) (i32.const -4))
 (func (export "trap") (param i32) (result i32) (call $note (i32.const 116)) (unreachable))
 (func (export "spend") (param i32) (result i32) (local $i i32)
   (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
     (br_if $l (i32.lt_u (local.get $i) (i32.const 10000))))
   (i32.const 0))
"""


def ran(*handlers: str, instance: str = "fresh", events: int = 1):
    several = program(NOTING, instance, routes={"DEFAULT": list(handlers)})
    one = Instance(several, "d", 0)
    return one, one.run(numbered([b"x"] * events))


def test_they_run_in_their_order_each_on_a_fresh_instance():
    instance, outcome = ran("b", "a", events=2)
    assert state(outcome) == {KEY: b"b0a0b0a0"}
    assert (instance.code, outcome.processed) == (1, 2)


def test_a_kept_instance_serves_them_all():
    _, outcome = ran("a", "b", instance="kept", events=2)
    assert state(outcome) == {KEY: b"a0b1a2b3"}


def test_a_memory_that_one_grew_does_not_reach_the_next():
    instance, outcome = ran("grow", "a", "grow", "b", events=2)
    assert state(outcome) == {KEY: b"g0a0g0b0" * 2}
    assert (instance.code, instance.renewals) == (2, 4)


def test_the_first_negative_code_is_the_events_and_the_others_run_all_the_same():
    instance, outcome = ran("a", "minus", "b")
    assert (instance.code, outcome.dead) == (-4, {DeadReason.RETURNED_ERROR: 1})
    assert state(outcome) == {KEY: b"a0m0b0"}


@pytest.mark.parametrize("handlers", [("trap", "a"), ("a", "trap", "b"), ("grow", "trap")])
def test_a_trap_of_one_undoes_the_event_and_the_next_event_begins_anew(handlers):
    traps = program(NOTING, routes={"DEFAULT": list(handlers), "fine": ["a", "b"]})
    instance = Instance(traps, "d", 0)
    outcome = instance.run(packed([message(b"x", 1), message(b"x", 2, event_type="fine")]))
    assert outcome.dead == {DeadReason.TRAP: 1}
    assert state(outcome) == {KEY: b"a0b0"}
    assert len(outputs(outcome, "dead")) == 1


def test_the_fuel_is_the_events():
    enough = Ceilings(fuel=100_000)
    once = program(NOTING, routes={"DEFAULT": "spend"}, ceilings=enough)
    twice = program(NOTING, routes={"DEFAULT": ["spend", "grow", "spend"]}, ceilings=enough)
    assert Instance(once, "d", 0).run(numbered([b"x"])).dead == {}
    assert Instance(twice, "d", 0).run(numbered([b"x"])).dead == {DeadReason.FUEL_EXHAUSTED: 1}


def test_types_of_their_own_default_and_neither():
    routed = program(NOTING, routes={"one": "a", "two": ["a", "b"]})
    instance = Instance(routed, "d", 0)
    kinds = ["two", "one", "three"]
    outcome = instance.run(
        packed([message(b"x", i, event_type=kind) for i, kind in enumerate(kinds)])
    )
    assert state(outcome) == {KEY: b"a0b0a0"}
    assert outcome.dead == {DeadReason.NO_HANDLER: 1}


MANIFEST = {"dapp": {"name": "d"}, "program": {"file": "p.wasm"}}


def test_a_manifest_names_one_handler_or_several():
    manifest = parse_manifest(MANIFEST | {"events": {"A": "x", "B": ["y", "x"]}}, "m")
    assert manifest.events == {"A": "x", "B": ["y", "x"]}
    assert parse_manifest(manifest.model_dump(mode="json"), "again") == manifest


@pytest.mark.parametrize(
    ("handlers", "said"),
    [
        ([], "at least 1"),
        (["a", "a"], "named twice"),
        (["h"] * (limits.EVENT_HANDLERS_MAX + 1), f"at most {limits.EVENT_HANDLERS_MAX}"),
        (["9"], "events"),
    ],
)
def test_handlers_that_a_manifest_cannot_name(handlers, said):
    with pytest.raises(ManifestError, match=said):
        parse_manifest(MANIFEST | {"events": {"A": handlers}}, "m")
