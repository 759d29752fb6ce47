"""Compiles the programs beside this file: AssemblyScript with its SDK, C and Zig with Zig.

The one in Rust comes compiled, as a Dapp's developer would bring it: Rust's compiler for wasm is no
package of any registry that the project installs from. To compile it anew, in its folder::

    cargo build --release --target wasm32-unknown-unknown

and copy `conformance.wasm` from the target to `program.wasm`.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

from wasm_programs.build import build_if_stale

HERE: Final = Path(__file__).resolve().parent
PROGRAMS: Final = sorted(path.parent.name for path in HERE.glob("*/program.toml"))
_ZIG: Final = (sys.executable, "-m", "ziglang")
# A reactor: a module that is called, and whose `_start` nobody waits for.
_C: Final = (*_ZIG, "cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-Os", "-s")
_ZIG_EXE: Final = (
    *_ZIG, "build-exe", "-target", "wasm32-freestanding", "-O", "ReleaseSmall", "-fno-entry",
    "-rdynamic",
)  # fmt: skip


def built(name: str) -> Path:
    """The folder of a program, compiled unless its output is newer than its sources.

    Raises:
        subprocess.CalledProcessError, BuildError: it does not compile.
    """
    folder = HERE / name
    if (folder / "Cargo.toml").exists():
        return folder
    if (folder / "asconfig.json").exists():
        build_if_stale(folder)
        return folder
    output = folder / "build" / "program.wasm"
    sources = [*folder.glob("main.*"), HERE / "c" / "w3b.h"]
    if not output.exists() or output.stat().st_mtime < max(p.stat().st_mtime for p in sources):
        output.parent.mkdir(exist_ok=True)
        subprocess.run(_command(folder, output), check=True)
    return folder


def _command(folder: Path, output: Path) -> list[str]:
    if (folder / "main.c").exists():
        return [*_C, str(folder / "main.c"), "-o", str(output)]
    cache = ("--cache-dir", str(output.parent / "cache"))
    return [*_ZIG_EXE, *cache, str(folder / "main.zig"), f"-femit-bin={output}"]


if __name__ == "__main__":
    for each in PROGRAMS:
        print(built(each))
