"""Packing, against a plain reading of the layout that streams/delivery/batch.py documents."""

import struct

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.batch import Slice, pack, pack_records, slices_of, spans


def message(
    topic: str, partition: int, offset: int, time_ms: int, key: bytes | None, value: bytes | None
) -> Message:
    return Message(
        topic=topic, partition=partition, offset=offset, timestamp=(1, time_ms), key=key,
        value=value,
    )  # fmt: skip


Plain = tuple[int, int, bytes | None, bytes | None]  # offset, time, key, value

texts = st.none() | st.binary(max_size=40)
int64s = st.integers(-(2**63), 2**63 - 1)
plain_records = st.lists(st.tuples(int64s, int64s, texts, texts), max_size=30)
logged = st.lists(st.tuples(st.integers(0, 2**63 - 1), int64s, texts, texts), max_size=30)


def unpack(packed: bytes) -> list[Plain]:
    """One field after another, as the layout's description has them."""
    count, zero = struct.unpack_from("<II", packed)
    assert zero == 0
    at = 8
    columns = []
    for letter, size in (("q", 8), ("q", 8), ("i", 4), ("i", 4)):
        columns.append(struct.unpack_from(f"<{count}{letter}", packed, at))
        at += count * size
    offsets, times, key_lengths, value_lengths = columns
    taken: list[list[bytes | None]] = []
    for lengths in (key_lengths, value_lengths):
        column: list[bytes | None] = []
        for length in lengths:
            column.append(None if length < 0 else packed[at : at + length])
            at += max(length, 0)
        taken.append(column)
    assert at == len(packed)
    return list(zip(offsets, times, *taken, strict=True))


def packed_of(records: list[Plain]) -> bytes:
    columns = [list(column) for column in zip(*records, strict=True)] or [[], [], [], []]
    offsets, times, keys, values = columns
    return pack_records(keys, values, offsets, times)


@given(plain_records)
def test_what_is_packed_reads_back(records: list[Plain]) -> None:
    assert unpack(packed_of(records)) == records


@given(logged)
def test_messages_pack_like_their_columns(records: list[Plain]) -> None:
    messages = [message("t", 0, *one) for one in records]
    assert pack(messages) == packed_of(records)


@given(plain_records)
def test_spans_are_where_the_values_lie(records: list[Plain]) -> None:
    packed = packed_of(records)
    piece = Slice("t", 0, 0, 0, len(records), packed, 1)
    found = [(offset, packed[start:end]) for offset, start, end in spans(piece)]
    assert found == [(offset, value or b"") for offset, _, _, value in records]


places = st.tuples(st.sampled_from("ab"), st.integers(0, 2))


@given(st.lists(places, max_size=40), st.sets(places))
def test_a_poll_becomes_a_slice_a_partition(
    order: list[tuple[str, int]], assigned: set[tuple[str, int]]
) -> None:
    """In each partition's order, however the poll mixed them; what is not assigned is dropped."""
    messages = [
        message(topic, partition, 10 * number, 5, b"k", b"%d" % number)
        for number, (topic, partition) in enumerate(order)
    ]
    incarnations = {place: number for number, place in enumerate(sorted(assigned))}
    slices = slices_of(messages, incarnations)
    expected: dict[tuple[str, int], list[Message]] = {}
    for place, one in zip(order, messages, strict=True):
        expected.setdefault(place, []).append(one)
    assert {(piece.topic, piece.partition) for piece in slices} == expected.keys() & assigned
    for piece in slices:
        part = expected[piece.topic, piece.partition]
        assert piece.count == len(part)
        assert piece.first_offset == part[0].offset()
        assert piece.next_offset == part[-1].offset() + 1
        assert piece.incarnation == incarnations[piece.topic, piece.partition]
        assert [value for *_, value in unpack(piece.packed)] == [one.value() for one in part]
