"""Generates the modules beside it: ``make build``, ``python -m streams.endpoint.rpc.build``."""

import sys
from importlib import resources
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
_ROOT: Final = HERE.parents[2]  # names in generated imports begin there
SOURCES: Final = tuple(sorted(HERE.glob("*.proto")))


def generate(into: Path) -> None:
    """Write what the sources describe, in Python and as types, below ``into``.

    Raises:
        RuntimeError: a source is wrong; the compiler has said what.
    """
    from grpc_tools import protoc  # of development only

    known = resources.files("grpc_tools") / "_proto"
    outputs = [f"--python_out={into}", f"--pyi_out={into}"]
    if protoc.main(["", f"-I{_ROOT}", f"-I{known}", *outputs, *map(str, SOURCES)]):
        raise RuntimeError("protoc refused a source")


def main() -> int:
    """Generate it anew."""
    try:
        generate(_ROOT)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
