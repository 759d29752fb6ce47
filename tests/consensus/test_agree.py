"""Agreement over the records of ``claims``, and the positions that it lets be committed."""

from collections.abc import Sequence
from hashlib import sha256

import pytest

from streams.clock import ManualClock
from streams.commitments import Commitment, Domain, address_of, signer_of
from streams.consensus.agree import Agree
from streams.consensus.combine import combine
from streams.delivery.batch import Position, Slice, pack_records
from streams.records import SUMMARY_BODY, Kind, Output, Summary
from tests.consensus.test_combine import summary

SECRET = sha256(b"authority").digest()
DOMAIN = Domain(31337, bytes(20))
TOPIC = "claims.dapp"


def record(said: Summary) -> bytes:
    body = SUMMARY_BODY.pack(
        said.partition, said.input_root, said.claims_root, said.state_root,
        said.messages, said.repeats, said.dead, said.results, said.claims, said.program,
    )  # fmt: skip
    return Output(
        Kind.SUMMARY, "", b"", 0, bytes(16), said.epoch, said.program[:8], 0, b"", body
    ).encode()


def claim(epoch: int, index: int) -> bytes:
    return Output(
        Kind.CLAIM, "DEFAULT", b"did:key:z", 0, bytes(16), epoch, b"program!", index,
        b"subject", bytes(16) + b"{}",
    ).encode()  # fmt: skip


def piece(partition: int, values: Sequence[bytes | None], first: int) -> Slice:
    offsets = range(first, first + len(values))
    packed = pack_records([b"key"] * len(values), values, offsets, [0] * len(values))
    return Slice(TOPIC, partition, first, offsets[-1] + 1, len(values), packed, 1)


@pytest.fixture
def agree() -> Agree:
    made = Agree(SECRET, DOMAIN, lambda dapp: 2, ManualClock())
    made.assigned([(TOPIC, 0), (TOPIC, 1)])
    return made


def certified(commitments: Sequence[Commitment]) -> list[int]:
    return [one.checkpoint.epoch for one in commitments]


def test_an_epoch_is_signed_when_all_partitions_have_spoken(agree: Agree) -> None:
    waiting = agree.feed([piece(0, [claim(1, 0), record(summary(1, 0))], 10)])
    assert (waiting.commitments, waiting.positions) == ((), ())
    done = agree.feed([piece(1, [None, b"raw", record(summary(1, 1)), claim(2, 0)], 50)])
    [made] = done.commitments
    assert made.checkpoint == combine("dapp", [summary(1, 0), summary(1, 1)])
    [signature] = made.signatures
    digest = made.checkpoint.digest(DOMAIN)
    assert signer_of(digest, signature.signature) == signature.signer == address_of(SECRET)
    assert set(done.positions) == {Position(TOPIC, 0, 12), Position(TOPIC, 1, 53)}


def test_positions_never_lie_inside_an_epoch(agree: Agree) -> None:
    ahead = [record(summary(epoch, 0)) for epoch in (1, 2, 3)]
    agree.feed([piece(0, ahead, 0)])
    done = agree.feed([piece(1, [record(summary(1, 1)), record(summary(2, 1))], 0)])
    assert certified(done.commitments) == [1, 2]
    assert set(done.positions) == {Position(TOPIC, 0, 2), Position(TOPIC, 1, 2)}


def test_a_restart_at_those_positions_signs_the_same(agree: Agree) -> None:
    logs = [[record(summary(epoch, part)) for epoch in range(1, 5)] for part in (0, 1)]
    agree.feed([piece(0, logs[0][:3], 0)])
    before = agree.feed([piece(1, logs[1][:1], 0)])
    at = {one.partition: one.offset for one in before.positions}

    restarted = Agree(SECRET, DOMAIN, lambda dapp: 2, ManualClock())
    restarted.assigned([(TOPIC, 0), (TOPIC, 1)])
    after = restarted.feed([piece(part, logs[part][at[part] :], at[part]) for part in (0, 1)])
    assert certified(before.commitments) == [1]
    assert certified(after.commitments) == [2, 3, 4]


def test_what_was_settled_before_is_passed_over(agree: Agree) -> None:
    both = [piece(part, [record(summary(1, part))], 0) for part in (0, 1)]
    assert certified(agree.feed(both).commitments) == [1]
    again = agree.feed(both)
    assert again.commitments == ()
    assert set(again.positions) == {Position(TOPIC, 0, 1), Position(TOPIC, 1, 1)}


def test_partitions_with_other_programs_are_passed_over(agree: Agree) -> None:
    agree.feed([piece(0, [record(summary(1, 0))], 0)])
    mixed = agree.feed([piece(1, [record(summary(1, 1, b"another!"))], 0)])
    assert mixed.commitments == ()
    assert set(mixed.positions) == {Position(TOPIC, 0, 1), Position(TOPIC, 1, 1)}


def test_a_summary_that_cannot_be_read_stops_nothing(agree: Agree) -> None:
    short = record(summary(1, 0))[:-1]
    done = agree.feed(
        [piece(0, [short, record(summary(1, 0))], 0), piece(1, [record(summary(1, 1))], 0)]
    )
    assert certified(done.commitments) == [1]


def test_a_dapp_that_comes_back_starts_anew(agree: Agree) -> None:
    both = [piece(part, [record(summary(9, part))], 0) for part in (0, 1)]
    agree.feed(both)
    agree.revoked([(TOPIC, 0), (TOPIC, 1)])
    agree.assigned([(TOPIC, 0), (TOPIC, 1)])
    first = [piece(part, [record(summary(1, part))], 0) for part in (0, 1)]
    assert certified(agree.feed(first).commitments) == [1]
