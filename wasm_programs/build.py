"""Build every program beside this file that has an ``asconfig.json``: AssemblyScript to wasm.

``python -m wasm_programs.build [--force] [NAME…]``; needs Node.js and the packages that
``npm ci`` installs in the project's root. What is newer than its sources is left alone.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parent
ROOT = PROGRAMS.parent
COMPILER = ROOT / "node_modules" / "assemblyscript" / "bin" / "asc.js"


class BuildError(Exception):
    """A program that could not be built; says why and what to do."""


def output_of(program: Path) -> Path:
    """The wasm file that a program's ``release`` target writes."""
    config = json.loads((program / "asconfig.json").read_text())
    return program / str(config["targets"]["release"]["outFile"])


def is_fresh(program: Path) -> bool:
    """Whether the output is newer than its sources and than the compiler's lock file."""
    output = output_of(program)
    if not output.exists():
        return False
    inputs = [program / "asconfig.json", ROOT / "package-lock.json"]
    inputs += (program / "assembly").rglob("*.ts")
    return output.stat().st_mtime >= max(p.stat().st_mtime for p in inputs if p.exists())


def build(program: Path) -> Path:
    """Compile one program.

    Raises:
        BuildError: Node.js or the compiler is missing, or it refused the source.
    """
    node = shutil.which("node")
    if node is None:
        raise BuildError("Node.js 20 or newer is missing: install it, then run this again")
    if not COMPILER.exists():
        raise BuildError(f"{COMPILER.relative_to(ROOT)} is missing: run `npm ci` in {ROOT}")
    source = program.relative_to(ROOT)
    command = [
        *(node, str(COMPILER), str(source / "assembly" / "index.ts")),
        *("--config", str(source / "asconfig.json"), "--target", "release"),
        # The SDK passes addresses as i32, which the compiler warns about; errors still show.
        "--disableWarning",
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise BuildError(f"{source} does not compile:\n{ran.stderr.strip()}")
    return output_of(program)


def main() -> int:
    """Build what is out of date and say what was done; 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m wasm_programs.build", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs; all, if none is named")
    parser.add_argument("--force", action="store_true", help="build what is up to date, too")
    arguments = parser.parse_args()
    known = {path.parent.name: path.parent for path in sorted(PROGRAMS.glob("*/asconfig.json"))}
    for name in arguments.names or known:
        if name not in known:
            print(f"no program {name!r}; there are: {', '.join(known)}", file=sys.stderr)
            return 1
        program = known[name]
        if not arguments.force and is_fresh(program):
            print(f"{name}: up to date")
            continue
        try:
            output = build(program)
        except BuildError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(f"{name}: {output.relative_to(ROOT)}, {output.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
