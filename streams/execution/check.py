"""Whether a node can serve a program, found before it is deployed and not at its first event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import wasmtime

from streams import limits
from streams.execution.imports import import_problems
from streams.execution.linking import Host, Signature
from streams.filesystem.compiled import compiled

_HANDLER = Signature(("i32",), ("i32",))
_REDUCE = Signature(("i32", "i32"), ("i32",))
_ALLOC = Signature(("i32",), ("i32",))
# What compilers export of their runtimes, in a handler's form.
_ALLOCATORS = frozenset({"alloc", "malloc", "calloc", "realloc", "__new", "__pin"})
_SQL = {("env", "ws_get_sql_db"), ("env", "ws_set_sql_db")}
_CLAIM = ("w3b", "claim")


class ProgramError(ValueError):
    """A program that cannot be served; ``problems`` says all that is wrong and what to do."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True, slots=True)
class Shapes:
    """What the linker has to know of a program that can be served."""

    memory_pages: int
    has_alloc: bool
    handler_parameters: Mapping[str, int]


def check_module(
    binary: bytes,
    handlers: Iterable[str],
    host: Host,
    *,
    claims: bool = True,
    sql: bool = True,
) -> Shapes:
    """Look at a program's imports and exports; ``claims``: whether it may make any; ``sql``:
    whether its manifest has tables.

    Raises:
        ProgramError: listing every unknown import, wrong signature and missing export.
    """
    if len(binary) > limits.PROGRAM_BYTES_MAX:
        raise ProgramError(
            [f"the program has {len(binary):,} bytes; the limit is {limits.PROGRAM_BYTES_MAX:,}"]
        )
    try:
        module = compiled(host.engine, binary)
    except wasmtime.WasmtimeError as error:
        raise ProgramError([f"not a WebAssembly module that validates: {error}"]) from error
    problems = list(import_problems(module, host.served))
    if not claims and any((one.module, one.name) == _CLAIM for one in module.imports):
        problems.append(
            "it imports `w3b.claim`, but nobody would prove its claims, as the manifest has "
            'consensus = "none": set it to "poa", or build the program without claims'
        )
    statements = [one.name for one in module.imports if (one.module, one.name) in _SQL]
    if statements and not sql:
        problems.append(
            f"it imports `env.{statements[0]}`, but its manifest names no tables (every statement "
            'would return 9): add [sql] with schema = "schema.json"'
        )
    exports = {one.name: one.type for one in module.exports}
    memory = exports.get("memory")
    if not isinstance(memory, wasmtime.MemoryType):
        problems.append("no memory is exported as `memory`: export it under that name")
    alloc = exports.get("alloc")
    if alloc is not None and _signature(alloc) != _ALLOC:
        problems.append(f"export `alloc` is {_describe(alloc)}; it has to be {_ALLOC}")
    parameters = {}
    for name in handlers:
        signature = _signature(exports.get(name))
        if signature in (_HANDLER, _REDUCE):
            parameters[name] = len(signature.parameters)
        else:
            problems.append(_handler_problem(name, exports))
    if problems or not isinstance(memory, wasmtime.MemoryType):
        raise ProgramError(problems)
    return Shapes(memory.limits.min, alloc is not None, parameters)


def handlers_of(binary: bytes, host: Host) -> list[str]:
    """The exports that could be handlers.

    Raises:
        ProgramError: not a module.
    """
    try:
        module = compiled(host.engine, binary)
    except wasmtime.WasmtimeError as error:
        raise ProgramError([f"not a WebAssembly module that validates: {error}"]) from error
    return [
        one.name
        for one in module.exports
        if one.name not in _ALLOCATORS and _signature(one.type) in (_HANDLER, _REDUCE)
    ]


def _handler_problem(name: str, exports: Mapping[str, object]) -> str:
    if name not in exports:
        able = [one for one, kind in exports.items() if _signature(kind) in (_HANDLER, _REDUCE)]
        able = [one for one in able if one not in _ALLOCATORS]
        has = f"it exports {', '.join(able)}" if able else "it exports no handler at all"
        return f"handler `{name}` is not exported ({has}): correct [events] or the program"
    return f"handler `{name}` is {_describe(exports[name])}; it has to be {_HANDLER} or {_REDUCE}"


def _signature(kind: object) -> Signature | None:
    return Signature.of(kind) if isinstance(kind, wasmtime.FuncType) else None


def _describe(kind: object) -> str:
    signature = _signature(kind)
    return str(signature) if signature else type(kind).__name__.removesuffix("Type").lower()
