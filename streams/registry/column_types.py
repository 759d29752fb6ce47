"""Which ClickHouse types a result column may have.

The texts end up in SQL, so they are parsed, not passed on.
Source: https://clickhouse.com/docs/sql-reference/data-types
"""

import re
from typing import Final

_PLAIN: Final = re.compile(
    r"String|Bool|UUID|IPv4|IPv6|Date|Date32|DateTime|U?Int(8|16|32|64|128|256)|Float(32|64)"
)
_DATETIME64: Final = re.compile(r"DateTime64\([0-9]\)")
_DECIMAL: Final = re.compile(r"Decimal\(([0-9]{1,2}), ?([0-9]{1,2})\)")
_WRAPPED: Final = re.compile(r"(Nullable|LowCardinality|Array)\((.+)\)")
_DECIMAL_DIGITS_MAX: Final = 76
_NESTING_MAX: Final = 4


def is_column_type(text: str, nesting: int = 0) -> bool:
    """Whether ``text`` names a type that a JSON field can be read as."""
    if _PLAIN.fullmatch(text) or _DATETIME64.fullmatch(text):
        return True
    if decimal := _DECIMAL.fullmatch(text):
        precision, scale = int(decimal[1]), int(decimal[2])
        return 1 <= precision <= _DECIMAL_DIGITS_MAX and scale <= precision
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped is None or nesting == _NESTING_MAX:
        return False
    wrapper, inner = wrapped[1], wrapped[2]
    if wrapper == "LowCardinality":
        return inner in ("String", "Nullable(String)")
    if wrapper == "Nullable" and inner.startswith(("Nullable", "LowCardinality", "Array")):
        return False
    return is_column_type(inner, nesting + 1)
