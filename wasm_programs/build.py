"""Compile programs in AssemblyScript: those beside this file, or any folder like them.

``python -m wasm_programs.build [--force] [NAME…]`` compiles every folder here that has an
``asconfig.json``; what is newer than its sources is left alone. It needs Node.js, and the
packages that ``npm ci`` installs in the project's root.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parent
ROOT = PROGRAMS.parent
COMPILER = Path("node_modules") / "assemblyscript" / "bin" / "asc.js"


class BuildError(Exception):
    """A program that could not be built; says why and what to do."""


def output_of(program: Path) -> Path:
    """The wasm file that a program's ``release`` target writes.

    Raises:
        BuildError: its ``asconfig.json`` is not there or does not say.
    """
    path = program / "asconfig.json"
    try:
        config = json.loads(path.read_text())
        return program / str(config["targets"]["release"]["outFile"])
    except FileNotFoundError:
        raise BuildError(f"{path}: no such file; `w3b program new` makes one") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{path} names no targets.release.outFile: {error}") from None


def is_fresh(program: Path) -> bool:
    """Whether the output is newer than its sources and than the compiler's lock file.

    Raises:
        BuildError: see `output_of`.
    """
    output = output_of(program)
    if not output.exists():
        return False
    inputs = [program / "asconfig.json", ROOT / "package-lock.json"]
    inputs += (program / "assembly").rglob("*.ts")
    return output.stat().st_mtime >= max(p.stat().st_mtime for p in inputs if p.exists())


def build(program: Path) -> Path:
    """Compile one program.

    The compiler and the SDK are those that npm installed in the program's folder or above it,
    or else this project's own.

    Raises:
        BuildError: Node.js or the compiler is missing, or it refused the source.
    """
    program = program.resolve()
    output = output_of(program)
    node = shutil.which("node")
    if node is None:
        raise BuildError("Node.js 20 or newer is missing: install it, then run this again")
    base = _with_compiler(program)
    # Its own search for packages goes no higher than the folder that it runs in.
    where = base if program.is_relative_to(base) else program
    source = program.relative_to(where)
    command = [
        *(node, str(base / COMPILER), str(source / "assembly" / "index.ts")),
        *("--config", str(source / "asconfig.json"), "--target", "release"),
        *("--path", str(base / "node_modules")),
        # The SDK passes addresses as i32, which the compiler warns about; errors still show.
        "--disableWarning",
    ]
    ran = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise BuildError(f"{program} does not compile:\n{ran.stderr.strip()}")
    return output


def build_if_stale(program: Path) -> bool:
    """`build` unless `is_fresh`; whether it did.

    Raises:
        BuildError: see there.
    """
    if is_fresh(program):
        return False
    build(program)
    return True


def _with_compiler(program: Path) -> Path:
    for folder in (program, *program.parents, ROOT):
        if (folder / COMPILER).exists():
            return folder
    raise BuildError(
        f"the AssemblyScript compiler is missing: run `npm install` in {program} "
        f"(or, in a checkout of the node, `make setup`)"
    )


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
        try:
            if not arguments.force and is_fresh(program):
                print(f"{name}: up to date")
                continue
            output = build(program)
        except BuildError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(f"{name}: {output.relative_to(PROGRAMS.resolve())}, {output.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
