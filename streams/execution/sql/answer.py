"""Rows of an answer as JSON, as the original wrote them.

No row is no bytes, one row an object, more are an array. NULL is null; whole numbers and doubles
are numbers, booleans true and false, all else is text: a numeric too. Times are RFC 3339 in UTC;
the original wrote a Go struct for some of them, which its source calls unfinished.
The bytes are those of Go's encoding/json: keys in order, each once; ``<``, ``>`` and ``&`` escaped.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from streams import limits
from streams.execution.sql import times
from streams.execution.sql.kinds import INTS
from streams.execution.sql.values import (
    SqlError,
    Value,
    decimal_of,
    numeric_text,
    shortest_single,
    single,
    text_of,
)

_ESCAPED: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def encode(
    names: Sequence[str], column_kinds: Mapping[str, str], rows: Iterable[Sequence[Value]]
) -> bytes:
    """The answer's bytes; ``column_kinds`` as in `translate.Plan`.

    Raises:
        SqlError: it is larger than an answer may be.
    """
    order = sorted({name: at for at, name in enumerate(names)}.items(), key=_utf8)
    columns = [(f"{_string(name)}:", at, column_kinds.get(name, "")) for name, at in order]
    objects: list[str] = []
    size = 0
    for row in rows:
        fields = (head + _field(row[at], kind) for head, at, kind in columns)
        objects.append(f"{{{','.join(fields)}}}")
        size += len(objects[-1])
        if len(objects) > limits.SQL_ANSWER_ROWS_MAX or size > limits.SQL_ANSWER_BYTES_MAX:
            raise SqlError(
                f"the answer has over {limits.SQL_ANSWER_ROWS_MAX:,} rows or "
                f"{limits.SQL_ANSWER_BYTES_MAX:,} bytes: ask for less, as with LIMIT"
            )
    if len(objects) <= 1:
        return "".join(objects).encode()
    return f"[{','.join(objects)}]".encode()


def _utf8(item: tuple[str, int]) -> bytes:
    return item[0].encode()


def _field(value: Value, kind: str) -> str:
    if value is None:
        return "null"
    if kind == "bool":
        return "true" if value else "false"
    if kind in ("timestamptz", "timestamp", "date"):
        return _string(times.rfc3339(str(value)))
    if kind == "numeric":
        return _string(numeric_text(decimal_of(value)))
    if isinstance(value, int):
        return str(value) if kind in INTS or not kind else _of_kind(value, kind)
    if isinstance(value, float):
        if kind in INTS:
            raise SqlError("bigint out of range")
        return _double(shortest_single(single(value)) if kind == "float4" else value)
    return _string(text_of(value, kind))


def _of_kind(value: int, kind: str) -> str:
    return _double(float(value)) if kind in ("float4", "float8") else _string(str(value))


def _double(value: float) -> str:
    """As Go's encoding/json writes a float64."""
    if value == 0:
        return "0" if str(value)[0] != "-" else "-0"
    if 1e-6 <= abs(value) < 1e21:
        return numeric_text(decimal_of(repr(value))).removesuffix(".0")
    digits, _, exponent = repr(value).partition("e")
    sign, number = exponent[0], exponent[1:].lstrip("0")
    return f"{digits.removesuffix('.0')}e{sign}{number if sign == '-' else number.rjust(2, '0')}"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPED)
