"""Programs that nobody wrote: whatever they do, the host stays whole and replay gives the same."""

import os

import psutil
import pytest
import wasmtime

from streams.execution.check import ProgramError
from streams.execution.instance import Instance
from streams.execution.program import Ceilings, Specification, load
from tests.execution.feeding import numbered
from tests.execution.generated import generated

# `make soak` asks for ten thousand.
MODULES = int(os.environ.get("W3B_TEST_MODULES", "60"))
CEILINGS = Ceilings(
    fuel=1_000_000, memory_bytes=4 << 20, output_bytes=100_000, state_bytes=10 << 20
)
BATCH = numbered([b'{"a":%d}' % n for n in range(12)])


@pytest.mark.slow
@pytest.mark.timeout(60 + MODULES)
@pytest.mark.parametrize("mode", ["fresh", "kept"])
def test_generated_programs_leave_the_host_whole(mode):
    ran = 0
    before = psutil.Process().memory_info().rss
    for seed in range(MODULES):
        binary = generated(seed)
        if binary is None:
            continue
        try:
            program = load(binary, Specification({"DEFAULT": "start"}, mode, ceilings=CEILINGS))
            instance = Instance(program, "d", 0)
        except (ProgramError, wasmtime.Trap, wasmtime.WasmtimeError):
            continue  # more than one memory, say; or its start function traps
        outcome = instance.run(BATCH)
        assert outcome.processed + sum(outcome.dead.values()) == 12, f"seed {seed}"
        assert sum(len(one["value"]) for one in outcome.records["results"]) < 12 * 200_000
        again = Instance(program, "d", 0).run(BATCH)
        assert again.records == outcome.records, f"seed {seed}: replay differs"
        ran += 1
    assert ran > MODULES / 4
    grown = psutil.Process().memory_info().rss - before
    assert grown < 300 << 20, f"{grown:,} bytes were not given back"
