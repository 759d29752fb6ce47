"""A program's binary, rewritten once when it is loaded, so that the host can do its part.

What the program does stays as it is. Added are: the count of what it runs (`metering`); exports
of its mutable globals, so that they can be put back before each event; its start function as an
export, so that it runs when the host functions are there; ceilings on memory and tables; and a
name for the module, by which its calls are told from the host's in a backtrace.
"""

from dataclasses import dataclass
from typing import Final

from streams import limits
from streams.execution.backtrace import MODULE, Functions
from streams.execution.metering import Additions, charge_function_body, meter
from streams.execution.wasm_binary import (
    Cursor,
    Section,
    SectionId,
    WasmError,
    appended,
    assemble,
    name,
    sections,
    unsigned,
)

FUEL: Final = "__w3b_fuel"
DEPTH: Final = "__w3b_depth"
START: Final = "__w3b_start"
GLOBAL: Final = "__w3b_global_"

_VALUE_TYPES: Final = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128"}
_TABLE_KINDS: Final = (0x70, 0x6F)  # funcref, externref
_PAGE_BYTES: Final = 65536


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A rewritten module, and what the linker has to know about it."""

    module: bytes
    globals: tuple[str, ...]  # value types of the exported mutable globals, in order
    has_start: bool
    lasting: bool  # it can change what a restore does not undo; needs a new instance an event
    functions: Functions


@dataclass(slots=True)
class _Imports:
    functions: int = 0
    globals: int = 0


def rewrite(module: bytes, memory_bytes_max: int) -> Rewritten:
    """Rewrite a program.

    Raises:
        WasmError: not a module, or one that a node cannot serve; says why.
    """
    found = {one.number: one for one in sections(module) if one.number}
    names = [one for one in sections(module) if _is_name_section(one)]
    imports = _count_imports(found)
    mutable, references, global_count = _mutable_globals(found, imports)
    fuel = imports.globals + global_count
    depth = fuel + 1
    charge = imports.functions + _count(found, SectionId.FUNCTION)

    code, lasting, bulk = _meter_all(found, Additions(fuel, depth, charge))
    functions = Functions(_exported_functions(found), charge)
    exports = [name(FUEL) + b"\x03" + unsigned(fuel), name(DEPTH) + b"\x03" + unsigned(depth)]
    exports += [
        name(f"{GLOBAL}{i}") + b"\x03" + unsigned(index) for i, (index, _) in enumerate(mutable)
    ]
    start = found.pop(SectionId.START, None)
    if start is not None:
        exports.append(name(START) + b"\x00" + start.body)
    if bulk:
        types = _count(found, SectionId.TYPE)
        _append(found, SectionId.TYPE, b"\x60\x01\x7f\x01\x7f")
        _append(found, SectionId.FUNCTION, unsigned(types))
        code.append(charge_function_body(fuel))
    _append(found, SectionId.GLOBAL, b"\x7e\x01\x42\x00\x0b")  # fuel: (mut i64) = 0
    _append(found, SectionId.GLOBAL, b"\x7f\x01\x41\x00\x0b")  # depth: (mut i32) = 0
    found[SectionId.EXPORT] = Section(
        SectionId.EXPORT, appended(_body(found, SectionId.EXPORT), exports)
    )
    found[SectionId.CODE] = Section(SectionId.CODE, appended(None, code))
    _cap_memory(found, memory_bytes_max)
    _cap_tables(found)
    return Rewritten(
        module=assemble([*found.values(), _named(names)]),
        globals=tuple(value_type for _, value_type in mutable),
        has_start=start is not None,
        lasting=lasting or references > 0,  # a reference cannot be copied out and back
        functions=functions,
    )


def _meter_all(found: dict[int, Section], additions: Additions) -> tuple[list[bytes], bool, bool]:
    bodies: list[bytes] = []
    lasting = bulk = False
    body = _body(found, SectionId.CODE)
    if body is None:
        return bodies, lasting, bulk
    parameters = _parameter_counts(found)
    cursor = Cursor(body)
    if cursor.unsigned() != len(parameters):
        raise WasmError("the module has another number of functions than of function bodies")
    for count in parameters:
        metered = meter(cursor.take(cursor.unsigned()), count, additions)
        bodies.append(unsigned(len(metered.body)) + metered.body)
        lasting |= metered.lasting
        bulk |= metered.bulk
    return bodies, lasting, bulk


def _parameter_counts(found: dict[int, Section]) -> list[int]:
    """Of each function that the module defines."""
    types = Cursor(_body(found, SectionId.TYPE) or b"\0")
    of_type = []
    for _ in range(types.unsigned()):
        if types.byte() != 0x60:
            raise WasmError("types other than functions' are not served (garbage collection)")
        of_type.append(types.unsigned())
        types.take(of_type[-1])
        types.take(types.unsigned())
    functions = Cursor(_body(found, SectionId.FUNCTION) or b"\0")
    try:
        return [of_type[functions.unsigned()] for _ in range(functions.unsigned())]
    except IndexError as error:
        raise WasmError("a function has a type that the module does not have") from error


def _count_imports(found: dict[int, Section]) -> _Imports:
    imports = _Imports()
    body = _body(found, SectionId.IMPORT)
    if body is None:
        return imports
    cursor = Cursor(body)
    for _ in range(cursor.unsigned()):
        module, field, kind = cursor.name(), cursor.name(), cursor.byte()
        if kind == 0:
            cursor.unsigned()
            imports.functions += 1
        elif kind == 3:
            cursor.take(2)
            imports.globals += 1
        else:
            what = {1: "a table", 2: "a memory"}.get(kind, "a tag")
            raise WasmError(
                f"the program imports {what} ({module}.{field}); a node gives functions only: "
                "build it so that it defines its own"
            )
    return imports


def _mutable_globals(
    found: dict[int, Section], imports: _Imports
) -> tuple[list[tuple[int, str]], int, int]:
    """Numeric ones with index and type; how many of reference type; how many globals there are."""
    body = _body(found, SectionId.GLOBAL)
    if body is None:
        return [], 0, 0
    cursor = Cursor(body)
    count = cursor.unsigned()
    mutable, references = [], 0
    for index in range(imports.globals, imports.globals + count):
        value_type, is_mutable = cursor.byte(), cursor.byte()
        _skip_constant(cursor)
        if not is_mutable:
            continue
        if value_type in _VALUE_TYPES:
            mutable.append((index, _VALUE_TYPES[value_type]))
        else:
            references += 1
    return mutable, references, count


def _skip_constant(cursor: Cursor) -> None:
    while (opcode := cursor.byte()) != 0x0B:
        if opcode in (0x41, 0x42, 0x23, 0xD0, 0xD2):
            cursor.skip_number()
        elif opcode == 0x43:
            cursor.take(4)
        elif opcode == 0x44:
            cursor.take(8)
        elif opcode == 0xFD:
            cursor.unsigned()
            cursor.take(16)
        elif opcode not in (0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E):
            raise WasmError("a global's initial value uses an instruction that is not served")


def _cap_memory(found: dict[int, Section], memory_bytes_max: int) -> None:
    body = _body(found, SectionId.MEMORY)
    cursor = Cursor(body or b"\0")
    if cursor.unsigned() != 1:
        raise WasmError("the program must define one memory and export it as `memory`")
    least, most = cursor.limits()
    ceiling = memory_bytes_max // _PAGE_BYTES
    if least > ceiling:
        raise WasmError(
            f"the program starts with {least * _PAGE_BYTES:,} bytes of memory; "
            f"its limit is {memory_bytes_max:,}: raise limits.memory_bytes or build it smaller"
        )
    most = ceiling if most is None else min(most, ceiling)
    found[SectionId.MEMORY] = Section(
        SectionId.MEMORY, b"\x01\x01" + unsigned(least) + unsigned(most)
    )


def _cap_tables(found: dict[int, Section]) -> None:
    """An element of a table costs the engine 8 bytes, which `memory_bytes_max` does not count."""
    body = _body(found, SectionId.TABLE)
    if body is None:
        return
    cursor, tables = Cursor(body), []
    for _ in range(cursor.unsigned()):
        kind = cursor.byte()
        if kind not in _TABLE_KINDS:
            raise WasmError("a table of other references than funcref or externref is not served")
        least, most = cursor.limits()
        if least > limits.TABLE_ELEMENTS_MAX:
            raise WasmError(
                f"a table has {least:,} elements; at most {limits.TABLE_ELEMENTS_MAX:,} are served"
            )
        most = min(limits.TABLE_ELEMENTS_MAX if most is None else most, limits.TABLE_ELEMENTS_MAX)
        tables.append(bytes((kind, 1)) + unsigned(least) + unsigned(most))
    found[SectionId.TABLE] = Section(SectionId.TABLE, unsigned(len(tables)) + b"".join(tables))


def _exported_functions(found: dict[int, Section]) -> dict[int, str]:
    cursor = Cursor(_body(found, SectionId.EXPORT) or b"\0")
    exported = {}
    for _ in range(cursor.unsigned()):
        text, kind, index = cursor.name(), cursor.byte(), cursor.unsigned()
        if kind == 0:
            exported[index] = text
    return exported


def _named(sections_given: list[Section]) -> Section:
    """The name section (appendix of the specification), with the module's name set."""
    module_name = name(MODULE)
    parts = [name("name"), b"\0", unsigned(len(module_name)), module_name]
    try:
        for section in sections_given[:1]:
            cursor = Cursor(section.body)
            cursor.name()
            while cursor.at < len(cursor.data):
                number, part = cursor.byte(), cursor.take(cursor.unsigned())
                if number != 0:
                    parts += [bytes([number]), unsigned(len(part)), part]
    except WasmError:
        pass  # names are for people: a section that is broken takes only itself away
    return Section(SectionId.CUSTOM, b"".join(parts))


def _is_name_section(section: Section) -> bool:
    return section.number == SectionId.CUSTOM and section.body.startswith(name("name"))


def _body(found: dict[int, Section], number: int) -> bytes | None:
    section = found.get(number)
    return None if section is None else section.body


def _count(found: dict[int, Section], number: int) -> int:
    body = _body(found, number)
    return 0 if body is None else Cursor(body).unsigned()


def _append(found: dict[int, Section], number: int, item: bytes) -> None:
    found[number] = Section(number, appended(_body(found, number), [item]))
