"""Rows of the topics that all Dapps share: a few a minute, so plain Python."""

import struct
from array import array
from collections.abc import Callable, Mapping
from typing import Final

import orjson

from streams import topics
from streams.audit import record as audit
from streams.database import rowbinary
from streams.database.encoder.host import Encoded, Rows
from streams.database.packed import Record, unpack
from streams.database.tables import Table


def encode_shared(
    topic: str, partition: int, packed: bytes, start: int, stop_offset: int, table: Table | None
) -> Encoded:
    """As `Encoder.encode`, of a batch of a topic that all Dapps share.

    What is no record of that topic becomes a dead letter.
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
    table, columns, called = _SHARED[topic]
    value = record.value or b""
    try:
        row = columns(value)
    except (ValueError, KeyError, TypeError, struct.error, audit.AuditError) as error:
        return Table.DEAD_LETTERS, rowbinary.dead_letter(
            dapp="",
            topic=topic,
            reason="malformed_record",
            detail=f"not {called}, in topic {topic}: {error}",
            key=record.key or b"",
            value=value,
            partition=partition,
            offset=record.offset,
            received_ms=record.timestamp_ms,
        )
    return table, row + rowbinary.origin(partition, record.offset, record.timestamp_ms)


def _commitment(value: bytes) -> bytes:
    body = orjson.loads(value)
    dapp, epoch = str(body["dapp"]), int(body["epoch"])
    return rowbinary.text(dapp.encode()) + struct.pack("<Q", epoch) + rowbinary.text(value)


def _audited(value: bytes) -> bytes:
    one = audit.decode(value)
    texts = (one.author.who, one.author.door, one.action, one.kind, one.name, one.owner, one.device,
             one.dapp, one.reason)  # fmt: skip
    said = [b"" if facts is None else orjson.dumps(facts) for facts in (one.before, one.after)]
    return b"".join(
        (
            rowbinary.time(one.at_ms),
            *(rowbinary.text(text.encode()) for text in texts),
            struct.pack("<Q", one.times),
            *map(rowbinary.text, said),
        )
    )


# By topic: where its rows go, a row's columns but those of its origin, and what it is called.
_SHARED: Final[Mapping[str, tuple[Table, Callable[[bytes], bytes], str]]] = {
    topics.PROOFS: (Table.COMMITMENTS, _commitment, "a commitment"),
    topics.AUDIT: (Table.AUDIT, _audited, "an audit record"),
}
