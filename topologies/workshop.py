"""A program's life before any node: made, built, compared with its golden files, measured."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from streams.clock import SystemClock
from streams.execution import golden, pace
from streams.execution.program import Program
from streams.execution.trial import Trial, parse_events
from streams.registry.manifest import DAPP_NAME
from topologies.commands import CommandError
from wasm_programs import build as building

STARTER: Final = building.PROGRAMS / "starter"
_NAMED: Final = ("asconfig.json", "package.json", "program.toml")  # files that tell the name
_SHOWN_MAX: Final = 10  # differences; the first ones explain the rest
_KIB: Final = 1024


def new(folder: Path) -> None:
    """Make a program that builds and passes its golden test; its name is the folder's.

    Raises:
        CommandError: the name is none that a Dapp may have, or the folder is there already.
    """
    name = folder.name
    if not re.fullmatch(DAPP_NAME, name):
        raise CommandError(f"{name!r}: a Dapp's name has 1 to 32 of a-z, 0-9 and _")
    try:
        shutil.copytree(STARTER, folder, ignore=shutil.ignore_patterns("build", "node_modules"))
    except FileExistsError:
        raise CommandError(f"{folder} is there already: give another name") from None
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    for file in (folder / named for named in _NAMED):
        file.write_text(re.sub(r"\bstarter\b", name, file.read_text()))
    print(
        f"{folder}: a program in AssemblyScript, its manifest and its golden files\n"
        f"  w3b program test {folder}            build it, and see that it does what they say\n"
        f"  w3b program test {folder} --update   once you have changed {folder}/assembly\n"
        f"  w3b dapp add {folder}                have a running node serve it"
    )


def build(folder: Path) -> None:
    """Compile a program's AssemblyScript if the output is older.

    Raises:
        CommandError: it does not compile, or the compiler is missing.
    """
    try:
        stale = building.build_if_stale(folder)
        output = building.output_of(folder)
    except building.BuildError as error:
        raise CommandError(str(error)) from error
    done = f"{output.stat().st_size:,} bytes" if stale else "up to date"
    print(f"{output}: {done}")


def test(folder: Path, load: Callable[[], Program], update: bool) -> int:
    """Compare a program with its golden files; the exit status. ``load`` reads it.

    Raises:
        CommandError: it cannot be built, loaded or compared.
    """
    if (folder / "asconfig.json").exists():
        build(folder)
    lines = golden.lines_of(Trial(load()), folder)
    expected = folder / golden.EXPECTED
    if update:
        expected.write_bytes(b"".join(line + b"\n" for line in lines))
        print(f"{expected}: {len(lines)} lines written; read them before you trust them")
        return 0
    if not expected.exists():
        raise CommandError(f"{expected} is missing: `w3b program test {folder} --update` makes it")
    found = list(golden.differences(lines, folder))
    for one in found[:_SHOWN_MAX]:
        print(one)
    if len(found) > _SHOWN_MAX:
        print(f"and {len(found) - _SHOWN_MAX} more")
    if not found:
        print(f"{folder}: {len(lines)} events, all as {golden.EXPECTED} says")
    return 1 if found else 0


def bench(program: Program, lines: list[bytes], seconds: float, as_json: bool) -> None:
    """Print how fast a program runs on events (lines of JSON) and what they use.

    Raises:
        CommandError: there is no event. EventError: a line is none.
    """
    events = list(parse_events(lines))
    if not events:
        raise CommandError("no events: give --input a file with one a line")
    found = pace.measure(program, events, seconds, SystemClock())
    if as_json:
        print(json.dumps(asdict(found) | {"events_per_s": found.events_per_s}))
        return
    fresh = program.specification.instance == "fresh"
    grown = f"; {found.renewals / found.events:.1%} of the events grew it, at great cost"
    rows = (
        ("events/s", f"{found.events_per_s:,.0f}"),
        ("µs an event", f"{1e6 / found.events_per_s:,.2f}"),
        ("fuel an event", f"{found.fuel:,.0f} of {program.specification.ceilings.fuel:,}"),
        (
            "memory",
            f"{found.memory_bytes // _KIB:,} KiB"
            + (", put back before each event" if fresh else ", kept")
            + (grown if found.renewals else ""),
        ),
        ("state", f"{found.state_bytes:,} bytes"),
        ("dead letters", f"{found.failed / found.events:.1%} of the events"),
    )
    print(f"{found.events:,} events in {found.seconds:.1f} s, on one thread and without Kafka")
    for what, value in rows:
        print(f"  {what:<14}{value}")
