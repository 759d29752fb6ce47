"""Cutting a partition's records into blocks, and the record that makes a block repeatable.

A **block** is the rows of one partition's offsets ``[from, to)``, for every table that they go
to. Before it is inserted its `Entry` is committed as the partition's group offset (``from``) and
metadata (``to``, ``token``). Whoever reads the entry makes the same block again: rows are a pure
function of the log, and the block ends at ``to`` however the records arrive this time.

Nothing here does I/O; `sink` drives it.
"""

import json
from array import array
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from streams.database.encoder.host import Rows
from streams.database.tables import Table

_ENTRY_VERSION: Final = 1


class EntryError(ValueError):
    """Committed metadata that no sink of this version wrote."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is committed before a block is inserted."""

    start: int  # the group's offset
    to: int
    token: str  # what ClickHouse recognises the block by
    aside: str = ""  # why its only row goes to the dead letters instead

    def metadata(self) -> str:
        """The text that is committed with offset ``start``."""
        fields = {"v": _ENTRY_VERSION, "to": self.to, "token": self.token}
        return json.dumps(fields | ({"aside": self.aside} if self.aside else {}))


def read_entry(offset: int, metadata: str) -> Entry | None:
    """The entry in a committed offset; None where only an offset was committed.

    Raises:
        EntryError: metadata that is not an entry's.
    """
    if not metadata:
        return None
    try:
        fields = json.loads(metadata)
        if fields["v"] != _ENTRY_VERSION:
            raise EntryError(f"entry of version {fields['v']}: written by another release")
        return Entry(offset, int(fields["to"]), str(fields["token"]), str(fields.get("aside", "")))
    except (ValueError, KeyError, TypeError) as error:
        raise EntryError(f"committed metadata is no sink's entry: {metadata[:200]!r}") from error


@dataclass(slots=True)
class TableRows:
    """Rows of one table in a block, in the order of their records."""

    data: list[bytes] = field(default_factory=list)
    ends: list[bytes] = field(default_factory=list)
    offsets: list[bytes] = field(default_factory=list)
    count: int = 0

    def add(self, rows: Rows) -> None:
        """Behind those that are there."""
        self.data.append(rows.data)
        self.ends.append(rows.ends)
        self.offsets.append(rows.offsets)
        self.count += rows.count

    def record_offsets(self) -> "array[int]":
        """The record's offset of each row."""
        return array("q", b"".join(self.offsets))

    def cut(self, begin: int, end: int) -> "TableRows":
        """Rows number ``begin`` to ``end``."""
        shifts = accumulate(map(len, self.data), initial=0)
        ends = [
            at + shift
            for shift, some in zip(shifts, self.ends, strict=False)
            for at in array("I", some)
        ]
        data = b"".join(self.data)
        first, last = (ends[number - 1] if number else 0 for number in (begin, end))
        return TableRows(
            [data[first:last]],
            [array("I", [at - first for at in ends[begin:end]]).tobytes()],
            [self.record_offsets()[begin:end].tobytes()],
            end - begin,
        )


@dataclass(slots=True)
class Block:
    """The rows of offsets ``[start, to)``; open until its entry is made."""

    start: int
    to: int
    opened_ms: int
    received_ms: int = 0  # the newest record's time in the log
    token: str = ""
    aside: str = ""
    rows: dict[Table, TableRows] = field(default_factory=dict)
    row_count: int = 0
    byte_count: int = 0

    def add(self, rows: dict[Table, Rows], to: int, received_ms: int) -> None:
        """The rows of the records up to ``to``."""
        for table, some in rows.items():
            self.rows.setdefault(table, TableRows()).add(some)
            self.row_count += some.count
            self.byte_count += len(some.data)
        self.to = to
        self.received_ms = max(self.received_ms, received_ms)

    def entry(self) -> Entry:
        """What has to be committed before it is inserted."""
        return Entry(self.start, self.to, self.token, self.aside)

    def row_offsets(self) -> list[int]:
        """The offsets of the records that have a row."""
        return sorted(at for rows in self.rows.values() for at in rows.record_offsets())

    def halves(self, token: Callable[[], str]) -> tuple["Block", "Block"]:
        """Two blocks instead of this one, cut in the middle of its (at least two) rows."""
        offsets = self.row_offsets()
        middle = offsets[len(offsets) // 2]
        halves = (
            Block(self.start, middle, self.opened_ms, self.received_ms, token()),
            Block(middle, self.to, self.opened_ms, self.received_ms, token()),
        )
        for table, rows in self.rows.items():
            at = bisect_left(rows.record_offsets(), middle)
            for half, part in zip(halves, (rows.cut(0, at), rows.cut(at, rows.count)), strict=True):
                if part.count:
                    half.rows[table] = part
                    half.row_count += part.count
                    half.byte_count += len(part.data[0])
        return halves


@dataclass(frozen=True, slots=True)
class BlockLimits:
    """When an open block is closed."""

    rows_max: int
    bytes_max: int
    wait_ms: int


class Cutter:
    """Cuts one partition's records into blocks.

    Starts from what is committed: behind an entry the first block ends exactly where the
    entry's did, under its token; later ones end where limits say.
    """

    def __init__(self, offset: int, entry: Entry | None, token: Callable[[], str]) -> None:
        self.position = max(offset, 0)  # the next record's offset, or before it
        self._entry = entry
        self._token = token
        self._open: Block | None = None

    @property
    def stop_offset(self) -> int | None:
        """Where the open block has to end, if that is fixed."""
        return self._entry.to if self._entry else None

    @property
    def open_block(self) -> Block | None:
        """The block that is being filled."""
        return self._open

    def add(self, rows: dict[Table, Rows], to: int, received_ms: int, now_ms: int) -> None:
        """Rows of the records from `position` up to ``to``."""
        if self._open is None:
            self._open = Block(self.position, to, now_ms)
        self._open.add(rows, to, received_ms)
        self.position = to

    def close(self, limits: BlockLimits, now_ms: int) -> Block | None:
        """The open block if it is time to insert it."""
        block = self._open
        if block is None:
            return None
        if self._entry is not None:
            if block.to < self._entry.to:
                return None
            block.token, block.aside = self._entry.token, self._entry.aside
            self._entry = None
        elif (
            block.row_count < limits.rows_max
            and block.byte_count < limits.bytes_max
            and now_ms - block.opened_ms < limits.wait_ms
        ):
            return None
        else:
            block.token = self._token()
        self._open = None
        return block
