"""Cutting a partition's records into blocks, and making a recorded block again."""

from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.database.blocks import Block, BlockLimits, Cutter, Entry, EntryError, read_entry
from streams.database.encoder.host import Rows
from streams.database.tables import Table

FULL = BlockLimits(rows_max=5, bytes_max=1_000, wait_ms=100)
NOW = BlockLimits(rows_max=0, bytes_max=0, wait_ms=0)


def rows(offsets: list[int], table: Table = Table.MESSAGES) -> Rows | None:
    """A row of three bytes or more for each offset: its number, as often as wanted."""
    if not offsets:
        return None
    data = [bytes([offset % 256]) * (3 + offset % 4) for offset in offsets]
    ends = array("I", [sum(map(len, data[: n + 1])) for n in range(len(data))])
    return Rows(table, len(data), b"".join(data), ends.tobytes(), array("q", offsets).tobytes())


def tokens() -> Iterator[str]:
    return (f"token {n}" for n in range(10_000))


def cutter(offset: int = 0, entry: Entry | None = None) -> Cutter:
    source = tokens()
    return Cutter(offset, entry, lambda: next(source))


@pytest.mark.parametrize(
    "entry", [Entry(3, 9, "t"), Entry(0, 2**62, "t", aside='ClickHouse: "no" — ä')]
)
def test_an_entry_comes_back_from_its_metadata(entry: Entry) -> None:
    assert read_entry(entry.start, entry.metadata()) == entry


def test_an_entry_with_the_longest_reason_fits_kafkas_metadata() -> None:
    assert len(Entry(2**62, 2**62, "0" * 32, aside="\U0001f600" * 300).metadata()) < 4_096


def test_an_offset_without_metadata_has_no_entry() -> None:
    assert read_entry(7, "") is None


@pytest.mark.parametrize("metadata", ["x", "[]", '{"v": 1}', '{"v": 2, "to": 1, "token": ""}'])
def test_metadata_that_no_sink_wrote_is_refused(metadata: str) -> None:
    with pytest.raises(EntryError):
        read_entry(0, metadata)


def test_a_block_is_closed_by_rows_bytes_or_time() -> None:
    by_rows, by_bytes, by_time = cutter(), cutter(), cutter()
    by_rows.add(rows([0, 1, 2, 3, 4]), 5, 0, now_ms=0)
    assert by_rows.close(FULL, now_ms=0)
    by_bytes.add(rows([0]), 1, 0, now_ms=0)
    assert by_bytes.close(FULL, now_ms=0) is None
    assert by_bytes.close(BlockLimits(5, 3, 100), now_ms=0)
    by_time.add(None, 1, 0, now_ms=50)
    assert by_time.close(FULL, now_ms=149) is None
    assert by_time.close(FULL, now_ms=150)


def test_blocks_follow_one_another_without_a_gap() -> None:
    it = cutter(offset=10)
    it.add(rows([10, 11]), 12, 0, now_ms=0)
    first = it.close(NOW, now_ms=0)
    it.add(rows([15]), 16, 0, now_ms=0)
    second = it.close(NOW, now_ms=0)
    assert first is not None
    assert second is not None
    assert (first.start, first.to, second.start, second.to) == (10, 12, 12, 16)
    assert first.token != second.token


def test_a_recorded_block_ends_where_it_ended_whatever_arrives_how() -> None:
    entry = Entry(10, 20, "as recorded")
    it = cutter(10, entry)
    for begin, end in ((10, 13), (13, 19)):
        assert it.stop_offset == 20
        it.add(rows(list(range(begin, end))), end, 0, now_ms=0)
        assert it.close(NOW, now_ms=10_000) is None
    it.add(rows([19]), 20, 0, now_ms=0)
    block = it.close(FULL, now_ms=0)
    assert block is not None
    assert block.entry() == entry
    assert it.stop_offset is None


def test_a_recorded_block_of_several_tables_is_refused() -> None:
    it = cutter(10, Entry(10, 20, "t"))
    it.add(rows([10]), 11, 0, now_ms=0)
    with pytest.raises(EntryError, match="several tables"):
        it.close(NOW, now_ms=0, other_table=True)


@given(
    parts=st.lists(st.lists(st.integers(1, 3), max_size=6), min_size=1, max_size=6).filter(
        lambda parts: sum(map(len, parts)) > 1
    )
)
def test_halves_hold_the_same_rows_down_to_single_ones(parts: list[list[int]]) -> None:
    block = Block(5, 5, 0, token="whole")
    offset = 5
    for gaps in parts:
        offsets = []
        for gap in gaps:
            offset += gap
            offsets.append(offset)
        block.add(rows(offsets), offset + 1, 0)
    source = tokens()

    def pieces(block: Block) -> list[Block]:
        if block.row_count == 1:
            return [block]
        left, right = block.halves(lambda: next(source))
        assert (left.start, left.to, right.to) == (block.start, right.start, block.to)
        assert left.row_count + right.row_count == block.row_count
        return pieces(left) + pieces(right)

    singles = pieces(block)
    assert b"".join(one.data() for one in singles) == block.data()
    assert [one.row_offsets()[0] for one in singles] == list(block.row_offsets())
    assert all(one.start <= one.row_offsets()[0] < one.to for one in singles)
    assert len({one.token for one in singles}) == len(singles)
