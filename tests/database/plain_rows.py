"""The encoder's job done plainly, a record at a time: what it is checked against."""

import struct
from dataclasses import dataclass

from streams import records
from streams.database.rowbinary import dead_letter, origin, text, time, uuid
from streams.database.tables import Table

NO_ID = bytes(16)


@dataclass(frozen=True)
class LogRecord:
    """One record as Kafka has it."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class PlainRow:
    table: Table
    data: bytes
    offset: int


def is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def parsed(value: bytes) -> records.Message | records.Output | records.Kind | None:
    """A message, an output, BARRIER, or None for what is malformed."""
    try:
        kind = records.kind_of(value)
        if kind is records.Kind.BARRIER:
            return kind
        if kind is records.Kind.MESSAGE:
            return records.decode_message(value)
        return records.decode_output(value)
    except (records.RecordError, UnicodeDecodeError):
        return None


def _is_erasure(found: object) -> bool:
    return isinstance(found, records.Output) and found.kind is records.Kind.ERASURE


def message_rows(
    dapp: str,
    partition: int,
    log: list[LogRecord],
    window: list[tuple[str, bytes]],
    window_max: int,
) -> list[PlainRow]:
    """Rows of table messages; ``window`` is what came before and grows."""
    rows = []
    for at in log:
        if at.value is None:
            continue
        if at.value[:1] != bytes([records.MAGIC]):
            if not at.key or not is_utf8(at.key):
                continue
            message = records.Message(
                at.key.decode(), at.value, NO_ID, max(at.timestamp_ms, 0), "DEFAULT"
            )
        else:
            found = parsed(at.value)
            if _is_erasure(found):
                rows.append(PlainRow(Table.ERASURES, at.value, at.offset))
            if not isinstance(found, records.Message):
                continue
            message = found
            name = (message.device, message.message_id)
            repeat = name in window[-window_max:]
            window.append(name)
            if repeat:
                continue
        data = (
            text(dapp.encode())
            + text(message.device.encode())
            + time(message.time_ms)
            + uuid(message.message_id)
            + text(message.event_type.encode())
            + text(message.payload)
            + origin(partition, at.offset, at.timestamp_ms)
        )
        rows.append(PlainRow(Table.MESSAGES, data, at.offset))
    return rows


def output_rows(family: str, dapp: str, partition: int, log: list[LogRecord]) -> list[PlainRow]:
    """Rows of the topics that execute writes."""
    return [_output_row(family, dapp, partition, at) for at in log]


def _output_row(family: str, dapp: str, partition: int, at: LogRecord) -> PlainRow:
    said = parsed(at.value or b"")
    end = origin(partition, at.offset, at.timestamp_ms)
    head = text(dapp.encode())
    kind = said.kind if isinstance(said, records.Output) else None
    if _is_erasure(said):
        return PlainRow(Table.ERASURES, at.value or b"", at.offset)
    if isinstance(said, records.Output):
        program = said.program.hex().encode()
        epoch = struct.pack("<Q", said.epoch)
        index = struct.pack("<I", said.index)
        sender = (
            text(said.device) + time(said.time_ms) + uuid(said.message_id)
            + text(said.label.encode())
        )  # fmt: skip
        if family == "results" and kind is records.Kind.RESULT:
            data = head + sender + index + epoch + program + text(said.b) + end
            return PlainRow(Table.RESULTS, data, at.offset)
        if family == "claims" and kind is records.Kind.CLAIM and len(said.b) >= 16:
            data = (
                head + epoch + index + text(said.a) + text(said.b[16:]) + said.b[:16] + sender
                + program + end
            )  # fmt: skip
            return PlainRow(Table.CLAIMS, data, at.offset)
        if family == "claims" and kind is records.Kind.SUMMARY:
            try:
                summary = records.decode_summary(said)
            except records.RecordError:
                summary = None
            if summary is not None:
                roots = (summary.input_root + summary.claims_root + summary.state_root).hex()
                counts = struct.pack(
                    "<5Q", summary.messages, summary.repeats, summary.dead, summary.results,
                    summary.claims,
                )  # fmt: skip
                data = (
                    head + epoch + struct.pack("<I", summary.partition) + program
                    + roots.encode() + counts + time(said.time_ms) + end
                )  # fmt: skip
                return PlainRow(Table.SUMMARIES, data, at.offset)
        if family == "dead" and kind is records.Kind.DEAD_LETTER:
            data = (
                head + text(f"dead.{dapp}".encode()) + text(said.label.encode()) + text(said.a)
                + text(at.key or b"") + text(said.b) + time(said.time_ms) + uuid(said.message_id)
                + epoch + end
            )  # fmt: skip
            return PlainRow(Table.DEAD_LETTERS, data, at.offset)
    data = dead_letter(
        dapp=dapp,
        topic=f"{family}.{dapp}",
        reason="malformed_record",
        detail={
            "results": "not a result record, in the results topic",
            "claims": "not a claim or summary record, in the claims topic",
            "dead": "not a dead letter record, in the dead letters topic",
        }[family],
        key=at.key or b"",
        value=at.value or b"",
        partition=partition,
        offset=at.offset,
        received_ms=at.timestamp_ms,
    )
    return PlainRow(Table.DEAD_LETTERS, data, at.offset)
