"""Fuel and depth: counting what a program runs, and how deep it calls, inside the program.

wasmtime's own fuel counts every module of a store, so the host's work (which depends on how its
hash map happens to lie) would decide whether an event fails; it can run out in the middle of
the host's data structures; and it means what one version of one engine makes it mean, while
nodes that check each other have to agree. So the count is written into the program: each
function on entry, and each loop on every round, takes the number of instructions up to the next
loop from a global, and traps when it goes below zero. An instruction is thereby paid for at
least once for each time it runs, and the host, in a module of its own, costs nothing.

Instructions whose work grows with an operand (memory.fill, memory.copy, memory.init, and the
same for tables) also pay a unit for 8 of it.

How deep calls may go is counted likewise, in bytes that stand for a frame of each function: the
engine's own limit depends on what its compiler made of the function, and it can be met in the
middle of the host. The engine's is so much larger that it never is.
"""

from dataclasses import dataclass
from typing import Final

from streams.execution.wasm_binary import Cursor, WasmError, signed, unsigned

_BLOCK, _LOOP, _IF, _END = 0x02, 0x03, 0x04, 0x0B
_CALLS: Final = (0x10, 0x11, 0x12, 0x13)  # call, call_indirect, and the same as tail calls
_INDIRECT: Final = (0x11, 0x13)
_TAIL: Final = (0x12, 0x13)
_MEMORY_INIT, _DATA_DROP, _MEMORY_COPY, _MEMORY_FILL = 8, 9, 10, 11
_TABLE_INIT, _ELEM_DROP, _TABLE_COPY, _TABLE_GROW, _TABLE_FILL = 12, 13, 14, 15, 17
_BULK: Final = {_MEMORY_INIT, _MEMORY_COPY, _MEMORY_FILL, _TABLE_INIT, _TABLE_COPY, _TABLE_FILL}
# What copying memory and globals back cannot undo.
_LASTING: Final = {_DATA_DROP, _TABLE_INIT, _ELEM_DROP, _TABLE_COPY, _TABLE_GROW, _TABLE_FILL}

# What a frame counts: about what the engine's compiler makes of a small function's.
_FRAME_BYTES: Final = 48
_LOCAL_BYTES: Final = 8

# How the immediates of each opcode are skipped: 5.4 of the specification.
(
    _NONE, _ONE, _CALL, _MEMARG, _TYPE, _BR_TABLE, _F32, _F64,
    _SELECT, _TABLE_SET, _FC, _SIMD, _UNKNOWN,
) = range(13)  # fmt: skip


def _immediates() -> list[int]:
    table = [_UNKNOWN] * 256
    for opcodes, kind in (
        ((0x00, 0x01, 0x05, _END, 0x0F, 0x1A, 0x1B, 0xD1), _NONE),
        ((_BLOCK, _LOOP, _IF), _TYPE),
        (_CALLS, _CALL),
        ((0x0C, 0x0D, *range(0x20, 0x26), 0x3F, 0x40, 0x41, 0x42, 0xD0, 0xD2), _ONE),
        (range(0x28, 0x3F), _MEMARG),
        (range(0x45, 0xC5), _NONE),
        ((0x0E,), _BR_TABLE),
        ((0x1C,), _SELECT),
        ((0x26,), _TABLE_SET),
        ((0x43,), _F32),
        ((0x44,), _F64),
        ((0xFC,), _FC),
        ((0xFD,), _SIMD),
    ):
        for opcode in opcodes:
            table[opcode] = kind
    return table


_IMMEDIATES: Final = _immediates()


@dataclass(slots=True)
class Metered:
    """A function body with its count written in."""

    body: bytes
    lasting: bool  # it changes what a restore cannot undo: tables, dropped segments
    bulk: bool  # it calls the charging function


@dataclass(frozen=True, slots=True)
class Additions:
    """Indices of what the rewriter adds to a module for the counts."""

    fuel_global: int  # (mut i64)
    depth_global: int  # (mut i32)
    charge_function: int


def meter(body: bytes, parameters: int, additions: Additions) -> Metered:
    """A function body (locals and code) that pays for what it runs and for its frame.

    Raises:
        WasmError: an instruction that this node does not know (threads, exceptions, GC).
    """
    cursor = Cursor(body)
    groups, local_count = cursor.unsigned(), 0
    groups_at = cursor.at
    for _ in range(groups):
        local_count += cursor.unsigned()
        cursor.byte()
    locals_before = parameters + local_count
    declared = unsigned(groups + 1) + body[groups_at : cursor.at] + b"\x01\x7f"  # and an i32
    metered = _Meter(cursor, additions, locals_before).run()
    return Metered(declared + metered.body, metered.lasting, metered.bulk)


