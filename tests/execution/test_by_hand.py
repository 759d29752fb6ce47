"""Records that a plain producer may write: none stops an instance, each has its dead letter."""

import pytest

from streams import limits, records
from streams.delivery.batch import pack_records
from streams.execution.instance import Instance, Outcome
from streams.records import DeadReason
from tests.execution.feeding import TIME_MS, message, outputs
from tests.execution.guests import KEEPER, program

FAR = 1 << 33  # epochs ahead of the open one


def run(*pairs: tuple[bytes | None, bytes | None]) -> tuple[Instance, Outcome]:
    instance = Instance(program(KEEPER), "dapp", 0)
    keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    packed = pack_records(keys, values, list(range(len(pairs))), [TIME_MS] * len(pairs))
    return instance, instance.run(packed)


@pytest.mark.parametrize(
    ("size", "is_dead"), [(limits.DEVICE_BYTES_MAX, False), (70_000, True), (2**16 + 5, True)]
)
def test_a_key_that_no_device_can_have(size: int, is_dead: bool) -> None:
    _, outcome = run((b"k" * size, b"{}"))
    assert outcome.dead == ({DeadReason.NO_DEVICE: 1} if is_dead else {})
    if is_dead:
        (letter,) = outcome.records["dead"]
        assert letter["key"] == b"k" * size


@pytest.mark.parametrize("is_raw", [True, False])
def test_a_payload_over_the_limit(is_raw: bool) -> None:
    payload = b"x" * (limits.PAYLOAD_BYTES_MAX + 1)
    value = payload if is_raw else message(payload, 5).encode()
    _, outcome = run((b"did:x", value), (b"did:x", b"{}"))
    assert outcome.dead == {DeadReason.TOO_LARGE: 1}
    assert outcome.processed == 1
    (letter,) = outputs(outcome, "dead")
    assert letter.b == value
    assert b"262145 bytes" in letter.a


def test_a_dead_letter_keeps_what_fits_into_a_record() -> None:
    value = b"t" * (3 * limits.MIB)
    _, outcome = run((b"did:x", value))
    (letter,) = outputs(outcome, "dead")
    assert letter.b == value[: limits.RECORD_BYTES_MAX]
    assert b"cut" in letter.a
    assert len(letter.encode()) < limits.OUTPUT_RECORD_BYTES_MAX


@pytest.mark.parametrize("epoch", [FAR, 2**63, 2**64 - 1])
def test_a_barrier_of_an_epoch_that_cannot_be(epoch: int) -> None:
    instance, outcome = run((None, records.barrier(epoch, TIME_MS)), (b"did:x", b"{}"))
    assert outcome.dead == {DeadReason.MALFORMED_RECORD: 1}
    assert outcome.processed == 1
    assert instance.epoch == 1
