"""The encoder against the same job done plainly, on any log and however it is cut."""

import struct
from array import array
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import records
from streams.database.encoder.host import OFFSET_MAX, Encoded, Encoder, EncoderError, Family
from streams.delivery.batch import pack_records
from tests.database.plain_rows import LogRecord, PlainRow, message_rows, output_rows

WINDOW = 8
DAPP = "safe_driving"

times_ms = st.one_of(st.integers(0, 2**64 - 1), st.integers(1_600_000_000_000, 1_800_000_000_000))
ids = st.integers(0, 5).map(lambda n: bytes(15) + bytes([n]))
devices = st.sampled_from(["did:key:z6Mk1", "did:key:z6Mk2", "did:web:é.example", ""])
labels = st.sampled_from(["DEFAULT", "TRIP", "ä", ""])
payloads = st.one_of(st.binary(max_size=40), st.sampled_from([b"{}", b"x" * 127, b"x" * 20_000]))
messages = st.builds(records.Message, devices, payloads, ids, times_ms, labels).map(
    records.Message.encode
)
barriers = st.builds(records.barrier, st.integers(0, 2**64 - 1), times_ms)
raw_values = st.one_of(st.binary(max_size=20), st.just(b'{"speed": 1}'))
counts = st.integers(0, 2**64 - 1)
summary_bodies = st.builds(
    records.SUMMARY_BODY.pack,
    st.integers(0, 2**32 - 1), *[st.binary(min_size=32, max_size=32)] * 3, *[counts] * 5,
    st.binary(min_size=32, max_size=32),
)  # fmt: skip
outputs = st.builds(
    records.Output,
    kind=st.sampled_from([kind for kind in records.Kind if kind not in (1, 2)]),
    label=labels,
    device=st.one_of(devices.map(str.encode), st.binary(max_size=5)),
    time_ms=times_ms,
    message_id=ids,
    epoch=counts,
    program=st.binary(min_size=8, max_size=8),
    index=st.integers(0, 2**32 - 1),
    a=st.binary(max_size=20),
    b=st.one_of(st.binary(max_size=40), summary_bodies),
).map(records.Output.encode)


