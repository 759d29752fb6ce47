"""Compiles Zig to wasm, for the modules that read records: the driver and the sink's encoder."""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

WIRE: Final = Path(__file__).resolve().parent
# What every engine of the last years has; nothing that one node's engine may lack.
_FEATURES: Final = "generic+bulk_memory+sign_ext+nontrapping_fptoint+mutable_globals+simd128"
_STACK_BYTES: Final = 256 * 1024


class CompileError(RuntimeError):
    """A module cannot be compiled; says why and what to do."""


def compile_module(root: Path, target: Path, *extra: str) -> bool:
    """Compile ``root`` (which may import ``record``, ``repeats``, ``packed``) when it is stale.

    Answers whether it compiled. Whoever reads the target sees the old module or the new one.

    Raises:
        CompileError: the compiler is not installed, or it refuses the source.
    """
    sources = [*root.parent.glob("*.zig"), *WIRE.glob("*.zig"), Path(__file__)]
    if target.exists():
        built = target.stat().st_mtime_ns
        if all(source.stat().st_mtime_ns <= built for source in sources):
            return False
    if find_spec("ziglang") is None:
        raise CompileError("package ziglang is missing: install the extra `dev` (make setup)")
    shared = ("packed", "record", "repeats")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as scratch:
        output = Path(scratch) / target.name
        command = [
            sys.executable, "-m", "ziglang", "build-exe",
            "-target", "wasm32-freestanding", f"-mcpu={_FEATURES}",
            "-O", "ReleaseFast", "-fstrip", "-fno-entry", "-rdynamic", *extra,
            "--stack", str(_STACK_BYTES),
            *(part for name in shared for part in ("--dep", name)),
            f"-Mroot={root}",
            *(f"-M{name}={WIRE / name}.zig" for name in shared),
            "--cache-dir", str(Path(scratch) / "cache"),
            f"-femit-bin={output}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CompileError(f"zig could not compile {root.name}:\n{done.stderr.strip()}")
        output.replace(target)
    return True
