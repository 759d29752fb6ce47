"""OBD-II recordings in the carOBD form, read with the blemishes of real data.

A file is one car's drive: a header, then rows of numbers. Known blemishes: the first column's
name is misspelled (``ENGINE_RUN_TINE``), names end in `` ()``, rows end in a comma and CR LF,
rows are cut short, values lie outside a sensor's range; a spreadsheet puts a byte order mark in
front and cells in quotes.

A row that cannot be read as numbers is not dropped and not repaired: it becomes a message with
the row's own bytes, for the node to refuse and keep. A value outside a sensor's range is a
number all the same; whether it can be true is the program's to say.

Source: https://github.com/eron93br/carOBD
"""

import codecs
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topologies.fleet.drives import Stretch

STRETCH_ROWS: Final = 500
FILE_BYTES_MAX: Final = 256 * 1024 * 1024  # days of one car; it is held in memory
STEP_MS: Final = (100, 10_000)  # what may lie between two rows

# Column in the file, field of the telemetry schema.
COLUMNS: Final = {
    "VEHICLE_SPEED": "speed_kmh",
    "ENGINE_RPM": "rpm",
    "THROTTLE": "throttle_pct",
    "ENGINE_LOAD": "load_pct",
    "COOLANT_TEMPERATURE": "coolant_c",
    "LONG_TERM_FUEL_TRIM_BANK_1": "ltft_pct",
    "SHORT_TERM_FUEL_TRIM_BANK_1": "stft_pct",
    "FUEL_TANK": "fuel_pct",
    "ENGINE_RUN_TIME": "run_time_s",
}
_SPELLINGS: Final = {"ENGINE_RUN_TINE": "ENGINE_RUN_TIME"}
_JSON_NUMBER: Final = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NUMBER_BYTES_MAX: Final = 64  # a cell with more digits is written anew: a request has to hold it
_HEAD_BYTES: Final = 4096  # in which text has no NUL
_AROUND: Final = b' \t"'  # a cell
# How files begin that are something else.
_OTHER_FILES: Final = {
    codecs.BOM_UTF16_LE: "it is UTF-16: save it as UTF-8",
    codecs.BOM_UTF16_BE: "it is UTF-16: save it as UTF-8",
    b"\x1f\x8b": "it is compressed (gzip): unpack it",
    b"PK\x03\x04": "it is a spreadsheet or an archive: save it as CSV",
}


class RecordingError(ValueError):
    """A file that is no recording; says which, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that went to the node as it was."""

    line: int  # counted from 1, the header included
    reason: str


