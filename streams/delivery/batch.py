"""A batch: what one poll brought, a packed slice for each partition.

The packed layout, little-endian, read by the driver (`streams/execution/driver`) and the sink's
encoder (`streams/database/encoder`) in wasm::

    u32  count n
    u32  0
    i64  offset[n]
    i64  timestamp_ms[n]        the record's, as the log has it
    i32  key_length[n]          -1: null
    i32  value_length[n]        -1: null
    ...  keys, one after another, then values, one after another
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from struct import pack as packed
from typing import Any

from confluent_kafka import Message


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a partition; ``offset`` -1 where none was ever committed."""

    topic: str
    partition: int
    offset: int
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive messages of one partition, packed."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int  # the last message's offset + 1; offsets between may be missing
    count: int
    packed: bytes
    incarnation: int  # which assignment or rewind of the partition fetched it


@dataclass(frozen=True, slots=True)
class Batch:
    """One poll's slices, with the group metadata that was current when they were fetched.

    Offsets committed with that metadata fail once the partitions may belong to somebody else;
    metadata read at commit time would not (a batch held over a rebalance would count twice).
    """

    slices: tuple[Slice, ...]
    group_metadata: Any


def pack(messages: Sequence[Message]) -> bytes:
    """The packed layout of one partition's messages, in their order."""
    # `map` over the type's own methods: looked up on each message they would cost four times that.
    return pack_records(
        list(map(Message.key, messages)),
        list(map(Message.value, messages)),
        list(map(Message.offset, messages)),
        [time_ms for _, time_ms in map(Message.timestamp, messages)],
    )


def pack_records(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    offsets: Sequence[int],
    timestamps_ms: Sequence[int],
) -> bytes:
    """The packed layout of records given as columns of equal length."""
    count = len(keys)
    return b"".join(
        (
            packed("<II", count, 0),
            packed(f"<{count}q", *offsets),
            packed(f"<{count}q", *timestamps_ms),
            _lengths(keys),
            _lengths(values),
            _joined(keys),
            _joined(values),
        )
    )


def last_timestamp_ms(piece: Slice) -> int:
    """The log's time of the last record."""
    end = 8 + 16 * piece.count
    return int.from_bytes(piece.packed[end - 8 : end], "little", signed=True)


def spans(piece: Slice) -> list[tuple[int, int, int]]:
    """(offset, start, end) of each record's value within ``piece.packed``; a null one is empty."""
    count = piece.count
    offsets, lengths = array("q"), array("i")
    offsets.frombytes(piece.packed[8 : 8 + 8 * count])
    lengths.frombytes(piece.packed[8 + 16 * count : 8 + 24 * count])
    sizes = [max(one, 0) for one in lengths]
    ends = list(accumulate(sizes, initial=8 + 24 * count))[count:]
    return list(zip(offsets, ends, ends[1:], strict=False))


def slices_of(messages: Sequence[Message], incarnations: dict[tuple[str, int], int]) -> list[Slice]:
    """Messages of one poll as a slice for each partition, in each partition's order.

    A partition's messages may come in several runs within a poll; each run becomes one part.
    """
    parts: dict[tuple[str, int], list[Message]] = {}
    for topic, run in groupby(messages, Message.topic):
        for partition, part in groupby(run, Message.partition):
            parts.setdefault((topic, partition), []).extend(part)
    return [
        Slice(
            topic=topic,
            partition=partition,
            first_offset=part[0].offset(),
            next_offset=part[-1].offset() + 1,
            count=len(part),
            packed=pack(part),
            incarnation=incarnations[topic, partition],
        )
        for (topic, partition), part in parts.items()
        if (topic, partition) in incarnations
    ]


def _lengths(columns: Sequence[bytes | None]) -> bytes:
    layout = f"<{len(columns)}i"
    try:  # nulls are rare, and looking for them first takes as long again
        return packed(layout, *map(len, columns))  # type: ignore[arg-type]
    except TypeError:
        return packed(layout, *[-1 if one is None else len(one) for one in columns])


def _joined(columns: Sequence[bytes | None]) -> bytes:
    try:
        return b"".join(columns)  # type: ignore[arg-type]
    except TypeError:
        return b"".join([one for one in columns if one is not None])
