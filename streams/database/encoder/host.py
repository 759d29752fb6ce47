"""The encoder's Python side: gives it batches, takes rows as bytes."""

import ctypes
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import wasmtime

from streams import limits
from streams.database.encoder.build import TARGET
from streams.database.tables import Table
from streams.filesystem.compiled import compiled

OFFSET_MAX: Final = 2**63 - 1
_REPORT: Final = struct.Struct("<4Ii5I")


class Family(IntEnum):
    """What a topic carries; the numbers are those of ``Family`` in ``encoder.zig``."""

    MESSAGES = 0
    RESULTS = 1
    CLAIMS = 2
    DEAD = 3
    STATE = 4
    EFFECTS = 5


class EncoderError(RuntimeError):
    """The encoder is missing, out of memory, or was given what is no packed batch."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table: RowBinary, and each row's end (u32) and its record's offset (i64)."""

    table: Table
    count: int
    data: bytes
    ends: bytes
    offsets: bytes


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of the records that one call read."""

    consumed: int
    messages: int
    repeats: int
    rejected: int
    rows: Rows | None


class Encoder:
    """One wasm instance with a window of repeats for each partition. Not thread-safe."""

    def __init__(self, module: Path = TARGET) -> None:
        """Load the compiled encoder.

        Raises:
            EncoderError: it has not been compiled.
        """
        if not module.exists():
            raise EncoderError(
                f"{module.name} is missing: run `python -m streams.database.encoder.build`"
            )
        engine = wasmtime.Engine()
        self._store = wasmtime.Store(engine)
        instance = wasmtime.Instance(self._store, compiled(engine, module.read_bytes()), [])
        exports = instance.exports(self._store)
        self._memory: Any = exports["memory"]
        self._input_reserve = self._function(exports["input_reserve"])
        self._window_open = self._function(exports["window_open"])
        self._window_close = self._function(exports["window_close"])
        self._remember = self._function(exports["remember"])
        self._encode = self._function(exports["encode"])
        self._report_at = self._function(exports["report_address"])()

    def open_window(self, spread: int, messages_max: int = limits.REPEAT_WINDOW_MESSAGES) -> int:
        """A window of repeats for a partition of messages; its handle.

        ``spread`` is any 64-bit number that devices cannot know.
        """
        return _checked(self._window_open(messages_max, spread))

    def close_window(self, window: int) -> None:
        """Forget a window."""
        self._window_close(window)

    def remember(self, window: int, packed: bytes) -> int:
        """Let a window see a batch's messages without making rows.

        Returns how many messages it has seen in all.
        """
        self._give((packed,))
        return _checked(self._remember(window, len(packed)))

    def encode(
        self,
        family: Family,
        dapp: str,
        partition: int,
        packed: bytes,
        *,
        window: int = 0,
        erased: bytes = b"",
        start: int = 0,
        stop_offset: int = OFFSET_MAX,
        table: Table | None = None,
    ) -> Encoded:
        """Rows of a batch's records from number ``start`` on.

        Stops before offset ``stop_offset``, and before a record whose row goes to another table
        than ``table`` (than the first row's, without it). ``erased``: see `erasing.erased_before`.
        """
        name = dapp.encode()
        self._give((name, erased, packed))
        only = -1 if table is None else table
        _checked(
            self._encode(
                family,
                window,
                len(name),
                len(erased),
                len(packed),
                partition,
                start,
                stop_offset,
                only,
            )
        )
        consumed, messages, repeats, rejected, into, count, data, size, ends, offsets = (
            _REPORT.unpack(self._take(self._report_at, _REPORT.size))
        )
        rows = None
        if count:
            rows = Rows(
                Table(into),
                count,
                self._take(data, size),
                self._take(ends, count * 4),
                self._take(offsets, count * 8),
            )
        return Encoded(consumed, messages, repeats, rejected, rows)

    @property
    def memory_bytes(self) -> int:
        """How much memory the instance has grown to."""
        return int(self._memory.data_len(self._store))

    def _function(self, exported: Any) -> Callable[..., int]:
        return lambda *args: exported(self._store, *args)

    def _give(self, values: Sequence[bytes]) -> None:
        """One behind the other into the input buffer; joined here first, they cost twice that."""
        size = sum(map(len, values))
        at = self._input_reserve(size)
        if not at:
            raise EncoderError(f"no room for a batch of {size} bytes")
        to = self._address() + (at & 0xFFFF_FFFF)
        for value in values:
            ctypes.memmove(to, value, len(value))
            to += len(value)

    def _take(self, at: int, size: int) -> bytes:
        return ctypes.string_at(self._address() + (at & 0xFFFF_FFFF), size)

    def _address(self) -> int:
        return ctypes.addressof(self._memory.data_ptr(self._store).contents)


def _checked(answer: int) -> int:
    if answer == -1:
        raise EncoderError("not a packed batch")
    if answer == -2:
        raise EncoderError("the encoder is out of memory")
    return answer
