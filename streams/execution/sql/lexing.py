"""Placeholders of a statement: every ``?`` and ``$n`` as a name that the parser takes.

The original node replaced every ``?`` of a statement, wherever it stood, by ``$1``, ``$2`` …
before PostgreSQL saw it; so does this. Then ``$n`` outside of texts, quoted names and comments
becomes ``:pn``, because the parser (sqlglot) takes ``$1,$`` for the start of a quoted text.
"""

import re
from itertools import count
from typing import Final

_TOKEN: Final = re.compile(
    r"""
    (?P<escaped> \b[eE]'(?:[^'\\]|\\.|'')*' )
    | (?P<skip> '(?:[^']|'')*' | "(?:[^"]|"")*"
      | \$(?P<tag>[A-Za-z_][A-Za-z_0-9]*)?\$.*?\$(?P=tag)\$ | \$\$.*?\$\$
      | --[^\n]* | /\*.*?\*/ )
    | (?P<holder> \$(?P<number>\d+) )
    | (?P<function> \b(?:to_char|strpos|char_length)(?=\s*\() | \bnow(?=\s*\(\s*\)) )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
# The parser makes these one with others, whose names differ, or changes their arguments.
PREFIX: Final = "w3b_"
NOW: Final = "w3b_now"
TO_CHAR: Final = "w3b_to_char"


def numbered(statement: str) -> str:
    """The statement with each ``?`` numbered, as the original's driver did it."""
    numbers = count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", statement)


def _plain(literal: str) -> str:
    """``E'…'`` without its escapes, which the target's parser does not know."""

    def replace(found: re.Match[str]) -> str:
        said = found[1]
        if said[0] in "xu" and len(said) > 1:
            return chr(int(said[1:], 16))
        return _ESCAPES.get(said, "''" if said == "'" else said)

    return re.sub(r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{4}|.)", replace, literal[1:], flags=re.DOTALL)


def named(statement: str) -> tuple[str, frozenset[int]]:
    """The statement with ``:p1`` for ``$1`` …, and which numbers there are."""
    numbers: set[int] = set()

    def replace(found: re.Match[str]) -> str:
        if found["holder"]:
            numbers.add(int(found["number"]))
            return f":p{int(found['number'])}"
        if found["escaped"]:
            return _plain(found["escaped"])
        return f"{PREFIX}{found[0].lower()}" if found["function"] else found[0]

    return _TOKEN.sub(replace, numbered(statement)), frozenset(numbers)
