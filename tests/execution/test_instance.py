"""A program's batches: what they write, what a failed event leaves, what can be taken back."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import limits
from streams.execution.instance import Instance
from streams.execution.program import Ceilings
from streams.records import DeadReason, Kind, barrier, decode_summary
from tests.execution.feeding import (
    as_changelog,
    message,
    numbered,
    outputs,
    packed,
    state,
    state_root,
    tree_root,
)
from tests.execution.guests import ACTOR, KEEPER, program

KEY = b"state:key"
SMALL = Ceilings(fuel=1_000_000, output_bytes=10_000)


@pytest.fixture(scope="module")
def keeper():
    return program(KEEPER)


@pytest.fixture(scope="module")
def actor():
    return program(ACTOR, ceilings=SMALL)


def test_a_batch_gives_results_and_one_state_change_a_key(keeper):
    outcome = Instance(keeper, "d", 0).run(numbered([b'{"a":1}', b'{"a":2}']))
    assert [one.b for one in outputs(outcome, "results")] == [b'{"a":1}', b'{"a":2}']
    assert state(outcome) == {KEY: b'{"a":2}'}
    assert (outcome.processed, outcome.results, outcome.dead) == (2, 2, {})
    first = outputs(outcome, "results")[0]
    assert (first.kind, first.device, first.label, first.epoch) == (
        Kind.RESULT,
        b"did:x",
        "DEFAULT",
        1,
    )
    assert first.program == keeper.digest[:8]


def test_a_result_that_is_no_json_object_is_refused(keeper):
    outcome = Instance(keeper, "d", 0).run(numbered([b"[1]", b"{", b"", b'{"a":\xff}', b"{} "]))
    assert [one.b for one in outputs(outcome, "results")] == [b"{} "]
    assert outcome.processed == 5  # the handler returned 10, W3bStream's ParamIllegal


@pytest.mark.parametrize(
    ("payload", "reason", "detail"),
    [
        (b"trap", DeadReason.TRAP, b"unreachable"),
        (b"loop", DeadReason.FUEL_EXHAUSTED, b"more instructions"),
        (b"write", DeadReason.OUTPUT_LIMIT, b"output ceiling"),
        (b"recurse", DeadReason.STACK_EXHAUSTED, b"nested deeper"),
    ],
)
def test_a_failed_event_leaves_a_dead_letter_and_nothing_else(actor, payload, reason, detail):
    outcome = Instance(actor, "d", 0).run(numbered([b"ok-1", payload, b"ok-2"]))
    (letter,) = outputs(outcome, "dead")
    assert letter.label == reason
    assert detail in letter.a
    assert letter.b == message(payload, 1).encode()
    assert outcome.dead == {reason: 1}
    assert outcome.processed == 2
    assert state(outcome) == {KEY: b"ok-2"}
    alone = Instance(actor, "d", 0).run(numbered([payload]))
    assert state(alone) == {}
    assert outputs(alone, "dead")[0].label == reason


def test_a_negative_code_is_a_dead_letter_that_says_why_and_keeps_the_writes(actor):
    outcome = Instance(actor, "d", 0).run(numbered([b"negative"]))
    (letter,) = outputs(outcome, "dead")
    assert letter.label == DeadReason.RETURNED_ERROR
    assert letter.a == b"key of t\nthe handler returned -7"
    assert state(outcome) == {KEY: b"negative"}


def test_what_an_event_comes_to_does_not_depend_on_its_batch(actor):
    payloads = [b"ok", b"trap", b"claim-1", b"loop", b"grow", b"negative", b"claim-2", b"ok2"] * 3
    whole = Instance(actor, "d", 0)
    at_once = whole.run(numbered(payloads))
    single = Instance(actor, "d", 0)
    singles = [single.run(numbered([one], first=i)) for i, one in enumerate(payloads)]
    for stream in ("results", "claims", "dead"):
        assert at_once.records[stream] == [
            record for one in singles for record in one.records[stream]
        ]
    assert state(at_once) == state(singles[-1])
    progress = [one.records["state"][-1] for one in (at_once, singles[-1])]
    assert progress[0] == progress[1]


def test_no_global_or_memory_survives_an_event_unless_kept():
    counting = """
     (func (export "start") (param $rid i32) (result i32)
       (global.set $count (i32.add (global.get $count) (i32.const 1)))
       (i32.store (i32.const 200) (i32.add (i32.load (i32.const 200)) (i32.const 1)))
       (i32.store (i32.const 204) (global.get $count))
       (call $set_db (i32.const 64) (i32.const 9) (i32.const 200) (i32.const 8)))
    """
    fresh = Instance(program(counting), "d", 0).run(numbered([b"x"] * 3))
    kept = Instance(program(counting, instance="kept"), "d", 0).run(numbered([b"x"] * 3))
    assert state(fresh) == {KEY: b"\1\0\0\0\1\0\0\0"}
    assert state(kept) == {KEY: b"\3\0\0\0\3\0\0\0"}


def test_a_start_function_runs_with_the_host_there_and_its_traces_are_every_events_start():
    starting = """
     (func $init (global.set $count (i32.const 41)))
     (start $init)
     (func (export "start") (param $rid i32) (result i32)
       (global.set $count (i32.add (global.get $count) (i32.const 1)))
       (i32.store (i32.const 200) (global.get $count))
       (call $set_db (i32.const 64) (i32.const 9) (i32.const 200) (i32.const 4)))
    """
    outcome = Instance(program(starting), "d", 0).run(numbered([b"x"] * 2))
    assert state(outcome) == {KEY: b"\x2a\0\0\0"}


def test_grown_memory_does_not_reach_the_next_event(actor):
    instance = Instance(actor, "d", 0)
    outcome = instance.run(numbered([b"grow", b"ok", b"grow"]))
    assert outcome.processed == 3
    assert instance.renewals == 2


def test_a_batch_that_spends_its_fuel_is_cut_and_goes_on_where_it_stopped():
    looping = program(ACTOR, ceilings=Ceilings(fuel=limits.BATCH_FUEL_MAX // 10))
    instance = Instance(looping, "d", 0)
    batch = numbered([b"loop"] * 12)
    first = instance.run(batch)
    rest = instance.run(batch, first.consumed)
    assert (first.consumed, first.next_offset) == (10, 10)
    assert (rest.consumed, rest.next_offset) == (12, 12)
    assert sum(first.dead.values()) + sum(rest.dead.values()) == 12


def test_a_kept_instance_keeps_the_memory_that_it_grew():
    instance = Instance(program(ACTOR, instance="kept"), "d", 0)
    assert instance.run(numbered([b"grow"] * 5)).processed == 5
    assert instance.renewals == 0
    assert instance.run(numbered([b"trap", b"ok"], first=5)).processed == 1
    assert instance.renewals == 1


@pytest.mark.slow
def test_a_store_is_replaced_before_it_is_full_and_state_moves_over(actor):
    instance = Instance(actor, "d", 0)
    for i in range(11):
        instance.run(numbered([b"grow"] * 100, first=i * 100))
        instance.commit()
    assert instance.renewals == 1100
    outcome = instance.run(numbered([b"ok"], first=1100))
    assert outcome.processed == 1
    assert instance.next_offset == 1101
    assert instance.state_keys == 1


def test_repeats_are_dropped_also_when_their_first_was_a_dead_letter(actor):
    instance = Instance(actor, "d", 0)
    one, two = message(b"ok", 1), message(b"trap", 2)
    assert instance.run(packed([one, two, one, two])).repeats == 2
    again = instance.run(packed([one, message(b"ok", 3)], 4))
    assert (again.repeats, again.processed) == (1, 1)
    other_device = message(b"ok", 1, device="did:y")
    assert instance.run(packed([other_device], 6)).repeats == 0


def test_records_that_are_no_messages_become_dead_letters_with_their_bytes(actor):
    instance = Instance(actor, "d", 0)
    cut = message(b"x", 1).encode()[:40]
    summary = b"\xb3\x01\x08" + bytes(60)
    outcome = instance.run(packed([cut, summary, b"a raw one", b"\xb3"]))
    assert [one.label for one in outputs(outcome, "dead")] == [DeadReason.MALFORMED_RECORD] * 3
    assert [one.b for one in outputs(outcome, "dead")] == [cut, summary, b"\xb3"]
    assert outcome.processed == 1


def test_raw_records_need_a_key_that_names_the_device(actor):
    from streams.delivery.batch import pack_records

    batch = pack_records(
        [None, b"\xff\xfe", b"did:z", b"did:z"], [b"x", b"y", None, b"ok"], [0, 1, 2, 3], [5] * 4
    )
    outcome = Instance(actor, "d", 0).run(batch)
    assert [one.label for one in outputs(outcome, "dead")] == [
        DeadReason.NO_DEVICE,
        DeadReason.KEY_NOT_UTF8,
        DeadReason.NO_VALUE,
    ]
    assert [one["key"] for one in outcome.records["dead"]] == [b"", b"\xff\xfe", b"did:z"]
    assert outcome.processed == 1


def test_an_event_type_without_a_handler():
    strict = program(ACTOR, routes={"TRIP": "start"})
    outcome = Instance(strict, "d", 0).run(
        packed([message(b"ok", 1), message(b"ok", 2, event_type="TRIP")])
    )
    assert [one.label for one in outputs(outcome, "dead")] == [DeadReason.NO_HANDLER]
    assert outcome.processed == 1


def test_open_batches_are_taken_back_together(actor):
    instance = Instance(actor, "d", 0)
    kept = instance.run(numbered([b"a", b"claim"]))
    instance.commit()
    first = instance.run(packed([message(b"b", 2), barrier(1, 5), message(b"c", 4)], 2))
    second = instance.run(numbered([b"d", b"claim!"], first=5))
    assert instance.rollback()
    assert instance.next_offset == 2
    assert instance.epoch == 1
    again = instance.run(packed([message(b"b", 2), barrier(1, 5), message(b"c", 4)], 2))
    then = instance.run(numbered([b"d", b"claim!"], first=5))
    assert (again.records, then.records) == (first.records, second.records)
    restored = Instance(actor, "d", 0)
    restored.restore(as_changelog(kept))
    assert restored.run(packed([message(b"b", 2), barrier(1, 5), message(b"c", 4)], 2)).records == (
        first.records
    )


def test_a_restored_partition_goes_on_as_if_nothing_had_been(actor):
    payloads = [b"claim" if i % 5 == 0 else b"ok" for i in range(600)]
    undisturbed = Instance(actor, "d", 0)
    first = undisturbed.run(numbered(payloads[:500]))
    rest = packed(
        [*(message(one, 500 + i) for i, one in enumerate(payloads[500:])), barrier(1, 0)], 500
    )
    restored = Instance(actor, "d", 0)
    restored.restore(as_changelog(first))
    restored.remember(numbered(payloads[:500]))
    assert restored.next_offset == 500
    assert restored.run(rest).records == undisturbed.run(rest).records
    assert restored.run(numbered(payloads[:10])).repeats == 10


def test_an_epochs_summary_holds_the_roots_that_their_definitions_give(actor):
    instance = Instance(actor, "dapp", 3)
    payloads = [b"ok", b"claim-a", b"trap", b"claim-b", b"negative"]
    messages = [message(one, i) for i, one in enumerate(payloads)]
    outcome = instance.run(packed([*messages, messages[0], barrier(1, 77)]))
    summary = decode_summary(outputs(outcome, "claims")[-1])
    values = [one.encode() for one in messages]
    leaves = [hashlib.sha256(b"\x00\x00\x00\x00\x05did:x" + one).digest() for one in values]
    assert summary.input_root == tree_root(leaves)
    assert summary.state_root == state_root({KEY: b"negative"})
    claim_leaves = []
    for index, (at, statement) in enumerate([(1, b"claim-a"), (3, b"claim-b")]):
        salt = hashlib.sha256(b"\x02" + leaves[at]).digest()[:16]
        numbers = b"".join(n.to_bytes(size, "big") for n, size in ((1, 8), (3, 4), (index, 4)))
        leaf = b"\x00\x04dapp" + numbers + salt + b"\0\0\0\5state" + b"\0\0\0\7" + statement
        claim_leaves.append(hashlib.sha256(leaf).digest())
    assert summary.claims_root == tree_root(claim_leaves)
    counts = (summary.messages, summary.repeats, summary.dead, summary.claims)
    assert counts == (5, 1, 2, 2)
    assert (summary.epoch, summary.partition, instance.epoch) == (1, 3, 2)
    assert [one.index for one in outputs(outcome, "claims")[:2]] == [0, 1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=9)), max_size=60), st.data())
def test_the_state_root_depends_on_the_state_alone(entries, data):
    setting = """
     (func (export "start") (param $rid i32) (result i32)
       (call $read (local.get $rid))
       (call $set_db (i32.add (call $in) (i32.const 1)) (i32.load8_u (call $in))
         (i32.add (i32.add (call $in) (i32.const 1)) (i32.load8_u (call $in)))
         (i32.sub (i32.sub (call $len) (i32.const 1)) (i32.load8_u (call $in)))))
    """
    instance = Instance(program(setting), "d", 0)
    payloads = [bytes([len(key)]) + key + value for key, value in entries]
    cut = data.draw(st.integers(0, len(payloads)))
    first = [message(one, i) for i, one in enumerate(payloads[:cut])]
    rest = [message(one, cut + i) for i, one in enumerate(payloads[cut:])]
    outcome = instance.run(packed([*first, barrier(1, 0), *rest, barrier(2, 0)]))
    roots = [decode_summary(one).state_root for one in outputs(outcome, "claims")]
    assert roots == [state_root(dict(entries[:cut])), state_root(dict(entries))]


def test_claims_are_salted_so_that_equal_statements_differ(actor):
    outcome = Instance(actor, "d", 0).run(numbered([b"claim", b"claim"]))
    one, two = outputs(outcome, "claims")
    assert one.b[16:] == two.b[16:] == b"claim"
    assert one.b[:16] != two.b[:16]


def test_a_claim_that_no_contract_could_check_is_refused():
    claiming = """
     (func (export "start") (param $rid i32) (result i32)
       (call $read (local.get $rid))
       (call $claim (i32.const 64) (i32.const 5) (call $in) (call $len)))
    """
    fits, too_long = (
        bytes(limits.CLAIM_STATEMENT_BYTES_MAX),
        bytes(limits.CLAIM_STATEMENT_BYTES_MAX + 1),
    )
    outcome = Instance(program(claiming), "d", 0).run(numbered([fits, too_long]))
    assert [one.b[16:] for one in outputs(outcome, "claims")] == [fits]


@pytest.mark.parametrize("pointer", [0xFFFF_FFF0, 0x7FFF_FFFF, 65_530])
def test_pointers_past_the_end_are_refused_not_followed(pointer):
    reaching = f"""
     (func (export "start") (param $rid i32) (result i32)
       (i32.store (i32.const 200) (call $set_db (i32.const {pointer}) (i32.const 9)
          (i32.const 0) (i32.const 4)))
       (i32.store (i32.const 204) (call $get_data (local.get $rid) (i32.const {pointer})
          (i32.const 65534)))
       (i32.store (i32.const 208) (call $set_data (i32.const 7) (i32.const 0)
          (i32.const {pointer})))
       (call $set_db (i32.const 64) (i32.const 9) (i32.const 200) (i32.const 12)))
    """
    outcome = Instance(program(reaching), "d", 0).run(numbered([b"x"]))
    assert outcome.dead == {}
    codes = state(outcome)[KEY]
    assert codes[:8] == b"\2\0\0\0\5\0\0\0"
    if pointer > 65_536:
        assert codes[8:] == b"\5\0\0\0"


# Its start function writes whatever there is to write, and traps if it sees an event or state.
CURIOUS = """
 (func $init
   (drop (call $set_db (i32.const 64) (i32.const 5) (i32.const 64) (i32.const 5)))
   (drop (call $claim (i32.const 64) (i32.const 5) (i32.const 64) (i32.const 5)))
   (i32.store16 (i32.const 32) (i32.const 0x7d7b))
   (drop (call $result (i32.const 32) (i32.const 2)))
   (if (i64.ne (call $time) (i64.const 0)) (then (unreachable)))
   (if (i32.eqz (call $get_db (i32.const 64) (i32.const 9) (i32.const 0) (i32.const 4)))
     (then (unreachable))))
 (start $init)
"""


def test_a_start_function_sees_and_leaves_nothing_however_often_it_runs() -> None:
    """Each event that traps in an instance that is kept has a new one made for the next."""
    it = Instance(program(CURIOUS + ACTOR, instance="kept"), "d", 0)
    outcome = it.run(numbered([b"t", b"a", b"t", b"c"], 0))
    it.commit()
    assert it.renewals == 2
    assert dict(outcome.dead) == {DeadReason.TRAP: 2}
    assert [len(outputs(outcome, stream)) for stream in ("results", "claims")] == [0, 1]
    assert state(outcome) == {KEY: b"c"}


def test_the_handlers_left_of_an_event_run_after_a_renewal_that_has_a_start_function() -> None:
    routes: dict[str, str | list[str]] = {"DEFAULT": ["grow", "start"]}
    grow = '(func (export "grow") (param i32) (result i32) (memory.grow (i32.const 1)))'
    it = Instance(program(CURIOUS + KEEPER + grow, routes=routes), "d", 0)
    outcome = it.run(numbered([b'{"a":1}', b'{"a":2}'], 0))
    assert it.renewals == 2
    assert [one.b for one in outputs(outcome, "results")] == [b'{"a":1}', b'{"a":2}']
