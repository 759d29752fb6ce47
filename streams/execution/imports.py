"""What is wrong with a program's imports, and what its author can do about each."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

import wasmtime

from streams.execution.linking import Signature

# Programs that were built for something else than W3bStream, told by a module that they import.
_BUILT_FOR: Final = {
    "wasi_unstable": "WASI's first draft: build it for `wasi_snapshot_preview1`",
    "wbg": "a browser (wasm-bindgen): build it for wasm32-wasi, or without wasm-bindgen",
    "__wbindgen_placeholder__": "a browser (wasm-bindgen): build it without wasm-bindgen",
    "go": "a browser (Go's js/wasm): build it with TinyGo and -target=wasi",
    "gojs": "a browser (Go's js/wasm): build it with TinyGo and -target=wasi",
    "a": "a browser (Emscripten): build it with -sSTANDALONE_WASM, or with wasi-sdk",
}
# What a language's library imports of its surroundings, and what there is instead.
_INSTEAD: Final = {
    "env.Date.now": "a message's own time is `w3b.time`",
    "env.console.log": "`env.ws_log` logs, which is the SDK's Log",
}
_COMPONENT: Final = "wasi:"  # begins the names of the component model's modules

# The forms that functions had in W3bStream's earlier versions: their signature, what to do.
_I32: Final = "i32"
_EARLIER: Final = {
    ("env.ws_send_tx", 2): "the form before chains had ids, ws_send_tx(ptr, size)",
    ("env.ws_call_contract", 2): "the form before chains had ids, ws_call_contract(ptr, size)",
    ("env.ws_set_db", 3): "the form of integer values, ws_set_db(key, size, value)",
    ("env.ws_get_db", 2): "the form of integer values, ws_get_db(key, size)",
}


def import_problems(module: wasmtime.Module, served: Mapping[str, Signature]) -> Iterator[str]:
    """Each import that this node has not, or has in another form."""
    foreign: dict[str, list[str]] = {}
    for one in module.imports:
        name = f"{one.module}.{one.name}"
        if not isinstance(one.type, wasmtime.FuncType):
            yield _not_a_function(name, one.type)
        elif name not in served:
            if _foreign(one.module):
                foreign.setdefault(one.module, []).append(one.name or "")
            else:
                yield f"import `{name}` is not served by this node: {_near(name, served)}"
        elif (wanted := Signature.of(one.type)) != served[name]:
            yield _other_form(name, wanted, served[name])
    for module_name, names in foreign.items():
        yield (
            f"imports of `{module_name}` ({_listed(names)}) are not served by this node: the "
            f"program is built for {_foreign(module_name)}"
        )


def _foreign(module_name: str) -> str | None:
    if module_name.startswith(_COMPONENT):
        return "the component model: build it as a module for `wasi_snapshot_preview1`"
    return _BUILT_FOR.get(module_name)


def _near(name: str, served: Mapping[str, Signature]) -> str:
    if name in _INSTEAD:
        return _INSTEAD[name]
    module_name, _, function = name.partition(".")
    same = [one for one in served if one.partition(".")[2] == function]
    near = same or get_close_matches(name, served, n=1, cutoff=0.7)
    if near:
        return f"did you mean `{near[0]}`?"
    if module_name in {one.partition(".")[0] for one in served}:
        return "wasm_programs/README.md lists what there is"
    return (
        f"nothing of a module `{module_name}` is. Link or implement it in the program itself; "
        "wasm_programs/README.md lists what there is"
    )


def _other_form(name: str, wanted: Signature, given: Signature) -> str:
    said = f"import `{name}` is {wanted}; this node's is {given}"
    earlier = _EARLIER.get((name, len(wanted.parameters)))
    if earlier and set(wanted.parameters) <= {_I32}:
        return f"{said}. It is {earlier}: build the program with a newer SDK"
    return f"{said}: declare it so in the program, or build it with W3bStream's SDK"


def _not_a_function(name: str, kind: object) -> str:
    what = type(kind).__name__.removesuffix("Type").lower()
    said = f"import `{name}` is a {what}; a node gives functions only"
    if what == "memory":
        return f"{said}: build the program so that it defines and exports its memory"
    return f"{said}: build the program so that it defines its own"


def _listed(names: Iterable[str]) -> str:
    first, *others = names
    return f"`{first}`" if not others else f"`{first}` and {len(others)} more"
