"""Compiles the encoder: ``python -m streams.database.encoder.build`` (needs package ziglang)."""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
WIRE: Final = HERE.parents[1] / "delivery" / "wire"
TARGET: Final = HERE / "encoder.wasm"


class BuildError(RuntimeError):
    """The encoder cannot be compiled; says why and what to do."""


def is_stale() -> bool:
    """Whether a source is newer than the compiled encoder, or there is none."""
    if not TARGET.exists():
        return True
    built = TARGET.stat().st_mtime_ns
    sources = [*HERE.glob("*.zig"), *WIRE.glob("*.zig"), Path(__file__)]
    return any(source.stat().st_mtime_ns > built for source in sources)


def build() -> Path:
    """Compile to ``encoder.wasm`` beside the sources, if it is stale.

    Raises:
        BuildError: the compiler is not installed, or it refuses the source.
    """
    if not is_stale():
        return TARGET
    if find_spec("ziglang") is None:
        raise BuildError("package ziglang is missing: install the extra `dev` (make setup)")
    with tempfile.TemporaryDirectory(dir=HERE, prefix=".build-") as scratch:
        output = Path(scratch) / TARGET.name
        command = [
            sys.executable, "-m", "ziglang", "build-exe",
            "-target", "wasm32-freestanding", "-mcpu=generic+bulk_memory+simd128",
            "-O", "ReleaseFast", "-fstrip", "-fno-entry", "-rdynamic",
            "--dep", "record", "--dep", "repeats",
            f"-Mroot={HERE / 'encoder.zig'}",
            f"-Mrecord={WIRE / 'record.zig'}",
            f"-Mrepeats={WIRE / 'repeats.zig'}",
            "--cache-dir", str(Path(scratch) / "cache"),
            f"-femit-bin={output}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(f"zig could not compile the encoder:\n{done.stderr.strip()}")
        output.replace(TARGET)  # whoever reads it sees the old one or the new one
    return TARGET


def main() -> int:
    """Build and say where it is."""
    try:
        print(build())
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
