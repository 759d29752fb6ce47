"""Functions that translated statements call: PostgreSQL's where SQLite's differ or are missing.

All of them follow from their arguments and from the message (`Moment`), so that replays and
other nodes get the same.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

import apsw

from streams.execution.sql import times
from streams.execution.sql.values import (
    CONTEXT,
    SqlError,
    Value,
    caster,
    decimal_of,
    numeric_text,
    text_of,
)

NUMERIC_ORDER: Final = "w3b_numeric"  # the collation of numerics
_TEXT_BYTES_MAX: Final = 1_000_000

# What of SQLite's own a statement may call; all else that it calls is made here. Nothing that
# asks for the wall's time, for chance, or for the connection's past.
BUILT_IN: Final = frozenset({
    "abs", "avg", "ceil", "ceiling", "char", "coalesce", "concat", "count", "cume_dist",
    "dense_rank", "first_value", "floor", "group_concat", "hex", "ifnull", "iif", "instr",
    "lag", "last_value", "lead", "length", "like", "ltrim", "max", "min", "nth_value", "ntile",
    "nullif", "percent_rank", "pow", "power", "rank", "replace", "row_number", "rtrim", "sign",
    "sqrt", "string_agg", "substr", "substring", "sum", "trim",
    "trunc", "unicode", "->", "->>", "if",
})  # fmt: skip


@dataclass(slots=True)
class Moment:
    """What a statement takes from the message: its time, and where its dice come from."""

    time_ms: int = 0
    seed: bytes = bytes(8)
    draws: int = 0

    def draw(self) -> bytes:
        """32 bytes that nobody chose."""
        self.draws += 1
        return hashlib.sha256(self.seed + struct.pack("<Q", self.draws)).digest()


def register(
    connection: apsw.Connection, moment: Moment, next_value: Callable[[str], int]
) -> frozenset[str]:
    """Make the functions known to a connection; their names.

    Args:
        moment: of the statement at work; changed by whoever runs statements.
        next_value: counts a sequence up.
    """

    def now(kind: str) -> str:
        return times.write(times.from_ms(moment.time_ms), kind)

    def random() -> float:
        return float((struct.unpack("<Q", moment.draw()[:8])[0] >> 11) * 2.0**-53)

    def random_uuid() -> str:
        drawn = bytearray(moment.draw()[:16])
        drawn[6], drawn[8] = drawn[6] & 0x0F | 0x40, drawn[8] & 0x3F | 0x80
        digits = drawn.hex()
        cuts = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
        return "-".join(digits[start:end] for start, end in cuts)

    named: dict[str, Callable[..., Value]] = {
        **_PLAIN,
        "w3b_now": now,
        "w3b_random": random,
        "w3b_uuid": random_uuid,
        "w3b_nextval": next_value,
    }
    for name, function in named.items():
        connection.create_scalar_function(name, function)
    for name, aggregate in (("w3b_sum", _Sum), ("w3b_avg", _Average)):
        connection.create_window_function(name, aggregate)
    connection.create_collation(NUMERIC_ORDER, _compare_texts)
    return frozenset(named) | {"w3b_sum", "w3b_avg"}


# --- plain functions ------------------------------------------------------------------------------


def _cast(value: Value, target: str, source: str, size: int, scale: int, assign: int) -> Value:
    return caster(target, source, size, scale, bool(assign))(value)


def _operate(operator: str, a: Value, b: Value) -> Value:
    """Arithmetic of numerics."""
    if a is None or b is None:
        return None
    left, right = decimal_of(a), decimal_of(b)
    if operator == "+":
        return numeric_text(CONTEXT.add(left, right))
    if operator == "-":
        return numeric_text(CONTEXT.subtract(left, right))
    if operator == "*":
        return numeric_text(CONTEXT.multiply(left, right))
    if not right:
        raise SqlError("division by zero")
    if operator == "%":
        return numeric_text(CONTEXT.remainder(left, right))
    return numeric_text(divided(left, right))


def divided(a: Decimal, b: Decimal) -> Decimal:
    """A quotient with as many digits as PostgreSQL gives it (numeric.c, select_div_scale)."""
    weight_a, first_a = _weight(a)
    weight_b, first_b = _weight(b)
    weight = weight_a - weight_b - (1 if first_a <= first_b else 0)
    scale = max(16 - weight * 4, _scale(a), _scale(b), 0)
    return CONTEXT.divide(a, b).quantize(Decimal(1).scaleb(-min(scale, 1000)), context=CONTEXT)


def _weight(number: Decimal) -> tuple[int, int]:
    """Of the first of its digits to base 10,000: its place and itself."""
    if not number:
        return 0, 0
    place = number.adjusted() // 4
    return place, int(abs(number).scaleb(-4 * place, context=CONTEXT))


def _scale(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _divide(a: Value, b: Value) -> Value:
    """`/` of whole numbers or doubles."""
    if a is None or b is None:
        return None
    if isinstance(a, str) or isinstance(b, str):
        return _operate("/", a, b)
    assert isinstance(a, (int, float))
    assert isinstance(b, (int, float))
    if b == 0:
        raise SqlError("division by zero")
    if isinstance(a, int) and isinstance(b, int):
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return a / b


def _modulo(a: Value, b: Value) -> Value:
    if a is None or b is None:
        return None
    if not (isinstance(a, int) and isinstance(b, int)):
        return _operate("%", a, b)
    if b == 0:
        raise SqlError("division by zero")
    return abs(a) % abs(b) * (-1 if a < 0 else 1)


def _compare(a: Value, b: Value) -> Value:
    """-1, 0 or 1: numerics by their size."""
    if a is None or b is None:
        return None
    return int(decimal_of(a).compare(decimal_of(b)))


def _compare_texts(a: str, b: str) -> int:
    try:
        return int(Decimal(a).compare(Decimal(b)))
    except ArithmeticError:
        return (a > b) - (a < b)


def _round(value: Value, digits: int = 0, numeric: int = 1) -> Value:
    if value is None:
        return None
    if not numeric:
        assert isinstance(value, (int, float))
        return float(round(value))
    number = decimal_of(value).quantize(Decimal(1).scaleb(-digits), context=CONTEXT)
    return numeric_text(number if digits >= 0 else number.quantize(Decimal(1)))


def _truncate(value: Value, digits: Value) -> Value:
    """trunc() of a numeric."""
    if value is None or digits is None:
        return None
    place = Decimal(1).scaleb(-int(digits))
    return numeric_text(decimal_of(value).quantize(place, ROUND_DOWN, CONTEXT))


def _whole(value: Value, up: int) -> Value:
    """floor() and ceil() of a numeric."""
    if value is None:
        return None
    rounding = "ROUND_CEILING" if up else "ROUND_FLOOR"
    return numeric_text(decimal_of(value).to_integral_value(rounding))


def _absolute(value: Value) -> Value:
    return None if value is None else numeric_text(abs(decimal_of(value)))


def _extract(field: str, value: Value, kind: str) -> Value:
    return None if value is None else times.extract(field, str(value), kind or "timestamptz")


def _date_trunc(unit: Value, value: Value, kind: str) -> Value:
    return None if value is None else times.truncate(str(unit), str(value), kind)


def _to_timestamp(seconds: Value) -> Value:
    return None if seconds is None else times.from_epoch(float(seconds))


def _to_char(value: Value, form: str) -> Value:
    if value is None:
        return None
    return times.to_char(times.parse(str(value)), form)


def _time_plus(value: Value, span: Value, sign: int, kind: str) -> Value:
    if value is None or span is None:
        return None
    if kind == "interval":
        return times.add_spans(str(value), str(span), sign)
    return times.add(str(value), str(span), sign, kind)


def _time_minus(later: Value, earlier: Value, dates: int) -> Value:
    if later is None or earlier is None:
        return None
    if dates:
        return times.days_between(str(later), str(earlier))
    return times.between(str(later), str(earlier))


def _date_plus(value: Value, days: Value, sign: int) -> Value:
    if value is None or days is None:
        return None
    return times.add_days(str(value), sign * int(days))


def _span_times(span: Value, factor: Value) -> Value:
    if span is None or factor is None:
        return None
    return times.scale_span(str(span), float(factor))


def _text(function: Callable[..., Value]) -> Callable[..., Value]:
    """A function of a text: NULL for NULL."""

    def call(*arguments: Value) -> Value:
        if None in arguments:
            return None
        return function(text_of(arguments[0], ""), *arguments[1:])

    return call


def _left(text: str, count: int) -> str:
    return text[:count]


def _right(text: str, count: int) -> str:
    return text[-count:] if count > 0 else text[-count:] if count < 0 else ""


def _split_part(text: str, separator: str, number: int) -> str:
    parts = text.split(separator) if separator else [text]
    if number == 0:
        raise SqlError("field position must not be zero")
    at = number - 1 if number > 0 else len(parts) + number
    return parts[at] if 0 <= at < len(parts) else ""


def _pad(text: str, size: int, fill: str, left: int) -> str:
    if size <= len(text) or not fill:
        return text[: max(size, 0)]
    if size > _TEXT_BYTES_MAX:
        raise SqlError("requested length too large")
    missing = size - len(text)
    padding = (fill * (missing // len(fill) + 1))[:missing]
    return padding + text if left else text + padding


def _repeat(text: str, count: int) -> str:
    if len(text) * count > _TEXT_BYTES_MAX:
        raise SqlError("requested length too large")
    return text * max(count, 0)


_PLAIN: Final[dict[str, Callable[..., Any]]] = {
    "w3b_cast": _cast,
    "w3b_numeric_op": _operate,
    "w3b_divide": _divide,
    "w3b_modulo": _modulo,
    "w3b_compare": _compare,
    "w3b_round": _round,
    "w3b_whole": _whole,
    "w3b_abs": _absolute,
    "w3b_trunc": _truncate,
    "w3b_extract": _extract,
    "w3b_date_trunc": _date_trunc,
    "w3b_to_timestamp": _to_timestamp,
    "w3b_to_char": _to_char,
    "w3b_time_plus": _time_plus,
    "w3b_time_minus": _time_minus,
    "w3b_date_plus": _date_plus,
    "w3b_span_times": _span_times,
    "lower": _text(str.lower),
    "upper": _text(str.upper),
    "initcap": _text(str.title),
    "reverse": _text(lambda text: text[::-1]),
    "md5": _text(lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()),
    "w3b_left": _text(_left),
    "w3b_right": _text(_right),
    "w3b_split_part": _text(_split_part),
    "w3b_pad": _text(_pad),
    "repeat": _text(_repeat),
}


# --- aggregates -----------------------------------------------------------------------------------


class _Sum:
    """Of numerics, and of bigints, whose sum is a numeric."""

    def __init__(self) -> None:
        self._total, self._count = Decimal(0), 0

    def step(self, value: Value) -> None:
        if value is not None:
            self._total, self._count = CONTEXT.add(self._total, decimal_of(value)), self._count + 1

    def inverse(self, value: Value) -> None:
        if value is not None:
            number = decimal_of(value)
            self._total, self._count = CONTEXT.subtract(self._total, number), self._count - 1

    def value(self) -> Value:
        return numeric_text(self._total) if self._count else None

    final = value


class _Average(_Sum):
    """Of numerics and whole numbers."""

    def value(self) -> Value:
        if not self._count:
            return None
        return numeric_text(divided(self._total, Decimal(self._count)))

    final = value
