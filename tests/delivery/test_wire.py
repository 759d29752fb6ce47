"""The Zig that driver and encoder share has its tests in the same files."""

import subprocess
import sys
from pathlib import Path

import pytest

import streams.delivery

WIRE = Path(streams.delivery.__file__).parent / "wire"


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted(WIRE.glob("*.zig")), ids=lambda path: path.name)
def test_zig(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ziglang", "test", str(source), "--cache-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "passed" in done.stderr
