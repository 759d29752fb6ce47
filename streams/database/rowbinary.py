"""RowBinary in Python, for the few rows that do not come from the encoder.

Source: https://clickhouse.com/docs/interfaces/formats/RowBinary
"""

import struct
from typing import Final

TIME_MAX_MS: Final = 10_413_791_999_999  # 2299-12-31, the last that DateTime64 holds
NO_ID: Final = bytes(16)


def text(value: bytes) -> bytes:
    """A String: its length as LEB128, then its bytes."""
    length = len(value)
    head = bytearray()
    while length >= 0x80:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + value


def time(ms: int) -> bytes:
    """A DateTime64(3), at most the last that the type holds."""
    return struct.pack("<q", max(0, min(ms, TIME_MAX_MS)))


def uuid(value: bytes) -> bytes:
    """A UUID: two little-endian halves, the high one first."""
    return value[7::-1] + value[:7:-1]


def origin(partition: int, offset: int, received_ms: int) -> bytes:
    """The columns that end every row: the record that it was made from."""
    return struct.pack("<Iq", partition, offset) + time(received_ms)


def dead_letter(
    *,
    dapp: str,
    topic: str,
    reason: str,
    detail: str,
    key: bytes,
    value: bytes,
    partition: int,
    offset: int,
    received_ms: int,
) -> bytes:
    """A row of table ``dead_letters`` for a record that the sink itself sets aside."""
    return b"".join(
        (
            text(dapp.encode()),
            text(topic.encode()),
            text(reason.encode()),
            text(detail.encode()),
            text(key),
            text(value),
            time(received_ms),
            NO_ID,
            struct.pack("<Q", 0),
            origin(partition, offset, received_ms),
        )
    )
