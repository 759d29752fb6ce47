"""What a program asks for that its host in wasm cannot do: SQL, a chain's answers, blobs.

The driver asks through one import, ``outside.ask(kind, ptr, size) -> code``; whoever makes an
`Instance` says who answers which kind. A request is the event's time and a seed (both follow
from the message, so that a replay asks the same) and a body; the answer is one of W3bStream's
result codes and bytes, which go into room that the driver's ``reply(size)`` gives.
"""

import ctypes
import logging
import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final

import wasmtime

log = logging.getLogger(__name__)


class Ask(IntEnum):
    """What can be asked; the order of driver/outside.zig. The body is, and the answer:

    =============  ==========================================  =============================
    EVENT_DONE     empty: the event that asked (SQL) is over   `streams.execution.sql.rows.pack`
    EVENT_UNDONE   empty: it failed, nothing of it stays       the same, without rows
    SQL_QUERY      the statement's JSON, as the program's      the rows' JSON
    SQL_EXEC       the same                                    empty
    CALL_CONTRACT  chain id (u32), then the call's JSON        the bytes that were returned
    FILE_GET       a SHA-256 (32 bytes)                        the blob
    FILE_PUT       a blob                                      its SHA-256 (32 bytes)
    =============  ==========================================  =============================
    """

    EVENT_DONE = 0
    EVENT_UNDONE = 1
    SQL_QUERY = 2
    SQL_EXEC = 3
    CALL_CONTRACT = 4
    FILE_GET = 5
    FILE_PUT = 6


# Time in ms, seed (8 bytes), body -> result code (0: OK), answer or the text of an error.
Answerer = Callable[[int, bytes, bytes], tuple[int, bytes]]
Outside = Mapping[Ask, Answerer]

FAILED: Final = -1
# No code of W3bStream's: the event has broken a limit and ends here, as a dead letter.
BREACHED: Final = -1000
_HEAD: Final = struct.Struct("<Q8s")


class InstanceLost(RuntimeError):
    """An instance cannot go on, through no fault of its program: restore the partition from Kafka.

    An `Answerer` raises it when the node itself cannot answer (a disk, an object store), so that
    the event is run again instead of coming to something else than on its replay.
    """


def served(outside: Outside) -> int:
    """A bit for each kind that somebody answers."""
    return sum(1 << kind for kind in outside)


def ask_function(store: wasmtime.Store, outside: Outside) -> wasmtime.Func:
    """The driver's import ``outside.ask``. Holds nothing that holds the store."""

    def ask(caller: Any, kind: int, address: int, size: int) -> int:
        memory = caller["memory"]
        request = ctypes.string_at(_base(memory, caller) + (address & 0xFFFFFFFF), size)
        code, answer = _answer(outside, Ask(kind), request)
        if answer:
            room = caller["reply"](caller, len(answer)) & 0xFFFFFFFF
            ctypes.memmove(_base(memory, caller) + room, answer, len(answer))
        return code

    i32 = wasmtime.ValType.i32()
    # Made for each store: a type belongs to the first engine that it meets.
    return wasmtime.Func(store, wasmtime.FuncType([i32] * 3, [i32]), ask, access_caller=True)


def _answer(outside: Outside, kind: Ask, request: bytes) -> tuple[int, bytes]:
    time_ms, seed = _HEAD.unpack_from(request)
    try:
        return outside[kind](time_ms, seed, request[_HEAD.size :])
    except InstanceLost:
        raise
    except Exception as error:
        log.exception("%s: not answered", kind.name)
        return FAILED, str(error).encode()


def _base(memory: wasmtime.Memory, caller: Any) -> int:
    return ctypes.cast(memory.data_ptr(caller), ctypes.c_void_p).value or 0
