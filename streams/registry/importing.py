"""Many devices at once, from a CSV file.

They are written in chunks, each acknowledged before the next. There is no journal: whoever imports
the file again, after a kill too, passes over what the registry has. A line that cannot be taken is
told with its number and holds up no other.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TextIO

from streams.registry.adding import Known, TakenError, device_missing, owner_missing
from streams.registry.checks import check
from streams.registry.entries import Device, Entry, EntryError

COLUMNS: Final = ("did", "owner")
_CHUNK_DEVICES: Final = 1_000


class ImportFileError(ValueError):
    """A file that is none of the form; says what its first line has to be."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file: a device, or why it is none."""

    number: int
    device: Device | None
    refused: str | None = None


@dataclass(slots=True)
class Tally:
    """What has become of the lines until now."""

    added: int = 0
    known: int = 0  # they were there already
    refused: list[Line] = field(default_factory=list)


def read_devices(file: TextIO, owner: str | None) -> Iterator[Line]:
    """The lines of a file whose first one names its columns.

    They are ``did``, and ``owner`` if none is given for all.

    Raises:
        ImportFileError: the first line names others.
    """
    reader = csv.reader(file, strict=True)
    names = [name.strip().lower() for name in next(reader, [])]
    wanted = COLUMNS if owner is None else COLUMNS[:1]
    if sorted(names) != sorted(wanted):
        raise ImportFileError(
            f"the first line has to be {','.join(wanted)}, not {','.join(names)[:80]!r}"
        )
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(reader.line_num, None, str(error))
            continue
        if len(row) not in (0, len(names)):
            why = f"{len(row)} fields, the first line has {len(names)}"
            yield Line(reader.line_num, None, why)
        elif row:
            yield _line(reader.line_num, dict(zip(names, row, strict=True)), owner)


def _line(number: int, fields: dict[str, str], owner: str | None) -> Line:
    device = Device(fields["did"].strip(), owner or fields.get("owner", "").strip())
    try:
        check(device)
    except EntryError as error:
        return Line(number, None, str(error))
    return Line(number, device)


def import_devices(
    lines: Iterable[Line],
    known: Known,
    dapps: Sequence[str],
    put: Callable[[Sequence[Entry]], None],
    now_ms: int,
) -> Iterator[Tally]:
    """Add the devices that are not there yet, their owners, and what these are to grant.

    Args:
        lines: from `read_devices`.
        known: the registry's view, which knows what ``put`` has written once it returns.
        dapps: that each owner grants.
        put: writes entries that were checked.
        now_ms: since when owners and grants are.

    Yields:
        The same tally, after each chunk.
    """
    tally = Tally()
    chunk: dict[str, Device] = {}
    for line in lines:
        _take(line, chunk, known, tally)
        if len(chunk) >= _CHUNK_DEVICES:
            _put(chunk, known, dapps, put, now_ms)
            tally.added += len(chunk)
            chunk.clear()
            yield tally
    if chunk:
        _put(chunk, known, dapps, put, now_ms)
        tally.added += len(chunk)
    yield tally


def _take(line: Line, chunk: dict[str, Device], known: Known, tally: Tally) -> None:
    device = line.device
    if device is None:
        tally.refused.append(line)
        return
    before = chunk.get(device.did)
    try:
        if before is not None and before.owner != device.owner:
            raise TakenError(f"device {device.did} is {before.owner!r}'s by another line")
        if before is None and device_missing(known, device):
            chunk[device.did] = device
        else:
            tally.known += 1
    except TakenError as error:
        tally.refused.append(Line(line.number, device, str(error)))


def _put(
    chunk: dict[str, Device],
    known: Known,
    dapps: Sequence[str],
    put: Callable[[Sequence[Entry]], None],
    now_ms: int,
) -> None:
    owners = dict.fromkeys(device.owner for device in chunk.values())
    new = [entry for owner in owners for entry in owner_missing(known, owner, dapps, now_ms)]
    put([*new, *chunk.values()])
