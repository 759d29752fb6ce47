"""Rows of topic ``proofs``: one a commitment, a few a minute, so plain Python."""

import struct
from array import array

import orjson

from streams.database import rowbinary
from streams.database.encoder.host import Encoded, Rows
from streams.database.packed import Record, unpack
from streams.database.tables import Table


def encode_commitments(
    topic: str, partition: int, packed: bytes, start: int, stop_offset: int, table: Table | None
) -> Encoded:
    """As `Encoder.encode`, of a batch of topic ``proofs``.

    What is no JSON object with a Dapp and an epoch becomes a dead letter.
    """
    data: list[bytes] = []
    offsets: list[int] = []
    consumed = rejected = 0
    for number, record in enumerate(unpack(packed)):
        if number < start:
            continue
        if record.offset >= stop_offset:
            break
        into, row = _row(topic, partition, record)
        if table not in (None, into):
            break
        table = into
        consumed += 1
        rejected += into is Table.DEAD_LETTERS
        data.append(row)
        offsets.append(record.offset)
    if not data:
        return Encoded(consumed, 0, 0, rejected, None)
    assert table is not None
    ends = array("I", [0] * len(data))
    size = 0
    for number, row in enumerate(data):
        size += len(row)
        ends[number] = size
    rows = Rows(table, len(data), b"".join(data), ends.tobytes(), array("q", offsets).tobytes())
    return Encoded(consumed, 0, 0, rejected, rows)


def _row(topic: str, partition: int, record: Record) -> tuple[Table, bytes]:
    value = record.value or b""
    try:
        commitment = orjson.loads(value)
        dapp, epoch = str(commitment["dapp"]), int(commitment["epoch"])
        row = rowbinary.text(dapp.encode()) + struct.pack("<Q", epoch) + rowbinary.text(value)
    except (ValueError, KeyError, TypeError, struct.error) as error:
        return Table.DEAD_LETTERS, rowbinary.dead_letter(
            dapp="",
            topic=topic,
            reason="malformed_record",
            detail=f"not a commitment, in the proofs topic: {error}",
            key=record.key or b"",
            value=value,
            partition=partition,
            offset=record.offset,
            received_ms=record.timestamp_ms,
        )
    origin = rowbinary.origin(partition, record.offset, record.timestamp_ms)
    return Table.COMMITMENTS, row + origin
