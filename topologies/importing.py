"""`w3b device import`: many devices at once."""

import argparse
import contextlib
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from streams.clock import SystemClock
from streams.registry.entries import Entry
from streams.registry.importing import (
    ImportFileError,
    Line,
    Tally,
    import_devices,
    read_devices,
)
from topologies.commands import CommandError, settings_of
from topologies.registering import known_dapp, open_desk

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

_TOLD_MAX: Final = 20  # refused lines on the terminal; all of them are in --errors


def register_import(forms: "Subparsers") -> None:
    """Add the form."""
    parser = forms.add_parser(
        "import",
        help="register many devices from a CSV file",
        description="Register devices from a CSV file, whose first line is did,owner (or did, "
        "with --owner). A line that cannot be taken is told with its number, the others are "
        "taken; exit status 1 if there was one. To go on after an interruption, run it again: "
        "what is registered already is passed over.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--owner", metavar="OWNER", help="whose all of them are")
    parser.add_argument(
        "--grant", nargs="+", action="extend", default=[], metavar="DAPP",
        help="Dapps that get what the owners' devices send",
    )  # fmt: skip
    parser.add_argument(
        "--errors", type=Path, metavar="FILE", help="write refused lines there, as CSV"
    )
    parser.set_defaults(func=_import)


def _import(args: argparse.Namespace) -> int:
    clock = SystemClock()
    began_s = clock.monotonic_s()
    with open_desk(settings_of(args)) as desk, _opened(args.file) as file:
        for dapp in args.grant:
            known_dapp(desk, dapp)

        def put(entries: Sequence[Entry]) -> None:
            desk.registry.wait_for(desk.writer.put_checked(entries))

        try:
            lines = read_devices(file, args.owner)
            steps = import_devices(lines, desk.registry, args.grant, put, clock.now_ms())
            tally = _followed(steps, file, args.file)
        except ImportFileError as error:
            raise CommandError(f"{args.file}: {error}") from error
    took_s = clock.monotonic_s() - began_s
    _tell_refused(args.file, tally.refused, args.errors)
    print(
        f"{tally.added:,} devices added, {tally.known:,} were there, "
        f"{len(tally.refused):,} lines refused, in {took_s:.1f} s"
    )
    return 1 if tally.refused else 0


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        # Bytes that are no text make a line that is refused, not a file.
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            yield file
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def _followed(steps: Iterator[Tally], file: TextIO, path: Path) -> Tally:
    """The last tally; on a terminal, with a bar until then."""
    tally = Tally()
    columns = (
        TextColumn("{task.fields[added]:,} added, {task.fields[refused]:,} refused"),
        BarColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=path.stat().st_size or None, added=0, refused=0)
        for tally in steps:
            done = file.buffer.tell() if file.seekable() else 0
            progress.update(task, completed=done, added=tally.added, refused=len(tally.refused))
    return tally


def _tell_refused(path: Path, refused: Sequence[Line], errors: Path | None) -> None:
    for line in refused[:_TOLD_MAX]:
        print(f"{path}:{line.number}: {line.refused}", file=sys.stderr)
    if len(refused) > _TOLD_MAX:
        print(f"… and {len(refused) - _TOLD_MAX:,} more", file=sys.stderr)
    if errors is None or not refused:
        return
    try:
        with errors.open("w", newline="", errors="backslashreplace") as file:
            rows = csv.writer(file)
            rows.writerow(("line", "error"))
            rows.writerows((line.number, line.refused) for line in refused)
    except OSError as error:
        raise CommandError(f"{errors}: {error.strerror}") from error
