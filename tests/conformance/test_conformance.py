"""Programs from several compilers, each against its golden files: the ABI as they meet it."""

import pytest

from streams.execution.golden import differences, lines_of
from streams.execution.program import load
from streams.execution.trial import Trial
from streams.registry.manifest import load_manifest
from tests.conformance.building import PROGRAMS, built
from topologies.programs import specification_of


@pytest.mark.slow
@pytest.mark.timeout(300)  # the first program in C waits for Zig to build its C library
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_does_what_its_golden_files_say(name: str) -> None:
    folder = built(name)
    manifest, binary = load_manifest(folder)
    trial = Trial(load(binary.read_bytes(), specification_of(manifest)))
    found = list(differences(lines_of(trial, folder), folder))
    assert not found, "\n".join(map(str, found))
