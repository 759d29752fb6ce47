"""Parts of the driver whose tests lie beside them, in Zig."""

import subprocess
import sys
from pathlib import Path

import pytest

import streams.execution

DRIVER = Path(streams.execution.__file__).parent / "driver"


@pytest.mark.slow
@pytest.mark.parametrize(
    "source", ["json.zig", "state.zig", "owned_keys.zig"]
)  # and what it imports
def test_zig(source: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ziglang", "test", DRIVER / source, "--cache-dir", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "passed" in done.stderr
