"""How a program, the driver and Python are tied together in one store.

Programs import `env.ws_*` and need the driver; the driver needs the program's memory, `alloc`
and handlers. wasm links one way only, so four small modules, made here, close the circle::

    trampoline   exports every host function (`env.ws_log` …) and every function that the driver
                 wants of a program (`program.call` …); each calls through one table
    driver       imports `program.*` from the trampoline and `outside.ask` from Python; exports the
                 real host functions
    binder       writes the driver's functions into the table
    program      imports the trampoline's host functions, unchanged
    shim         for one program: imports both memories, copies between them, keeps the snapshot
                 that an event starts from, and writes its functions into the table

The driver's exports are the list of what a node serves: names and types are read from it.
"""

import ctypes
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import wasmtime

from streams import limits
from streams.execution.outside import Outside, ask_function
from streams.execution.rewrite import DEPTH, FUEL, GLOBAL, START
from streams.filesystem.compiled import compiled

OUTSIDE: Final = "outside"  # the driver's imports from this module are Python's
DRIVER_PATH: Final = Path(__file__).parent / "driver" / "driver.wasm"

_CROSSING_BYTES: Final = 4096  # of the call depth, for a host function that calls `alloc`

# What the shim offers the driver: name, parameters, result. The table holds them in this order.
PROGRAM_SIDE: Final = (
    ("call", "i32 i32", "i32"),
    ("restore", "", ""),
    ("refuel", "i64", ""),
    ("fuel_left", "", "i64"),
    ("spend", "i32", ""),
    ("pages", "", "i32"),
    ("give", "i32 i32 i32 i32", "i32"),
    ("copy_in", "i32 i32 i32", "i32"),
    ("copy_out", "i32 i32 i32", "i32"),
    ("store32", "i32 i32", "i32"),
    ("load32", "i32", "i32"),
)


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's type, as value types' names."""

    parameters: tuple[str, ...]
    results: tuple[str, ...]

    @classmethod
    def of(cls, function: wasmtime.FuncType) -> "Signature":
        """The signature of wasmtime's type."""
        return cls(tuple(map(str, function.params)), tuple(map(str, function.results)))

    def __str__(self) -> str:
        return f"({', '.join(self.parameters)}) -> ({', '.join(self.results)})"

    def wat(self) -> str:
        """As WebAssembly text."""
        parameters = f"(param {' '.join(self.parameters)})" if self.parameters else ""
        results = f"(result {' '.join(self.results)})" if self.results else ""
        return f"{parameters} {results}"


@dataclass(frozen=True, slots=True)
class Host:
    """What every program of an engine shares: compiled once a process."""

    engine: wasmtime.Engine
    trampoline: wasmtime.Module
    driver: wasmtime.Module
    binder: wasmtime.Module
    served: Mapping[str, Signature]  # `module.function` → its type


_making_host: Final = threading.Lock()


def host() -> Host:
    """The engine, the driver and the modules around it: the same for every caller.

    Raises:
        FileNotFoundError: the driver has not been built (`make build`).
    """
    with _making_host:  # Dapps start on threads of their own, and engines do not mix
        return _made_host()


@cache
def _made_host() -> Host:
    config = wasmtime.Config()
    config.wasm_multi_memory = True
    config.cranelift_nan_canonicalization = True  # nodes that check each other have to agree
    config.wasm_threads = False
    config.wasm_relaxed_simd = False
    config.max_wasm_stack = limits.ENGINE_STACK_BYTES
    engine = wasmtime.Engine(config)
    driver = compiled(engine, DRIVER_PATH.read_bytes())
    served = {
        one.name: Signature.of(one.type)
        for one in driver.exports
        if "." in one.name and isinstance(one.type, wasmtime.FuncType)
    }
    return Host(
        engine=engine,
        trampoline=compiled(engine, _trampoline_wat(served)),
        driver=driver,
        binder=compiled(engine, _binder_wat(served)),
        served=served,
    )


