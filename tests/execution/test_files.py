"""Files that programs keep: by name, within a quota, undone with their event."""

import hashlib
from pathlib import Path

import pytest

from streams.execution.files import file_answers
from streams.execution.instance import ALL_LOGS, Instance
from streams.execution.outside import InstanceLost
from streams.execution.program import Ceilings, Specification, load
from streams.execution.trial import Event, Trial
from streams.filesystem.store import FileStore
from streams.records import DeadReason
from tests.execution.feeding import as_changelog, numbered, outputs, state
from tests.execution.guests import PRELUDE, wasm

IMPORTS = """
 (import "w3b" "file_get" (func $file_get (param i32 i32 i32 i32) (result i32)))
 (import "w3b" "file_put" (func $file_put (param i32 i32 i32 i32) (result i32)))
"""

# p + a letter + content puts a file by that letter, t does and then traps, g + a letter gives a
# file's content to a key, n puts one of no name, k sets the key that is the rest of the payload.
BODY = """
 (func $put (result i32)
   (call $file_put (i32.add (call $in) (i32.const 1)) (i32.const 1)
     (i32.add (call $in) (i32.const 2)) (i32.sub (call $len) (i32.const 2))))
 (func (export "start") (param $rid i32) (result i32) (local $what i32) (local $code i32)
   (call $read (local.get $rid))
   (local.set $what (i32.load8_u (call $in)))
   (if (i32.eq (local.get $what) (i32.const 112)) (then (return (call $put))))
   (if (i32.eq (local.get $what) (i32.const 116)) (then (drop (call $put)) (unreachable)))
   (if (i32.eq (local.get $what) (i32.const 110)) (then
     (return (call $file_put (call $in) (i32.const 0) (call $in) (i32.const 1)))))
   (if (i32.eq (local.get $what) (i32.const 107)) (then
     (drop (call $set_db (i32.const 64) (i32.const 9) (call $in) (call $len)))
     (return (call $set_db (i32.add (call $in) (i32.const 1))
       (i32.sub (call $len) (i32.const 1)) (call $in) (i32.const 1)))))
   (local.set $code (call $file_get (i32.add (call $in) (i32.const 1))
     (i32.sub (call $len) (i32.const 1)) (i32.const 16) (i32.const 20)))
   (if (i32.eqz (local.get $code)) (then (drop (call $set_db (i32.const 64) (i32.const 9)
     (i32.load (i32.const 16)) (i32.load (i32.const 20))))))
   (local.get $code))
"""


@pytest.fixture(scope="module")
def binary():
    return wasm(IMPORTS + PRELUDE + BODY, "")


@pytest.fixture(scope="module")
def keeping(binary):
    return load(binary, Specification({"DEFAULT": "start"}, ceilings=Ceilings(files_bytes=20)))


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(str(tmp_path))


def instance(program, store: FileStore) -> Instance:
    return Instance(program, "d", 0, ALL_LOGS, file_answers(store))


def codes(one: Instance, *payloads: bytes, first: int = 0) -> list[int]:
    found = []
    for i, payload in enumerate(payloads, first):
        one.run(numbered([payload], i))
        found.append(one.code)
    return found


def test_a_file_comes_back_by_its_name_and_a_blob_is_in_the_store(keeping, store):
    one = instance(keeping, store)
    assert codes(one, b"pahello", b"pbworld", b"pahi") == [0, 0, 0]
    assert state(one.run(numbered([b"ga"], 3)))[b"state:key"] == b"hi"
    assert codes(one, b"gc", b"g", b"n", b"g" + b"x" * 257, first=4) == [2, 10, 10, 10]
    assert store.get(hashlib.sha256(b"world").hexdigest()) == b"world"


def test_names_are_records_of_their_own_and_are_restored(keeping, store):
    one = instance(keeping, store)
    outcome = one.run(numbered([b"paone", b"pbtwo"]))
    assert state(outcome) == {}
    keys = [record["key"] for record in outcome.records["state"]]
    assert keys == [b"fa", b"f", b"fb", b"p"]
    again = instance(keeping, store)
    again.restore(as_changelog(outcome))
    assert state(again.run(numbered([b"gb"], 2)))[b"state:key"] == b"two"
    assert codes(again, b"pc" + b"x" * 14, first=3) == [0]  # 3 + 3 + 14 bytes: all there may be
    assert again.run(numbered([b"pdx"], 4)).dead == {DeadReason.FILES_LIMIT: 1}


def test_what_a_trap_or_an_aborted_batch_put_is_not_there(keeping, store):
    one = instance(keeping, store)
    one.run(numbered([b"paold"]))
    one.commit()
    one.run(numbered([b"tanew", b"pbother"], 1))
    assert one.rollback()
    undone = one.run(numbered([b"ga", b"gb"], 1))
    assert state(undone) == {b"state:key": b"old"}
    assert codes(one, b"gb", first=3) == [2]


def test_the_quota_counts_what_has_a_name(keeping, store):
    one = instance(keeping, store)
    assert codes(one, *[b"pa" + bytes([i]) * 15 for i in range(5)], b"pb12345") == [0] * 6
    letter = outputs(one.run(numbered([b"pb123456"], 6)), "dead")[0]
    assert letter.label == DeadReason.FILES_LIMIT
    assert letter.a.startswith(b"the program's files are at their ceiling\n")
    assert codes(one, b"pa", b"pb123456", first=7) == [0, 0]


def test_a_program_cannot_reach_the_names_by_its_keys(keeping, store):
    one = instance(keeping, store)
    outcome = one.run(numbered([b"pahello", b"k\0w3b file\0a", b"ga"]))
    assert state(outcome) == {b"state:key": b"hello"}
    assert b"the node's own" in outputs(outcome, "dead")[0].a
    free = b"\0w3b file"
    assert free in state(one.run(numbered([b"k" + free], 3)))


def test_without_a_store_nothing_is_put(keeping):
    one = Instance(keeping, "d", 0, ALL_LOGS)
    outcome = one.run(numbered([b"pahello"]))
    assert one.code == -1
    assert [line.b for line in outputs(outcome, "logs")] == [b"this node has no file store"]


def test_a_blob_that_is_lost_stops_the_partition_and_not_the_program(keeping, store, tmp_path):
    one = instance(keeping, store)
    codes(one, b"pahello")
    digest = hashlib.sha256(b"hello").hexdigest()
    (tmp_path / digest[:2] / digest).unlink()
    with pytest.raises(InstanceLost, match=digest):
        one.run(numbered([b"ga"], 1))


def test_a_store_that_cannot_be_written_stops_it_too(keeping, tmp_path):
    (tmp_path / "a file").write_bytes(b"")
    with pytest.raises(InstanceLost, match="cannot be written"):
        codes(instance(keeping, FileStore(str(tmp_path / "a file"))), b"pahello")


def test_a_trial_has_files_of_its_own(binary):
    trial = Trial(load(binary, Specification({"DEFAULT": "start"})))
    trial.feed(Event(b"pahello"))
    effects = trial.feed(Event(b"ga"))
    assert (effects.code, effects.kv) == (0, {b"state:key": b"hello"})
