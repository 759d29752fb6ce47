"""The compiled contract in the repository is what its source compiles to."""

import json

import pytest

from streams.chain.contracts import build


@pytest.mark.slow
def test_artifact_is_the_source_compiled() -> None:
    assert json.loads(build.ARTIFACT.read_text()) == build.compiled(), (
        "run: python -m streams.chain.contracts.build"
    )
