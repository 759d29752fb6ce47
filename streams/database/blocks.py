"""Cutting a partition's records into blocks, and the record that makes a block repeatable.

A **block** is the rows of one partition's offsets ``[from, to)``, all of one table. Before it is
inserted its `Entry` is committed as the partition's group offset (``from``) and metadata (``to``,
``token``). Whoever reads the entry makes the same block again: rows are a pure function of the
log, and the block ends at ``to`` however the records arrive this time.

Nothing here does I/O; `sink` drives it.
"""

import json
from array import array
from collections.abc import Callable, Sequence
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
class Block:
    """The rows of offsets ``[start, to)``; it gets its token when it is closed."""

    start: int
    to: int
    opened_ms: int
    received_ms: int = 0  # the newest record's time in the log
    sent_ms: int | None = None  # by its device, of one of the newest messages
    token: str = ""
    aside: str = ""
    is_repeated: bool = False  # somebody may have sent it before
    table: Table | None = None
    row_count: int = 0
    byte_count: int = 0
    parts: list[Rows] = field(default_factory=list)

    def add(self, rows: Rows | None, to: int, received_ms: int) -> None:
        """The rows of the records up to ``to``."""
        if rows is not None:
            assert self.table in (None, rows.table)
            self.table = rows.table
            self.parts.append(rows)
            self.row_count += rows.count
            self.byte_count += len(rows.data)
        self.to = to
        self.received_ms = max(self.received_ms, received_ms)

    def entry(self) -> Entry:
        """What has to be committed before it is inserted."""
        return Entry(self.start, self.to, self.token, self.aside)

    def data(self) -> bytes:
        """All its rows."""
        return b"".join([part.data for part in self.parts])

    def row_offsets(self) -> "array[int]":
        """The record's offset of each row, in their order."""
        return array("q", b"".join([part.offsets for part in self.parts]))

    def pick(self, numbers: Sequence[int]) -> bytes:
        """Some of its rows, by number."""
        data, ends = self.data(), [0, *self._row_ends()]
        return b"".join([data[ends[number] : ends[number + 1]] for number in numbers])

    def halves(self, token: Callable[[], str]) -> tuple["Block", "Block"]:
        """Two blocks instead of this one, cut in the middle of its (at least two) rows."""
        assert self.row_count > 1
        offsets = self.row_offsets()
        ends = self._row_ends()
        data = self.data()
        at = self.row_count // 2
        left = Block(self.start, offsets[at], self.opened_ms, token=token())
        right = Block(offsets[at], self.to, self.opened_ms, token=token())
        left.add(self._rows(data, ends, offsets, 0, at), offsets[at], self.received_ms)
        right.add(self._rows(data, ends, offsets, at, self.row_count), self.to, self.received_ms)
        return left, right

    def _row_ends(self) -> list[int]:
        """Where each row ends in `data`."""
        shifts = accumulate([len(part.data) for part in self.parts], initial=0)
        return [
            end + shift
            for shift, part in zip(shifts, self.parts, strict=False)
            for end in array("I", part.ends)
        ]

    def _rows(
        self, data: bytes, ends: list[int], offsets: "array[int]", begin: int, end: int
    ) -> Rows:
        assert self.table is not None
        first = ends[begin - 1] if begin else 0
        return Rows(
            self.table,
            end - begin,
            data[first : ends[end - 1]],
            array("I", [at - first for at in ends[begin:end]]).tobytes(),
            offsets[begin:end].tobytes(),
        )


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

    def add(self, rows: Rows | None, to: int, received_ms: int, now_ms: int) -> None:
        """Rows of the records from `position` up to ``to``."""
        if self._open is None:
            self._open = Block(self.position, to, now_ms)
        self._open.add(rows, to, received_ms)
        self.position = to

    @property
    def table(self) -> Table | None:
        """Where the open block's rows go."""
        return self._open.table if self._open else None

    def close(self, limits: BlockLimits, now_ms: int, *, other_table: bool = False) -> Block | None:
        """The open block if it is time to insert it.

        ``other_table``: the next record's row goes elsewhere, so it ends here in any case.

        Raises:
            EntryError: the recorded block cannot be made again.
        """
        block = self._open
        if block is None:
            return None
        if self._entry is not None:
            if block.to < self._entry.to:
                if other_table:
                    raise EntryError(
                        f"offsets {block.start} to {self._entry.to} were recorded as one block, but"
                        " their rows go to several tables: written by another release"
                    )
                return None
            block.token, block.aside = self._entry.token, self._entry.aside
            block.is_repeated = True
            self._entry = None
        elif (
            not other_table
            and block.row_count < limits.rows_max
            and block.byte_count < limits.bytes_max
            and now_ms - block.opened_ms < limits.wait_ms
        ):
            return None
        else:
            block.token = self._token()
        self._open = None
        return block
