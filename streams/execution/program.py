"""A program: checked, rewritten, compiled, ready to be instantiated."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import wasmtime

from streams import limits
from streams.execution.backtrace import Functions
from streams.execution.check import ProgramError, check_module
from streams.execution.linking import Host, host, shim_wat
from streams.execution.rewrite import rewrite
from streams.execution.wasm_binary import WasmError
from streams.filesystem.compiled import compiled
from streams.registry.sql_schema import SqlSection

_PAGE_BYTES: Final = 65536


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What one event of a program may use; a manifest may set less, never more."""

    fuel: int = limits.EVENT_FUEL_MAX  # instructions, see `streams.execution.metering`
    memory_bytes: int = limits.PROGRAM_MEMORY_BYTES_MAX
    output_bytes: int = limits.EVENT_OUTPUT_BYTES_MAX
    state_bytes: int = limits.STATE_BYTES_MAX  # of one partition
    logs: int = limits.EVENT_LOGS_MAX  # lines
    effects: int = limits.EVENT_EFFECTS_MAX
    files_bytes: int = limits.FILES_BYTES_MAX  # of one partition
    sql_bytes: int = limits.SQL_BYTES_MAX  # rows of its SQL tables, of one partition

    def __post_init__(self) -> None:
        ceilings = (
            ("fuel", self.fuel, limits.EVENT_FUEL_MAX),
            ("memory_bytes", self.memory_bytes, limits.PROGRAM_MEMORY_BYTES_MAX),
            ("output_bytes", self.output_bytes, limits.EVENT_OUTPUT_BYTES_MAX),
            ("state_bytes", self.state_bytes, limits.STATE_BYTES_MAX),
            ("logs", self.logs, limits.EVENT_LOGS_MAX),
            ("effects", self.effects, limits.EVENT_EFFECTS_MAX),
            ("files_bytes", self.files_bytes, limits.FILES_BYTES_MAX),
            ("sql_bytes", self.sql_bytes, limits.SQL_BYTES_MAX),
        )
        for name, value, most in ceilings:
            if not 0 < value <= most:
                raise ValueError(f"limits.{name} is {value:,}; it has to be from 1 to {most:,}")


@dataclass(frozen=True, slots=True)
class Specification:
    """What a manifest says of how its program is run."""

    routes: Mapping[str, str | Sequence[str]]  # event type → handler, or several in their order
    instance: Literal["fresh", "kept"] = "fresh"
    env: Mapping[str, str] = field(default_factory=dict)
    # Whether inputs, claims and state are hashed into the roots that a network signs.
    roots: bool = True
    ceilings: Ceilings = field(default_factory=Ceilings)
    sql: SqlSection | None = None  # its SQL tables

    @property
    def handlers(self) -> dict[str, tuple[str, ...]]:
        """The handlers of each event type, in their order."""
        return {
            event_type: (names,) if isinstance(names, str) else tuple(names)
            for event_type, names in self.routes.items()
        }

    @property
    def all_handlers(self) -> tuple[str, ...]:
        """Every handler, once."""
        return tuple(dict.fromkeys(name for names in self.handlers.values() for name in names))


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled program; shared by all of its instances."""

    digest: bytes  # SHA-256 of the binary as it was given
    specification: Specification
    host: Host
    module: wasmtime.Module
    shim: wasmtime.Module
    handlers: tuple[str, ...]
    has_alloc: bool
    # It changes what a restore does not undo (tables, dropped segments): a new instance an event.
    lasting: bool
    functions: Functions


def load(binary: bytes, specification: Specification) -> Program:
    """Check, rewrite and compile a program.

    Raises:
        ProgramError: it cannot be served; says all that is wrong and what to do.
    """
    handlers = specification.all_handlers
    shared = host()
    shapes = check_module(binary, handlers, shared, claims=specification.roots)
    try:
        rewritten = rewrite(binary, specification.ceilings.memory_bytes)
    except WasmError as error:
        raise ProgramError([str(error)]) from error
    try:
        module = compiled(shared.engine, rewritten.module)
    except wasmtime.WasmtimeError as error:  # too large now, or it has a name of the node's own
        raise ProgramError([f"it does not validate with the node's additions: {error}"]) from error
    shim = shim_wat(
        host_functions=len(shared.served),
        memory_pages=shapes.memory_pages,
        global_types=rewritten.globals,
        handlers=[(name, shapes.handler_parameters[name]) for name in handlers],
        has_alloc=shapes.has_alloc,
    )
    return Program(
        digest=hashlib.sha256(binary).digest(),
        specification=specification,
        host=shared,
        module=module,
        shim=compiled(shared.engine, shim),
        handlers=handlers,
        has_alloc=shapes.has_alloc,
        lasting=rewritten.lasting,
        functions=rewritten.functions,
    )