class _Meter:
    def __init__(self, cursor: Cursor, additions: Additions, locals_before: int) -> None:
        self.cursor = cursor
        self.fuel = unsigned(additions.fuel_global)
        self.depth = unsigned(additions.depth_global)
        self.charge = b"\x10" + unsigned(additions.charge_function)
        self.depth_here = unsigned(locals_before)  # a local: the depth that this call is at
        self.frame_bytes = _FRAME_BYTES + _LOCAL_BYTES * locals_before
        # Pieces of the new body; a `None` is where the price of region `prices[i]` goes.
        self.pieces: list[bytes | None] = []
        self.prices: list[int] = []
        self.copied = cursor.at
        self.lasting = False
        self.bulk = False

    def run(self) -> Metered:
        cursor, data, table = self.cursor, self.cursor.data, _IMMEDIATES
        size = len(data)
        self.pieces.append(self._enter())
        regions = [self._open_region()]  # whose price the instruction at hand adds to
        blocks: list[bool] = []  # of each open block: is it a loop
        while cursor.at < size:
            start = cursor.at
            opcode = data[start]
            cursor.at = start + 1
            self.prices[regions[-1]] += 1
            kind = table[opcode]
            if kind == _NONE:
                if opcode == _END and blocks and blocks.pop():
                    regions.pop()
            elif kind == _ONE:
                cursor.skip_number()
            elif kind == _CALL:
                self._call(opcode, start)
            elif kind == _MEMARG:
                self._skip_memarg()
            elif kind == _TYPE:
                cursor.skip_number()
                blocks.append(opcode == _LOOP)
                if opcode == _LOOP:
                    regions.append(self._open_region())
            elif kind == _FC:
                self._bulk(start)
            else:
                self._skip_rare(kind, opcode)
        self.pieces.append(data[self.copied :])
        prices = iter(self.prices)
        body = b"".join(
            self._payment(next(prices)) if piece is None else piece for piece in self.pieces
        )
        return Metered(body, self.lasting, self.bulk)

    def _open_region(self) -> int:
        self._copy_to(self.cursor.at)
        self.pieces.append(None)
        self.prices.append(0)
        return len(self.prices) - 1

    def _copy_to(self, at: int) -> None:
        self.pieces.append(self.cursor.data[self.copied : at])
        self.copied = at

    def _payment(self, price: int) -> bytes:
        # fuel -= price; if (fuel < 0) unreachable
        return b"".join(
            (
                b"\x23" + self.fuel + b"\x42" + signed(price) + b"\x7d\x24" + self.fuel,
                b"\x23" + self.fuel + b"\x42\x00\x53\x04\x40\x00\x0b",
            )
        )

    def _enter(self) -> bytes:
        # here = (depth -= frame); if (here < 0) unreachable
        return b"".join(
            (
                b"\x23" + self.depth + b"\x41" + signed(self.frame_bytes) + b"\x6b",
                b"\x22" + self.depth_here + b"\x24" + self.depth,
                b"\x20" + self.depth_here + b"\x41\x00\x48\x04\x40\x00\x0b",
            )
        )

    def _call(self, opcode: int, start: int) -> None:
        self.cursor.skip_number()
        if opcode in _INDIRECT:
            self.cursor.skip_number()
        if opcode in _TAIL:  # this frame goes: give it back before
            self._copy_to(start)
            back = b"\x20" + self.depth_here + b"\x41" + signed(self.frame_bytes) + b"\x6a"
            self.pieces.append(back + b"\x24" + self.depth)
        else:  # the callee does not restore the depth; and what it calls may not return normally
            self._copy_to(self.cursor.at)
            self.pieces.append(b"\x20" + self.depth_here + b"\x24" + self.depth)

    def _bulk(self, start: int) -> None:
        cursor = self.cursor
        sub = cursor.unsigned()
        if sub > _TABLE_FILL:
            raise WasmError(f"instruction 0xFC {sub} is not served")
        if sub >= _MEMORY_INIT:
            cursor.skip_number()
            if sub in (_MEMORY_INIT, _MEMORY_COPY, _TABLE_INIT, _TABLE_COPY):
                cursor.skip_number()
        self.lasting |= sub in _LASTING
        if sub in _BULK:
            self.bulk = True
            self._copy_to(start)
            self.pieces.append(self.charge)

    def _skip_memarg(self) -> None:
        # Bit 6 of the alignment says that a memory's number follows (multi-memory).
        if self.cursor.unsigned() & 0x40:
            self.cursor.skip_number()
        self.cursor.skip_number()

    def _skip_rare(self, kind: int, opcode: int) -> None:
        cursor = self.cursor
        if kind == _BR_TABLE:
            for _ in range(cursor.unsigned() + 1):
                cursor.skip_number()
        elif kind == _F32:
            cursor.take(4)
        elif kind == _F64:
            cursor.take(8)
        elif kind == _SELECT:
            for _ in range(cursor.unsigned()):
                cursor.byte()
        elif kind == _TABLE_SET:
            cursor.skip_number()
            self.lasting = True
        elif kind == _SIMD:
            self._skip_simd()
        else:
            raise WasmError(
                f"instruction 0x{opcode:02X} is not served (threads, exceptions and garbage "
                "collection are not): build the program without that feature"
            )

    def _skip_simd(self) -> None:
        sub = self.cursor.unsigned()
        if sub <= 11 or sub in (92, 93):
            self._skip_memarg()
        elif sub in (12, 13):
            self.cursor.take(16)
        elif 21 <= sub <= 34:
            self.cursor.take(1)
        elif 84 <= sub <= 91:
            self._skip_memarg()
            self.cursor.take(1)


def charge_function_body(fuel_global: int) -> bytes:
    """The body of the function that bulk instructions call with their length."""
    fuel = unsigned(fuel_global)
    code = b"".join(
        (
            b"\x00",  # no locals
            b"\x23" + fuel,
            b"\x20\x00\x41\x03\x76\xad",  # local.get 0; i32.const 3; i32.shr_u; i64.extend_i32_u
            b"\x7d\x24" + fuel,
            b"\x23" + fuel + b"\x42\x00\x53\x04\x40\x00\x0b",
            b"\x20\x00\x0b",
        )
    )
    return unsigned(len(code)) + code
