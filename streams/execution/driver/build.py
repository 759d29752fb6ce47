"""Compiles the driver: ``python -m streams.execution.driver.build`` (part of ``make build``)."""

import sys
from pathlib import Path
from typing import Final

from streams.delivery.wire.zig import CompileError, compile_module

HERE: Final = Path(__file__).resolve().parent


def main() -> int:
    """Compile if a source is newer than the module."""
    try:
        compile_module(
            HERE / "driver.zig",
            HERE / "driver.wasm",
            "--export=__stack_pointer",  # a trap leaves it where it was; Python puts it back
        )
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
