"""Compiles the encoder: ``python -m streams.database.encoder.build`` (part of ``make build``)."""

import sys
from pathlib import Path
from typing import Final

from streams.delivery.wire.zig import CompileError, compile_module

HERE: Final = Path(__file__).resolve().parent
TARGET: Final = HERE / "encoder.wasm"


def build() -> Path:
    """Compile to ``encoder.wasm`` beside the sources, if one of them is newer.

    Raises:
        CompileError: the compiler is not installed, or it refuses the source.
    """
    compile_module(HERE / "encoder.zig", TARGET)
    return TARGET


def main() -> int:
    """Build."""
    try:
        build()
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
