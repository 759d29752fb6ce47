"""Reading and writing WebAssembly binaries, as far as the rewriter needs.

Source: WebAssembly Core Specification 2.0, chapter 5 (Binary Format).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAGIC: Final = b"\0asm\x01\0\0\0"


class WasmError(ValueError):
    """Bytes that are not a module, or use something that a node does not serve."""


class SectionId(IntEnum):
    """5.5.2: sections by their number, in the order in which a module has them."""

    CUSTOM = 0
    TYPE = 1
    IMPORT = 2
    FUNCTION = 3
    TABLE = 4
    MEMORY = 5
    GLOBAL = 6
    EXPORT = 7
    START = 8
    ELEMENT = 9
    CODE = 10
    DATA = 11
    DATA_COUNT = 12
    TAG = 13


# Where each section stands in a module; the numbers above are not that order.
ORDER: Final = {
    number: place
    for place, number in enumerate((1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11))
}  # fmt: skip


@dataclass(slots=True)
class Section:
    """A section's number and contents."""

    number: int
    body: bytes


class Cursor:
    """A place in a binary that moves on as things are read.

    Raises:
        WasmError: from every method, when the binary ends too early.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        """One byte."""
        if self.at >= len(self.data):
            raise WasmError("the module is cut short")
        value = self.data[self.at]
        self.at += 1
        return value

    def unsigned(self) -> int:
        """An unsigned LEB128 number."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise WasmError("a LEB128 number is too long")

    def skip_number(self) -> None:
        """Over a LEB128 number of either kind."""
        while self.byte() >= 0x80:
            pass

    def take(self, size: int) -> bytes:
        """That many bytes."""
        end = self.at + size
        if end > len(self.data):
            raise WasmError("the module is cut short")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def name(self) -> str:
        """A length and UTF-8 text."""
        try:
            return self.take(self.unsigned()).decode()
        except UnicodeDecodeError as error:
            raise WasmError("a name in the module is not UTF-8") from error

    def limits(self) -> tuple[int, int | None]:
        """A memory's or table's limits.

        Raises:
            WasmError: shared or 64-bit ones, which no W3bStream program has.
        """
        flags = self.byte()
        if flags not in (0, 1):
            raise WasmError("shared and 64-bit memories are not served")
        least = self.unsigned()
        return least, self.unsigned() if flags else None


def unsigned(value: int) -> bytes:
    """LEB128 of a number that is not negative."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> bytes:
    """Signed LEB128."""
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def name(text: str) -> bytes:
    """A length and UTF-8 text."""
    data = text.encode()
    return unsigned(len(data)) + data


def sections(module: bytes) -> Iterator[Section]:
    """A module's sections, in order.

    Raises:
        WasmError: not a version 1 module, or cut short.
    """
    if module[:8] != MAGIC:
        raise WasmError("not a WebAssembly module: it does not start with \\0asm and version 1")
    cursor = Cursor(module, 8)
    while cursor.at < len(module):
        number = cursor.byte()
        yield Section(number, cursor.take(cursor.unsigned()))


def assemble(parts: list[Section]) -> bytes:
    """A module of these sections, custom ones last."""
    known = sorted((one for one in parts if one.number), key=lambda one: ORDER[one.number])
    custom = [one for one in parts if not one.number]
    return MAGIC + b"".join(
        bytes([one.number]) + unsigned(len(one.body)) + one.body for one in known + custom
    )


def vector(items: list[bytes]) -> bytes:
    """A count and the items."""
    return unsigned(len(items)) + b"".join(items)


def appended(body: bytes | None, items: list[bytes]) -> bytes:
    """A section's vector with more items at its end; ``None`` is an empty one."""
    if body is None:
        return vector(items)
    cursor = Cursor(body)
    count = cursor.unsigned()
    return unsigned(count + len(items)) + body[cursor.at :] + b"".join(items)