def _trampoline_wat(served: Mapping[str, Signature]) -> str:
    program_side = {
        f"program.{name}": Signature(tuple(parameters.split()), tuple(results.split()))
        for name, parameters, results in PROGRAM_SIDE
    }
    functions = []
    for slot, (name, signature) in enumerate({**served, **program_side}.items()):
        arguments = " ".join(f"(local.get {i})" for i in range(len(signature.parameters)))
        functions.append(
            f'(func (export "{name}") {signature.wat()}'
            f" (call_indirect $table {signature.wat()} {arguments} (i32.const {slot})))"
        )
    size = len(served) + len(PROGRAM_SIDE)
    return f'(module (table $table (export "table") {size} {size} funcref) {" ".join(functions)})'


def _binder_wat(served: Mapping[str, Signature]) -> str:
    imports = [
        f'(import "driver" "{name}" (func $f{i} {signature.wat()}))'
        for i, (name, signature) in enumerate(served.items())
    ]
    functions = " ".join(f"$f{i}" for i in range(len(served)))
    return (
        f'(module {" ".join(imports)} (import "trampoline" "table" (table $table 0 funcref))'
        f" (elem (table $table) (i32.const 0) func {functions}))"
    )


def shim_wat(
    host_functions: int,
    memory_pages: int,
    global_types: Sequence[str],
    handlers: Sequence[tuple[str, int]],
    has_alloc: bool,
) -> str:
    """The shim of one program as WebAssembly text.

    Args:
        host_functions: how many slots of the table are the driver's.
        memory_pages: the program's least memory, in pages of 64 KiB.
        global_types: value types of its exported mutable globals.
        handlers: names and numbers of parameters (1, or 2 as in W3bStream's reduce).
        has_alloc: whether it exports ``alloc``.
    """
    lines = [
        f'(import "program" "memory" (memory $program {memory_pages}))',
        '(import "driver" "memory" (memory $driver 1))',
        '(import "trampoline" "table" (table $table 0 funcref))',
        f'(import "program" "{FUEL}" (global $fuel (mut i64)))',
        f'(import "program" "{DEPTH}" (global $depth (mut i32)))',
    ]
    for i, value_type in enumerate(global_types):
        lines.append(f'(import "program" "{GLOBAL}{i}" (global $g{i} (mut {value_type})))')
    if has_alloc:
        lines.append('(import "program" "alloc" (func $guest_alloc (param i32) (result i32)))')
    for i, (name, parameters) in enumerate(handlers):
        shape = "(param i32)" if parameters == 1 else "(param i32 i32)"
        lines.append(f'(import "program" "{_quoted(name)}" (func $h{i} {shape} (result i32)))')
    lines.append('(memory $snapshot (export "memory") 0)')
    for i, value_type in enumerate(global_types):
        lines.append(f"(global $s{i} (mut {value_type}) ({value_type}.const {_zero(value_type)}))")
    lines += _snapshot_wat(len(global_types))
    lines += _crossing_wat(handlers, has_alloc)
    slots = " ".join(f"${name}" for name, _, _ in PROGRAM_SIDE)
    lines.append(f"(elem (table $table) (i32.const {host_functions}) func {slots})")
    return "(module\n" + "\n".join(lines) + ")"


