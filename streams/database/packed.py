"""Looking into a packed batch (`streams.delivery.batch`) from Python, a record at a time."""

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streams.records import HEADER, MAGIC, Kind

_COUNT: Final = struct.Struct("<I")
_INTEGER: Final = struct.Struct("<q")
_LENGTH: Final = struct.Struct("<i")
_COLUMNS_AT: Final = 8


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a packed batch."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


def offset_at(packed: bytes, number: int) -> int:
    """The offset of a batch's record."""
    (offset,) = _INTEGER.unpack_from(packed, _COLUMNS_AT + number * 8)
    return int(offset)


def timestamp_ms_at(packed: bytes, number: int) -> int:
    """The log's time of a batch's record."""
    (count,) = _COUNT.unpack_from(packed)
    return offset_at(packed, count + number)


def sent_ms_of_last(packed: bytes) -> int | None:
    """The device's time of a batch's last record; None if that is no message with a header."""
    (count,) = _COUNT.unpack_from(packed)
    (length,) = _LENGTH.unpack_from(packed, _COLUMNS_AT + count * 24 - _LENGTH.size)
    if length < HEADER.size:
        return None
    magic, _, kind, *_, time_ms, _ = HEADER.unpack_from(packed, len(packed) - length)
    return int(time_ms) if (magic, kind) == (MAGIC, Kind.MESSAGE) else None


def unpack(packed: bytes) -> Iterator[Record]:
    """The records of a batch, in order: for topics with a few records a minute."""
    (count,) = _COUNT.unpack_from(packed)
    at = _COLUMNS_AT
    columns = []
    for code, size in (("q", 8), ("q", 8), ("i", 4), ("i", 4)):
        columns.append(array(code, packed[at : at + count * size]))
        at += count * size
    offsets, timestamps_ms, key_lengths, value_lengths = columns
    value_at = at + sum(length for length in key_lengths if length > 0)
    for number in range(count):
        key, at = _cut(packed, at, key_lengths[number])
        value, value_at = _cut(packed, value_at, value_lengths[number])
        yield Record(offsets[number], timestamps_ms[number], key, value)


def _cut(packed: bytes, at: int, length: int) -> tuple[bytes | None, int]:
    if length < 0:
        return None, at
    return packed[at : at + length], at + length
