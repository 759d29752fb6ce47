"""Programs from wasm-smith: valid modules that nobody would write, with a node's imports."""

import random
import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import wasmtime

from streams.execution.linking import host

_TOOL = Path(sysconfig.get_path("scripts")) / "wasm-tools"
_WITHOUT = (
    "threads", "memory64", "relaxed-simd", "exceptions", "gc", "shared-everything-threads",
    "custom-page-sizes", "wide-arithmetic", "compact-imports", "custom-descriptors",
)  # fmt: skip
_EXPORTED = """(module (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 0))
  (func (export "start") (param i32) (result i32) (i32.const 0)))"""


def generated(seed: int) -> bytes | None:
    """The module of a seed; ``None`` where the generator makes none of it."""
    entropy = random.Random(seed)
    done = subprocess.run(
        [_TOOL, "smith", *_options()],
        input=entropy.randbytes(entropy.choice([300, 1000, 4000])),
        capture_output=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


@cache
def _options() -> tuple[str, ...]:
    scratch = Path(mkdtemp(prefix="wasm-smith-"))
    served = "".join(
        '(import "{}" "{}" (func {}))'.format(*name.split(".", 1), signature.wat())
        for name, signature in host().served.items()
    )
    imports, exports = scratch / "imports.wasm", scratch / "exports.wasm"
    imports.write_bytes(wasmtime.wat2wasm(f"(module {served})"))
    exports.write_bytes(wasmtime.wat2wasm(_EXPORTED))
    return (
        "--available-imports", str(imports), "--exports", str(exports),
        "--max-memories", "0",  # besides the exported one
        "--max-memory32-bytes", str(1 << 20),
        *(word for feature in _WITHOUT for word in (f"--{feature}-enabled", "false")),
    )  # fmt: skip
