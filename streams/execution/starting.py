"""Whether a program starts: what a node does before the first event, done before it is deployed.

A module can be without fault and still fail as it is instantiated: its start function traps or
never ends, its data lie outside of its memory. Once deployed it would fail so in every partition
and at every try, and its Dapp would stand still.
"""

import wasmtime

from streams.execution.backtrace import explained
from streams.execution.check import ProgramError
from streams.execution.instance import Instance
from streams.execution.program import Program, Specification, load
from streams.records import DeadReason


def load_and_start(binary: bytes, specification: Specification) -> Program:
    """Check, rewrite and compile a program, and make an instance of it that is thrown away.

    Raises:
        ProgramError: it cannot be served; says all that is wrong and what to do.
    """
    program = load(binary, specification)
    try:
        Instance(program, "start", 0)
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        said = explained(error, DeadReason.TRAP, program.functions)
        raise ProgramError(
            [
                "it fails before its first event, as it is instantiated (its start function has an "
                f"event's fuel, its data have to lie in its memory): {said}"
            ]
        ) from error
    return program