def _snapshot_wat(global_count: int) -> list[str]:
    keep = " ".join(f"(global.set $s{i} (global.get $g{i}))" for i in range(global_count))
    put_back = " ".join(f"(global.set $g{i} (global.get $s{i}))" for i in range(global_count))
    return [
        # $used: bytes of the snapshot up to the last one that is not zero; the rest is filled.
        "(global $used (mut i32) (i32.const 0)) (global $size (mut i32) (i32.const 0))",
        '(func (export "snapshot") (param $used_now i32)',
        "  (global.set $used (local.get $used_now))",
        "  (global.set $size (i32.mul (memory.size $program) (i32.const 65536)))",
        "  (drop (memory.grow $snapshot (i32.shr_u (i32.add (local.get $used_now)"
        " (i32.const 65535)) (i32.const 16))))",
        "  (memory.copy $snapshot $program (i32.const 0) (i32.const 0) (local.get $used_now))",
        f"  {keep})",
        "(func $restore",
        "  (memory.copy $program $snapshot (i32.const 0) (i32.const 0) (global.get $used))",
        "  (memory.fill $program (global.get $used) (i32.const 0)"
        " (i32.sub (global.get $size) (global.get $used)))",
        f"  {put_back})",
    ]


def _crossing_wat(handlers: Sequence[tuple[str, int]], has_alloc: bool) -> list[str]:
    calls = []
    for i, (_, parameters) in enumerate(handlers):
        # W3bStream's reduce: what was accumulated, and the event; 0 where there is nothing yet.
        first = "" if parameters == 1 else "(i32.const 0)"
        calls.append(
            f"(if (i32.eq (local.get $handler) (i32.const {i}))"
            f" (then (return (call $h{i} {first} (local.get $rid)))))"
        )
    # An `alloc` may call the host, and the host it again: such a round takes more of the real
    # stack, the host's own too, than its counted frames say.
    alloc = "(unreachable)"
    if has_alloc:
        alloc = (
            f"(global.set $depth (i32.sub (global.get $depth) (i32.const {_CROSSING_BYTES})))"
            " (if (i32.lt_s (global.get $depth) (i32.const 0)) (then (unreachable)))"
            " (call $guest_alloc (local.get 0))"
            f" (global.set $depth (i32.add (global.get $depth) (i32.const {_CROSSING_BYTES})))"
        )
    return [
        "(func $inside (param $at i32) (param $size i32) (result i32)",
        "  (i64.le_u",
        "    (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $size)))",
        "    (i64.shl (i64.extend_i32_u (memory.size $program)) (i64.const 16))))",
        f"(func $alloc (param i32) (result i32) {alloc})",
        # Bytes into room that the program allocates, their place and size where it wants them.
        "(func $give (param $from i32) (param $size i32) (param $p_at i32) (param $p_size i32)",
        "  (result i32) (local $at i32)",
        "  (local.set $at (call $alloc (local.get $size)))",
        "  (if (i32.eqz (call $copy_in (local.get $at) (local.get $from) (local.get $size)))",
        "    (then (return (i32.const 1))))",
        "  (if (i32.eqz (call $store32 (local.get $p_at) (local.get $at)))",
        "    (then (return (i32.const 2))))",
        "  (if (i32.eqz (call $store32 (local.get $p_size) (local.get $size)))",
        "    (then (return (i32.const 2))))",
        "  (i32.const 0))",
        "(func $call (param $handler i32) (param $rid i32) (result i32)",
        f"  {' '.join(calls)} (unreachable))",
        "(func $refuel (param i64) (global.set $fuel (local.get 0))",
        f"  (global.set $depth (i32.const {limits.CALL_DEPTH_BYTES_MAX})))",
        "(func $fuel_left (result i64) (global.get $fuel))",
        "(func $spend (param i32) (global.set $fuel"
        " (i64.sub (global.get $fuel) (i64.extend_i32_u (local.get 0)))))",
        "(func $pages (result i32) (memory.size $program))",
        # Nothing at all may be said to lie anywhere, and copying it would trap all the same.
        "(func $copy_in (param $to i32) (param $from i32) (param $size i32) (result i32)",
        "  (if (i32.eqz (call $inside (local.get $to) (local.get $size)))",
        "    (then (return (i32.const 0))))",
        "  (if (local.get $size) (then (memory.copy $program $driver",
        "    (local.get $to) (local.get $from) (local.get $size))))",
        "  (i32.const 1))",
        "(func $copy_out (param $to i32) (param $from i32) (param $size i32) (result i32)",
        "  (if (i32.eqz (call $inside (local.get $from) (local.get $size)))",
        "    (then (return (i32.const 0))))",
        "  (if (local.get $size) (then (memory.copy $driver $program",
        "    (local.get $to) (local.get $from) (local.get $size))))",
        "  (i32.const 1))",
        "(func $store32 (param $at i32) (param $value i32) (result i32)",
        "  (if (i32.eqz (call $inside (local.get $at) (i32.const 4)))",
        "    (then (return (i32.const 0))))",
        "  (i32.store $program (local.get $at) (local.get $value))",
        "  (i32.const 1))",
        "(func $load32 (param i32) (result i32) (i32.load $program (local.get 0)))",
    ]


