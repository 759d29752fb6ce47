"""An erasure takes a device's keys out of keyed state, at its place in the log and nowhere else."""

import pytest

from streams.execution.instance import Instance
from streams.execution.program import Program
from streams.records import Erasure, Kind, barrier, decode_erasure, decode_summary
from tests.execution.feeding import as_changelog, message, outputs, packed, state_root
from tests.execution.guests import program

# Payload -> a result, and the value of two keys: the device's name, and one that all share.
BY_DEVICE = """
 (func (export "start") (param $rid i32) (result i32)
   (call $read (local.get $rid))
   (drop (call $device (i32.const 16) (i32.const 20)))
   (drop (call $set_db (i32.load (i32.const 16)) (i32.load (i32.const 20)) (call $in) (call $len)))
   (drop (call $set_db (i32.const 64) (i32.const 9) (call $in) (call $len)))
   (call $result (call $in) (call $len)))
"""
ANN, BOB = "did:key:zAnn", "did:key:zBob"
ERASED = Erasure(bytes(15) + b"\7", 1_700_000_000_500, (ANN, "did:key:zNobody"))
LOG = [
    message(b'{"n":1}', 1, ANN),
    message(b'{"n":2}', 2, BOB),
    ERASED.encode(),
    message(b'{"n":3}', 3, BOB),
    barrier(1, 5),
]


@pytest.fixture(scope="module")
def by_device() -> Program:
    return program(BY_DEVICE)


def changed(*outcomes) -> dict[bytes, bytes | None]:
    """What a changelog says of the program's keys in the end."""
    records = [one for outcome in outcomes for one in outcome.records["state"]]
    return {one["key"][1:]: one["value"] for one in records if one["key"].startswith(b"k")}


def root(*outcomes) -> bytes:
    summaries = [one for outcome in outcomes for one in outputs(outcome, "claims")]
    return decode_summary(summaries[-1]).state_root


def test_keys_go_and_every_output_is_told_at_that_place(by_device: Program) -> None:
    outcome = Instance(by_device, "d", 0).run(packed(LOG))
    left = {BOB.encode(): b'{"n":3}', b"state:key": b'{"n":3}'}
    assert changed(outcome) == left | {ANN.encode(): None}
    assert outcome.state_keys == 2
    assert root(outcome) == state_root(left)
    kinds = [one.kind for one in outputs(outcome, "results")]
    assert kinds == [Kind.RESULT, Kind.RESULT, Kind.ERASURE, Kind.RESULT]
    for stream in ("results", "claims", "effects", "dead"):
        (said,) = [one for one in outputs(outcome, stream) if one.kind is Kind.ERASURE]
        told = decode_erasure(said)
        assert told == Erasure(ERASED.erasure_id, ERASED.time_ms, ERASED.devices, keys=1)
    assert (outcome.processed, outcome.results, outcome.dead) == (3, 3, {})


def test_batches_and_restarts_change_nothing(by_device: Program) -> None:
    whole = Instance(by_device, "d", 0).run(packed(LOG))
    instance, parts = Instance(by_device, "d", 0), []
    for at, one in enumerate(LOG):
        parts.append(instance.run(packed([one], at)))
        instance = Instance(by_device, "d", 0)
        instance.restore(as_changelog(*parts))
    assert root(*parts) == root(whole)
    assert changed(*parts) == changed(whole)
    assert instance.state_keys == 2


def test_it_comes_back_with_an_aborted_batch_and_goes_again(by_device: Program) -> None:
    instance = Instance(by_device, "d", 0)
    instance.run(packed(LOG[:2]))
    instance.commit()
    instance.run(packed(LOG[2:3], 2))
    assert instance.state_keys == 2
    assert instance.rollback()
    assert instance.state_keys == 3
    again = instance.run(packed(LOG[2:], 2))
    assert root(again) == root(Instance(by_device, "d", 0).run(packed(LOG)))


def test_what_the_device_sends_later_is_kept(by_device: Program) -> None:
    later = message(b'{"n":9}', 9, ANN)
    outcome = Instance(by_device, "d", 0).run(packed([*LOG[:3], later]))
    assert changed(outcome)[ANN.encode()] == b'{"n":9}'
