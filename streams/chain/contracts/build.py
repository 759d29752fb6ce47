"""Compile the contracts: ``python -m streams.chain.contracts.build``.

``w3bstream.json`` (ABI, creation code) lies beside its source in the repository, because the
contract's address is a function of that code (see `streams.chain.deployment`): a node must not
find its contract elsewhere because a compiler changed. A test compiles the source again and
compares. A node itself never loads the compiler.
"""

import json
from pathlib import Path
from typing import Any, Final

from eth_utils.crypto import keccak

SOURCE: Final = Path(__file__).with_name("w3bstream.vy")
ARTIFACT: Final = SOURCE.with_suffix(".json")


def compiled() -> dict[str, Any]:
    """ABI, creation code, hash of the deployed code and compiler, from the contract's source."""
    import vyper

    output = vyper.compile_code(
        SOURCE.read_text(), output_formats=["abi", "bytecode", "bytecode_runtime"]
    )
    code = bytes.fromhex(output["bytecode_runtime"][2:])
    return {
        "compiler": f"vyper {vyper.__version__}",
        "code_hash": "0x" + keccak(code).hex(),
        "abi": output["abi"],
        "bytecode": output["bytecode"],
    }


def main() -> None:
    """Write the artifact."""
    ARTIFACT.write_text(json.dumps(compiled(), indent=1) + "\n")


if __name__ == "__main__":
    main()