def _zero(value_type: str) -> str:
    return "i64x2 0 0" if value_type == "v128" else "0"


def _quoted(text: str) -> str:
    return "".join(f"\\{byte:02x}" for byte in text.encode())


_LIBC: Final = ctypes.CDLL(None)
_MADV_DONTNEED: Final = 4  # Linux: the pages are gone, and zeros if they are read again


class Linked:
    """Driver and trampoline in a store, and the program that they serve at the moment."""

    def __init__(self, shared: Host, outside: Outside) -> None:
        self.host = shared
        self._memories: tuple[Any, ...] = ()  # of the program that is attached
        self.store = wasmtime.Store(shared.engine)
        trampoline = wasmtime.Instance(self.store, shared.trampoline, [])
        self._trampoline = trampoline.exports(self.store)
        ask = ask_function(self.store, outside)
        driver = wasmtime.Instance(
            self.store,
            shared.driver,
            [
                ask if one.module == OUTSIDE else self._trampoline[f"{one.module}.{one.name}"]
                for one in shared.driver.imports
            ],
        )
        self.driver = driver.exports(self.store)
        wasmtime.Instance(
            self.store,
            shared.binder,
            [*(self.driver[name] for name in shared.served), self._trampoline["table"]],
        )

    def attach(self, program: wasmtime.Module, shim: wasmtime.Module, start_fuel: int) -> Any:
        """A new instance of the program and its shim; answers the program's exports.

        Its start function runs here and what it leaves becomes the snapshot.

        Raises:
            wasmtime.WasmtimeError, wasmtime.Trap: it cannot be instantiated, or its start traps.
        """
        instance = wasmtime.Instance(
            self.store,
            program,
            [self._trampoline[f"{one.module}.{one.name}"] for one in program.imports],
        )
        exports = instance.exports(self.store)
        sides = {"program": exports, "driver": self.driver, "trampoline": self._trampoline}
        bound = wasmtime.Instance(
            self.store, shim, [sides[one.module][one.name] for one in shim.imports]
        )
        exports[FUEL].set_value(self.store, wasmtime.Val.i64(start_fuel))
        exports[DEPTH].set_value(self.store, wasmtime.Val.i32(limits.CALL_DEPTH_BYTES_MAX))
        if START in exports:
            self.driver["begin_start"](self.store)
            exports[START](self.store)
            self.driver["end_start"](self.store)
        memory = exports["memory"]
        used = len(memory.read(self.store).rstrip(b"\0"))
        side = bound.exports(self.store)
        side["snapshot"](self.store, used)
        self._memories = memory, side["memory"]
        return exports

    def detach(self) -> None:
        """Give back the memory of the program that was attached, which will not run again.

        A store keeps what it ever made until it goes; so the kernel takes the pages, and only
        addresses are left.
        """
        for memory in self._memories:
            start = ctypes.cast(memory.data_ptr(self.store), ctypes.c_void_p)
            if size := memory.data_len(self.store):
                _LIBC.madvise(start, ctypes.c_size_t(size), ctypes.c_int(_MADV_DONTNEED))
        self._memories = ()
