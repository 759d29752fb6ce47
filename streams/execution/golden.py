"""Golden files: events, and what a program does with each, one JSON object a line."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import orjson

from streams.execution.trial import Trial

INPUT: Final = Path("golden") / "input.jsonl"
EXPECTED: Final = Path("golden") / "expected.jsonl"


@dataclass(frozen=True, slots=True)
class Difference:
    """An event that came to something else than its golden line says."""

    line: int  # of the expected file, from 1
    field: str  # `code`, `logs` …; "" when one of the lines is missing or no JSON
    expected: str
    got: str

    def __str__(self) -> str:
        what = f"`{self.field}`" if self.field else "the line"
        return (
            f"{EXPECTED}, line {self.line}: {what} differs\n"
            f"  expected  {self.expected}\n  got       {self.got}"
        )


def lines_of(trial: Trial, folder: Path) -> list[bytes]:
    """What a program does with the events of a folder's golden input.

    Raises:
        OSError: there is no such file. EventError: a line of it is no event.
    """
    with (folder / INPUT).open("rb") as events:
        return [orjson.dumps(one.as_json()) for one in trial.feed_all(events)]


def differences(lines: list[bytes], folder: Path) -> Iterator[Difference]:
    """Where ``lines`` are not what the folder's golden file expects; one for each field.

    Raises:
        OSError: there is no such file.
    """
    expected = [one for one in (folder / EXPECTED).read_bytes().splitlines() if one.strip()]
    for number, (wanted, got) in enumerate(zip_longest(expected, lines), 1):
        yield from _of_line(number, wanted, got)


def _of_line(number: int, wanted: bytes | None, got: bytes | None) -> Iterator[Difference]:
    if wanted is None or got is None:
        yield Difference(number, "", _said(wanted), _said(got))
        return
    told: Any = orjson.loads(got)
    try:
        hoped: Any = orjson.loads(wanted)
    except orjson.JSONDecodeError:
        hoped = None
    if not isinstance(hoped, dict):
        yield Difference(number, "", _said(wanted), _said(got))
        return
    for field in (*told, *(one for one in hoped if one not in told)):
        one, other = hoped.get(field), told.get(field)
        if one != other:
            yield Difference(number, field, _json(one), _json(other))


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _said(line: bytes | None) -> str:
    return "nothing" if line is None else line.decode("utf-8", "backslashreplace")