def broken(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Values cut short, or with one byte changed."""
    cut = st.tuples(values, st.integers(0, 80)).map(lambda it: it[0][: it[1]])
    changed = st.tuples(values, st.integers(0, 60), st.integers(0, 255)).map(
        lambda it: it[0][: it[1]] + bytes([it[2]]) + it[0][it[1] + 1 :]
    )
    return st.one_of(cut, changed)


values = st.one_of(
    messages, messages, messages, outputs, barriers, raw_values, broken(messages),
    broken(outputs), st.none(),
)  # fmt: skip
keys = st.one_of(st.none(), st.just(b"did:key:z6Mk1"), st.binary(max_size=6))


def is_erasure(value: bytes) -> bool:
    """Which is of a table of its own: reading stops there."""
    return value[2] == records.Kind.ERASURE


@st.composite
def logs(draw: st.DrawFn, values: st.SearchStrategy[bytes | None]) -> list[LogRecord]:
    """A partition's records; transactions' markers leave gaps between offsets."""
    offset = draw(st.integers(0, 2**40))
    log = []
    for value in draw(st.lists(values, max_size=25)):
        log.append(LogRecord(offset, draw(st.integers(-1, 2**41)), draw(keys), value))
        offset += draw(st.integers(1, 3))
    return log


def pack(log: list[LogRecord]) -> bytes:
    return pack_records(
        [at.key for at in log],
        [at.value for at in log],
        [at.offset for at in log],
        [at.timestamp_ms for at in log],
    )


def rows_of(encoded: Encoded) -> list[PlainRow]:
    rows = encoded.rows
    if rows is None:
        return []
    ends = array("I", rows.ends)
    assert ends[-1] == len(rows.data)
    return [
        PlainRow(rows.table, rows.data[begin:end], offset)
        for begin, end, offset in zip([0, *ends[:-1]], ends, array("q", rows.offsets), strict=True)
    ]


def encode_all(
    encoder: Encoder, family: Family, log: list[LogRecord], window: int = 0
) -> list[PlainRow]:
    """Every row of a log, whatever table it goes to."""
    rows: list[PlainRow] = []
    start = 0
    while start < len(log):
        encoded = encoder.encode(family, DAPP, 3, pack(log), window=window, start=start)
        assert encoded.consumed > 0
        start += encoded.consumed
        part = rows_of(encoded)
        assert len({row.table for row in part}) <= 1
        rows += part
    return rows


@pytest.fixture(scope="module")
def shared() -> Encoder:
    return Encoder()


@given(log=logs(values), cuts=st.lists(st.integers(0, 25)))
def test_messages_become_the_rows_that_they_become_plainly(
    shared: Encoder, log: list[LogRecord], cuts: list[int]
) -> None:
    expected = message_rows(DAPP, 3, log, [], WINDOW)
    window = shared.open_window(1, WINDOW)
    rows: list[PlainRow] = []
    bounds = sorted({0, len(log), *[cut for cut in cuts if cut <= len(log)]})
    for begin, end in pairwise(bounds):
        rows += encode_all(shared, Family.MESSAGES, log[begin:end], window)
    shared.close_window(window)
    assert rows == expected


@given(log=logs(values), at=st.integers(0, 25))
def test_a_window_refilled_at_any_offset_finds_the_same_repeats(
    shared: Encoder, log: list[LogRecord], at: int
) -> None:
    names: list[tuple[str, bytes]] = []
    message_rows(DAPP, 3, log[:at], names, WINDOW)
    expected = message_rows(DAPP, 3, log[at:], names, WINDOW)
    window = shared.open_window(2, WINDOW)
    shared.remember(window, pack(log[:at]))
    rows = encode_all(shared, Family.MESSAGES, log[at:], window)
    shared.close_window(window)
    assert rows == expected


@pytest.mark.parametrize("family", [Family.RESULTS, Family.CLAIMS, Family.DEAD])
@given(log=logs(st.one_of(outputs, outputs, values)))
def test_outputs_become_the_rows_that_they_become_plainly(
    shared: Encoder, family: Family, log: list[LogRecord]
) -> None:
    assert encode_all(shared, family, log) == output_rows(family.name.lower(), DAPP, 3, log)


@given(
    log=logs(outputs.filter(lambda value: not is_erasure(value))),
    stop=st.integers(0, 2**40 + 80),
    start=st.integers(0, 25),
)
@settings(max_examples=50)
def test_encoding_stops_before_an_offset(
    shared: Encoder, log: list[LogRecord], stop: int, start: int
) -> None:
    stop = min(stop, log[-1].offset + 1 if log else stop)
    encoded = shared.encode(Family.DEAD, DAPP, 3, pack(log), start=start, stop_offset=stop)
    wanted = [at for at in log[start:] if at.offset < stop]
    assert encoded.consumed == len(wanted)
    assert rows_of(encoded) == output_rows("dead", DAPP, 3, wanted)


def test_encoding_stops_before_a_row_of_another_table(encoder: Encoder) -> None:
    claim = records.Output(
        records.Kind.CLAIM, "TRIP", b"did:x", 1, bytes(16), 0, bytes(8), 0, b"s", bytes(16) + b"t"
    ).encode()
    log = [LogRecord(n, 0, b"", value) for n, value in enumerate([claim, claim, b"?", claim])]
    first = encoder.encode(Family.CLAIMS, DAPP, 0, pack(log))
    assert (first.consumed, first.rejected) == (2, 0)
    assert first.rows is not None
    other = encoder.encode(Family.CLAIMS, DAPP, 0, pack(log), start=2, table=first.rows.table)
    assert (other.consumed, other.rows, other.rejected) == (0, None, 0)


def test_what_is_no_batch_is_refused(encoder: Encoder) -> None:
    batch = pack([LogRecord(0, 0, b"key", b"value")])
    for packed in (b"", batch[:-1], struct.pack("<I", 2**31) + batch[4:], batch + b"x"):
        with pytest.raises(EncoderError, match="not a packed batch"):
            encoder.encode(Family.RESULTS, DAPP, 0, packed)


def test_a_missing_encoder_says_how_to_make_it(tmp_path) -> None:
    with pytest.raises(EncoderError, match=r"streams\.database\.encoder\.build"):
        Encoder(tmp_path / "encoder.wasm")


def test_a_window_holds_a_whole_partition_in_bounded_memory(encoder: Encoder) -> None:
    window = encoder.open_window(3, 4_096)
    batch = [
        records.Message("did:x", b"{}", n.to_bytes(16, "big"), n).encode() for n in range(5_000)
    ]
    encoder.encode(
        Family.MESSAGES, DAPP, 0, pack_records([None] * 5_000, batch, range(5_000), range(5_000)),
        window=window, stop_offset=OFFSET_MAX,
    )  # fmt: skip
    before = encoder.memory_bytes
    for _ in range(20):
        packed = pack_records([None] * 5_000, batch, range(5_000), range(5_000))
        encoder.encode(Family.MESSAGES, DAPP, 0, packed, window=window)
    assert encoder.memory_bytes == before
