"""Where a program was when its event failed, for the people who wrote it.

The engine's own text has the frames of the host as well, addresses in a binary that only the
node has, and for limits the `unreachable` with which they are enforced.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import wasmtime

from streams.records import DeadReason

MODULE: Final = "program"  # what the rewriter calls the module, whatever it was called before

_LIMITS: Final = {
    DeadReason.FUEL_EXHAUSTED: "the event ran more instructions than it may",
    DeadReason.STACK_EXHAUSTED: "the event's calls are nested deeper than they may be",
}
_FRAMES_MAX: Final = 20  # the engine keeps no more, the host's included


@dataclass(frozen=True, slots=True)
class Functions:
    """A program's functions, for those that have no name in its name section."""

    exported: Mapping[int, str]
    count: int  # the rewriter's own come after them


def explained(trap: Exception, reason: DeadReason, functions: Functions) -> str:
    """The cause, then ``at <function>`` for each call, innermost first.

    Where a host function ended the event, what it said of it is the cause, and is not known here.
    """
    frames = trap.frames if isinstance(trap, wasmtime.Trap) else []
    ours = [one for one in frames if one.module_name == MODULE and one.func_index < functions.count]
    lines = []
    if reason in _LIMITS:
        lines.append(_LIMITS[reason])
    elif not frames or frames[0].module_name == MODULE:
        lines.append(_cause(str(trap)))
    lines += _calls(
        one.func_name or functions.exported.get(one.func_index) or f"function {one.func_index}"
        for one in ours
    )
    if len(frames) == _FRAMES_MAX:
        lines.append("  …")
    return "\n".join(lines)


def _calls(names: Iterable[str]) -> Iterator[str]:
    for name, group in groupby(names):
        times = len(list(group))
        yield f"  at {name}" + (f" ({times} times)" if times > 1 else "")


def _cause(text: str) -> str:
    """The engine's words for a trap, on one line."""
    _, _, causes = text.rpartition("Caused by:")
    lines = (line.strip() for line in causes.strip().splitlines())
    said = (line.lstrip("0123456789").removeprefix(": ") for line in lines if line)
    return ": ".join(line.removeprefix("wasm trap: ") for line in said)
