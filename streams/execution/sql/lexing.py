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
    (?P<skip> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
      | \$(?P<tag>[A-Za-z_][A-Za-z_0-9]*)?\$.*?\$(?P=tag)\$ | \$\$.*?\$\$
      | --[^\n]* | /\*.*?\*/ )
    | (?P<holder> \$(?P<number>\d+) )
    | (?P<now> \bnow\s*\(\s*\) )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
NOW: Final = "w3b_now"  # the parser makes now() and current_timestamp one, their names differ


def numbered(statement: str) -> str:
    """The statement with each ``?`` numbered, as the original's driver did it."""
    numbers = count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", statement)


def named(statement: str) -> tuple[str, frozenset[int]]:
    """The statement with ``:p1`` for ``$1`` …, and which numbers there are."""
    numbers: set[int] = set()

    def replace(found: re.Match[str]) -> str:
        if found["holder"]:
            numbers.add(int(found["number"]))
            return f":p{int(found['number'])}"
        return f"{NOW}()" if found["now"] else found[0]

    return _TOKEN.sub(replace, numbered(statement)), frozenset(numbers)