class Recording:
    """One file as one device's drive. Implements `drives.Drive`."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            RecordingError: not there, too large, not CSV, no header, or a column that is needed
                is missing or twice there.
        """
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise RecordingError(f"{path}: over {FILE_BYTES_MAX:,} bytes; split it")
            data = path.read_bytes()
        except OSError as error:
            raise RecordingError(f"{path}: {error.strerror}") from None
        lines = _lines(path, data)
        if len(lines) < 2:
            what = "no rows after the header" if lines else "it is empty"
            raise RecordingError(f"{path}: {what}")
        self.name = os.fsencode(path.stem).decode(errors="replace")
        self._places = _places(path, lines[0][1])
        self._rows = lines[1:]
        self._step_ms = self._measure_step()
        # One more than rows: the sample that says that the engine was turned off.
        self.duration_ms = round(len(self._rows) * self._step_ms)
        self.unreadable: list[Unreadable] = []

    @property
    def rows(self) -> int:
        """Rows in the file, readable or not."""
        return len(self._rows)

    @property
    def faulty(self) -> int:
        """Rows given out so far that could not be read."""
        return len(self.unreadable)

    def stretches(self) -> Iterator[Stretch]:
        """The rows, then one sample more: the last readable one with the ignition off.

        A recording stops with the recorder; without that sample its trip would never end.
        """
        self.unreadable.clear()
        last: bytes | None = None
        for start in range(0, len(self._rows), STRETCH_ROWS):
            payloads, raw = [], []
            for number, row in self._rows[start : start + STRETCH_ROWS]:
                try:
                    last = self._payload(row)
                    payloads.append(last)
                except ValueError as error:
                    self.unreadable.append(Unreadable(number, str(error)))
                    raw.append(len(payloads))
                    payloads.append(row)
            offsets_ms = [round((start + i) * self._step_ms) for i in range(len(payloads))]
            yield Stretch(offsets_ms, payloads, frozenset(raw))
        if last is not None:
            yield Stretch([self.duration_ms], [last[:-1] + b',"ignition":false}'])

    def _payload(self, row: bytes) -> bytes:
        """A row as a sample, with the file's own digits.

        Raises:
            ValueError: a column is missing, or is no finite number.
        """
        cells = row.split(b",")
        if len(cells) <= max(self._places.values()):
            raise ValueError(f"cut short after {len(cells)} columns")
        return b"{%b}" % b",".join(
            b'"%b":%b' % (field.encode(), _number(field, cells[place]))
            for field, place in self._places.items()
        )

    def _measure_step(self) -> float:
        """Milliseconds from row to row, by the engine's own clock (whole seconds).

        Recorders ask as often as the car answers: rows come about two a second here.
        """
        place = self._places["run_time_s"]
        seconds = rows = 0.0
        before: float | None = None
        for _, row in self._rows:
            try:
                now = float(row.split(b",")[place].strip(_AROUND))
            except (ValueError, IndexError):
                continue
            if before is not None and before > 0 and 0 <= now - before < 60:
                seconds += now - before
                rows += 1
            before = now
        step_ms = 1000 * seconds / rows if rows and seconds else 1000.0
        return min(max(step_ms, STEP_MS[0]), STEP_MS[1])


def recordings(paths: Sequence[Path]) -> list[Recording]:
    """A fleet's recordings: one file is one device, of the file's name.

    Raises:
        RecordingError: as `Recording`, or two files have the same name.
    """
    found: dict[str, Path] = {}
    made = []
    for path in paths:
        made.append(Recording(path))
        if (other := found.setdefault(made[-1].name, path)) is not path:
            raise RecordingError(
                f"{other} and {path} have the same name, and each is one device: rename one"
            )
    return made


def _lines(path: Path, data: bytes) -> list[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1.

    Raises:
        RecordingError: it is another kind of file.
    """
    for start, what in _OTHER_FILES.items():
        if data.startswith(start):
            raise RecordingError(f"{path}: {what}")
    if b"\0" in data[:_HEAD_BYTES]:
        raise RecordingError(f"{path}: it is no text: save it as CSV in UTF-8")
    lines = data.removeprefix(codecs.BOM_UTF8).splitlines()
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _places(path: Path, header: bytes) -> dict[str, int]:
    """Field of the schema, in its order, to column of the file."""
    names = [
        name.replace(b"()", b"").strip(_AROUND).decode("utf-8", "replace").upper()
        for name in header.split(b",")
    ]
    columns = [_SPELLINGS.get(name, name) for name in names]
    found = {name: place for place, name in enumerate(columns)}
    if missing := [column for column in COLUMNS if column not in found]:
        other = next((one for one in (b";", b"\t") if header.count(one) > header.count(b",")), b"")
        hint = f"; its columns are separated by {other.decode()!r}, not ','" if other else ""
        raise RecordingError(
            f"{path}: not in the carOBD form: no column {', '.join(missing)}{hint}"
        )
    if twice := [column for column in COLUMNS if columns.count(column) > 1]:
        raise RecordingError(f"{path}: column {', '.join(twice)} is there more than once")
    return {field: found[column] for column, field in COLUMNS.items()}


def _number(field: str, cell: bytes) -> bytes:
    text = cell.strip(_AROUND)
    if len(text) <= _NUMBER_BYTES_MAX and _JSON_NUMBER.fullmatch(text):
        return text
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{field} is {text.decode('utf-8', 'replace')[:40]!r}, no number")
    return repr(value).encode()
