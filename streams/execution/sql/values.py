"""PostgreSQL's types on SQLite's values: what a cast or an assignment makes of a value.

========================  ============================================================
bool                      integer 0 or 1
int4, int8                integer
float4, float8            real; a float4 is rounded to single precision
numeric                   text, in PostgreSQL's own writing; compared by collation
text                      text
timestamptz, timestamp,   text as PostgreSQL prints it with time zone UTC, so that the order
date, time                of texts is the order of times
interval                  text as PostgreSQL prints it
========================  ============================================================
"""

import math
import struct
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from streams.execution.sql import times

Value = None | int | float | str | bytes

_INT_BITS: Final = {"int2": 15, "int4": 31, "int8": 63}
_INT_NAMES: Final = {"int2": "smallint", "int4": "integer", "int8": "bigint"}
_TRUE: Final = frozenset(("t", "true", "y", "yes", "on", "1"))
_FALSE: Final = frozenset(("f", "false", "n", "no", "off", "0"))
_NUMERIC_DIGITS_MAX: Final = 1_000
_EXPONENT_MAX: Final = 131_072  # PostgreSQL's; 1e999999999 written out would fill the memory
CONTEXT: Final = Context(prec=2 * _NUMERIC_DIGITS_MAX, rounding=ROUND_HALF_UP)


class SqlError(ValueError):
    """A statement that failed, in PostgreSQL's words where it has some."""


@lru_cache(maxsize=1024)
def caster(target: str, source: str, size: int, scale: int, assign: bool) -> Callable[..., Value]:
    """A function from a value of type ``source`` (empty: not known) to one of type ``target``.

    Args:
        target: name of a type, see above.
        source: of the value, where the statement tells; a text or number else.
        size: characters of a text, digits of a numeric; 0 for no limit.
        scale: digits after the point of a numeric with a size.
        assign: as a value for a column, where a text that is too long is an error; a cast cuts it.
    """

    def cast(value: Value) -> Value:
        if value is None:
            return None
        if target == "bool":
            return _to_bool(value)
        if target in _INT_BITS:
            return _to_int(value, target)
        if target in ("float4", "float8"):
            return _to_float(value, target)
        if target == "numeric":
            return _to_numeric(value, size, scale)
        if target in times.KINDS:
            return times.cast(_text_of(value, source), target, source)
        return _to_text(value, source, size, assign)

    return cast


def text_of(value: Value, kind: str) -> str:
    """A value as PostgreSQL prints it."""
    return _text_of(value, kind)


def decimal_of(value: Value) -> Decimal:
    """A number.

    Raises:
        SqlError: it is none, or out of PostgreSQL's range.
    """
    if isinstance(value, float):
        return Decimal(float_text(value))
    if isinstance(value, int):
        return Decimal(value)
    text = _text_of(value, "").strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise SqlError(f'invalid input syntax for type numeric: "{text[:80]}"') from None
    if not number.is_finite():
        raise SqlError("NaN and infinity are not served as numeric")
    if abs(number.adjusted()) > _EXPONENT_MAX:
        raise SqlError("value overflows numeric format")
    return number


def numeric_text(number: Decimal) -> str:
    """A numeric as PostgreSQL prints it: never with an exponent."""
    return format(number if number else abs(number), "f")


def float_text(value: float) -> str:
    """A double as PostgreSQL prints it: the shortest digits that read back the same."""
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    number = Decimal(repr(value))
    exponent = number.adjusted()
    if not value or -5 < exponent < 15:
        return format(number, "f").removesuffix(".0")
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0") or "0"
    point = "." if len(digits) > 1 else ""
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}{point}{digits[1:]}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"


def single(value: float) -> float:
    """Rounded to single precision.

    Raises:
        SqlError: it is out of its range.
    """
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        raise SqlError(f'"{value}" is out of range for type real') from None
    return float(rounded)


def shortest_single(value: float) -> float:
    """The double with the fewest digits that is the same single-precision number."""
    for digits in range(1, 10):
        short = float(f"{value:.{digits}g}")
        if single(short) == value:
            return short
    return value


def _to_bool(value: Value) -> int:
    if isinstance(value, (int, float)):
        return int(value != 0)
    text = _text_of(value, "").strip().lower()
    if text in _TRUE:
        return 1
    if text in _FALSE:
        return 0
    raise SqlError(f'invalid input syntax for type boolean: "{text[:80]}"')


def _to_int(value: Value, target: str) -> int:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SqlError(f"{_INT_NAMES[target]} out of range")
        number = int(Decimal(value).to_integral_value(ROUND_HALF_EVEN))
    elif isinstance(value, int):
        number = value
    else:
        text = _text_of(value, "").strip()
        try:
            number = int(decimal_of(text).to_integral_value(ROUND_HALF_UP))
        except SqlError:
            raise SqlError(
                f'invalid input syntax for type {_INT_NAMES[target]}: "{text[:80]}"'
            ) from None
    if not -(2 ** _INT_BITS[target]) <= number < 2 ** _INT_BITS[target]:
        raise SqlError(f"{_INT_NAMES[target]} out of range")
    return number


def _to_float(value: Value, target: str) -> float:
    try:
        number = (
            float(_text_of(value, "")) if isinstance(value, (str, bytes)) else float(value or 0)
        )
    except (ValueError, OverflowError):
        name = "real" if target == "float4" else "double precision"
        text = _text_of(value, "")[:80]
        raise SqlError(f'invalid input syntax for type {name}: "{text}"') from None
    if not math.isfinite(number):
        raise SqlError("NaN and infinity are not served as floating-point numbers")
    return single(number) if target == "float4" else number


def _to_numeric(value: Value, size: int, scale: int) -> str:
    number = decimal_of(value)
    if size:
        number = number.quantize(Decimal(1).scaleb(-scale), context=CONTEXT)
        if number and number.adjusted() >= size - scale:
            raise SqlError(
                "numeric field overflow: a field with precision "
                f"{size}, scale {scale} must round to an absolute value less than 10^{size - scale}"
            )
    if len(number.as_tuple().digits) > _NUMERIC_DIGITS_MAX or abs(number.adjusted()) > 1_000:
        raise SqlError(f"a numeric has at most {_NUMERIC_DIGITS_MAX} digits here")
    return numeric_text(number)


def _to_text(value: Value, source: str, size: int, assign: bool) -> str:
    text = _text_of(value, source)
    if size and len(text) > size:
        if assign and text[size:].strip(" "):
            raise SqlError(f"value too long for type character varying({size})")
        text = text[:size]
    return text


def _text_of(value: Value, kind: str) -> str:
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise SqlError('invalid byte sequence for encoding "UTF8"') from None
    if isinstance(value, str):
        if "\0" in value:
            raise SqlError('invalid byte sequence for encoding "UTF8": 0x00')
        return value
    if kind == "bool":
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(shortest_single(value) if kind == "float4" else value)
    return str(value)
