"""Rules for single expressions: where SQLite would answer otherwise than PostgreSQL."""

from typing import Final

from sqlglot import exp

from streams.execution.sql import kinds, lexing, times
from streams.execution.sql.functions import NUMERIC_ORDER
from streams.execution.sql.kinds import FLOATS, INTS, TIMES, kind_of
from streams.execution.sql.values import SqlError
from streams.registry.sql_schema import Column, Table

_COMPARISONS: Final = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_OPERATORS: Final[dict[type[exp.Expr], str]] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%",
}  # fmt: skip
_COERCED: Final = frozenset({"bool", *TIMES})
_UNSERVED: Final = (exp.RegexpLike, exp.RegexpILike, exp.SimilarTo)
_CLOCKS: Final[dict[type[exp.Expr], str]] = {
    exp.CurrentTimestamp: "timestamptz", exp.CurrentDate: "date", exp.CurrentTime: "time",
    exp.Localtimestamp: "timestamp",
}  # fmt: skip
_NOW: Final = frozenset(
    {lexing.NOW, "statement_timestamp", "transaction_timestamp", "clock_timestamp"}
)


def translated(node: exp.Expr) -> exp.Expr:
    """A node for SQLite; itself where nothing has to change.

    Raises:
        SqlError: it is not served.
    """
    if isinstance(node, _UNSERVED):
        raise SqlError("regular expressions (~, SIMILAR TO) are not served: use LIKE or ILIKE")
    if isinstance(node, exp.Literal) and isinstance(node.parent, exp.Alias):
        new = _exact(node)
    else:
        new = _rewritten(node)
    if new is not node:
        new.meta["kind"] = node.meta["kind"]
    return new


def cast(value: exp.Expr, target: str, size: int, scale: int, assign: bool = False) -> exp.Expr:
    """A value as another type."""
    source = kind_of(value)
    new = _call(
        "w3b_cast", _exact(value), target, source, size, scale, int(assign)
    )  # fmt: skip
    new.meta["kind"] = target
    return new


def is_default(value: exp.Expr) -> bool:
    """Whether this is the keyword DEFAULT in place of a value."""
    if isinstance(value, exp.Column):
        return value.name == "default" and not value.table
    return isinstance(value, exp.Var) and value.name.upper() == "DEFAULT"


def default_of(table: Table, column: Column) -> exp.Expr:
    """What DEFAULT stands for."""
    if column.constrains.auto_increment:
        return _call("w3b_nextval", sequence_name(table.name, column.name))
    value = column.constrains.default_value
    if value is None:
        return exp.Null()
    rule = column.constrains
    return cast(exp.convert(value), rule.kind, *rule.size, assign=True)


def sequence_name(table: str, column: str) -> str:
    """PostgreSQL's name of the sequence behind a column that counts up."""
    return f"{table}_{column}_seq"


def _rewritten(node: exp.Expr) -> exp.Expr:
    for rule in (_of_casts, _of_clocks, _of_texts, _of_numbers, _of_order):
        new = rule(node)
        if new is not None:
            return new
    return node


def _of_casts(node: exp.Expr) -> exp.Expr | None:
    if not isinstance(node, exp.Cast):
        return None
    try:
        target, size, scale = kinds.target_of(node)
    except KeyError:
        raise SqlError(f"type {node.args['to'].sql('postgres')} is not served") from None
    return cast(node.this, target, size, scale)


def _of_clocks(node: exp.Expr) -> exp.Expr | None:
    if type(node) in _CLOCKS:
        return _call("w3b_now", _CLOCKS[type(node)])
    if isinstance(node, exp.Anonymous):
        name = str(node.this).lower()
        if name in _NOW:
            return _call("w3b_now", "timestamptz")
        if name == "to_timestamp" and len(node.expressions) == 1:
            return _call("w3b_to_timestamp", node.expressions[0])
        if name == "nextval" and len(node.expressions) == 1:
            return _call("w3b_nextval", node.expressions[0])
        if name == lexing.TO_CHAR and len(node.expressions) == 2:
            if kind_of(node.expressions[0]) not in TIMES:
                raise SqlError("to_char is served for times only")
            return _call("w3b_to_char", *node.expressions)
        if name == "age" and len(node.expressions) == 2:
            return _call("w3b_time_minus", *node.expressions, 0)
        return None
    if isinstance(node, exp.Extract):
        value = node.expression
        return _call("w3b_extract", node.this.name, _as_time(value), kind_of(value))
    if isinstance(node, exp.TimestampTrunc):
        kind = node.meta["kind"]
        return _call("w3b_date_trunc", node.args["unit"].name, _as_time(node.this), kind)
    if isinstance(node, exp.UnixToTime):
        return _call("w3b_to_timestamp", node.this)
    if isinstance(node, exp.AtTimeZone):
        return _in_zone(node)
    if isinstance(node, exp.Interval):
        unit = node.args.get("unit")
        span = f"{node.this.name} {unit.name if unit else ''}".strip()
        return exp.Literal.string(times.cast(span, "interval", ""))
    return None


def _in_zone(node: exp.AtTimeZone) -> exp.Expr:
    if node.args["zone"].name.upper() not in ("UTC", "GMT", "Z"):
        raise SqlError("AT TIME ZONE is served for 'UTC' only: times are in UTC here")
    target = "timestamp" if kind_of(node.this) == "timestamptz" else "timestamptz"
    node.meta["kind"] = target
    return cast(node.this, target, 0, 0)


def _of_texts(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.Rand):
        return _call("w3b_random")
    if isinstance(node, exp.Uuid):
        return _call("w3b_uuid")
    if isinstance(node, exp.Left):
        return _call("w3b_left", node.this, node.expression)
    if isinstance(node, exp.Right):
        return _call("w3b_right", node.this, node.expression)
    if isinstance(node, exp.SplitPart):
        return _call("w3b_split_part", node.this, node.args["delimiter"], node.args["part_index"])
    if isinstance(node, exp.Pad):
        fill = node.args.get("fill_pattern") or exp.Literal.string(" ")
        left = int(bool(node.args.get("is_left")))
        return _call("w3b_pad", node.this, node.expression, fill, left)
    if isinstance(node, (exp.Like, exp.ILike)) and not isinstance(node.parent, exp.Escape):
        node.meta["kind"] = "bool"
        if isinstance(node, exp.ILike):
            lowered = exp.Like(
                this=exp.Lower(this=node.this.copy()),
                expression=exp.Lower(this=node.expression.copy()),
            )
            return exp.Escape(this=lowered, expression=exp.Literal.string("\\"))
        return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))
    if isinstance(node, exp.DPipe):
        for side in ("this", "expression"):
            part = node.args[side]
            if kind_of(part) in ("bool", "float4", "float8"):
                node.set(side, cast(part.copy(), "text", 0, 0))
    return None


def _of_numbers(node: exp.Expr) -> exp.Expr | None:
    kind = node.meta["kind"]
    if type(node) in _OPERATORS:
        return _operation(node, _OPERATORS[type(node)], kind)
    if isinstance(node, exp.Neg) and kind == "numeric" and not isinstance(node.this, exp.Literal):
        return _call("w3b_numeric_op", "-", "0", node.this)
    if isinstance(node, exp.Abs) and kind == "numeric":
        return _call("w3b_abs", _exact(node.this))
    if isinstance(node, exp.Sum) and kind == "numeric":
        return _call("w3b_sum", node.this)
    if isinstance(node, exp.Avg) and kind == "numeric":
        return _call("w3b_avg", node.this)
    if isinstance(node, exp.Trunc) and kind == "numeric":
        return _call("w3b_trunc", _exact(node.this), node.args.get("decimals") or "0")
    if isinstance(node, exp.Round):
        digits = node.args.get("decimals") or exp.Literal.number(0)
        return _call("w3b_round", _exact(node.this), digits, int(kind == "numeric"))
    if isinstance(node, (exp.Floor, exp.Ceil)) and kind == "numeric":
        return _call("w3b_whole", _exact(node.this), int(isinstance(node, exp.Ceil)))
    if isinstance(node, (exp.Floor, exp.Ceil)) and kind_of(node.this) in INTS:
        return cast(node.this, "float8", 0, 0)
    return None


def _operation(node: exp.Expr, operator: str, kind: str) -> exp.Expr | None:
    a, b = node.this, node.expression
    of_a, of_b = kind_of(a), kind_of(b)
    times_at_work = {"interval", *TIMES} & {of_a, of_b}
    if times_at_work:
        return _of_times(operator, a, b, kind)
    if kind == "numeric":
        return _call("w3b_numeric_op", operator, _exact(a), _exact(b))
    if operator == "/":
        return _call("w3b_divide", a, b)
    return _call("w3b_modulo", a, b) if operator == "%" else None


def _of_times(operator: str, a: exp.Expr, b: exp.Expr, kind: str) -> exp.Expr | None:
    of_a, of_b = kind_of(a), kind_of(b)
    if operator == "*":
        span, factor = (a, b) if of_a == "interval" else (b, a)
        return _call("w3b_span_times", span, factor)
    if operator not in "+-":
        raise SqlError(f"operator does not exist: {of_a or '?'} {operator} {of_b or '?'}")
    sign = 1 if operator == "+" else -1
    if of_a in TIMES and of_b in TIMES:
        return _call("w3b_time_minus", a, b, int(of_a == of_b == "date"))
    if "interval" in (of_a, of_b):
        moment, span = (b, a) if of_a == "interval" and of_b in TIMES else (a, b)
        return _call("w3b_time_plus", moment, span, sign, kind)
    date, days = (a, b) if of_a == "date" else (b, a)
    return _call("w3b_date_plus", date, days, sign)


def _of_order(node: exp.Expr) -> exp.Expr | None:
    """Comparisons and orders of what SQLite does not keep as PostgreSQL does."""
    if isinstance(node, exp.EQ) and isinstance(node.expression, exp.Any):
        return _one_of(node)
    if isinstance(node, _COMPARISONS) and not isinstance(node.parent, (exp.Update, exp.OnConflict)):
        a, b = node.this, node.expression
        of_a, of_b = kind_of(a), kind_of(b)
        for kind, side, other in ((of_a, "expression", b), (of_b, "this", a)):
            if kind in _COERCED and not kind_of(other):
                node.set(side, cast(other.copy(), kind, 0, 0))
        if "numeric" in (of_a, of_b) and not FLOATS & {of_a, of_b} and (_is_made(a) or _is_made(b)):
            compared = _call("w3b_compare", _exact(a), _exact(b))
            return type(node)(this=compared, expression=exp.Literal.number(0))
        return None
    if isinstance(node, (exp.Between, exp.In)) and kind_of(node.this) == "numeric":
        return _among_numerics(node)
    if isinstance(node, (exp.Ordered, exp.Max, exp.Min)) and kind_of(node.this) == "numeric":
        inner = node.this.copy()
        inner.meta["kind"] = "numeric"
        node.set("this", exp.Collate(this=inner, expression=exp.Var(this=NUMERIC_ORDER)))
    elif isinstance(node, (exp.Limit, exp.Offset)) and isinstance(node.expression, exp.Placeholder):
        node.set("expression", cast(node.expression.copy(), "int8", 0, 0))
    return None


def _among_numerics(node: exp.Between | exp.In) -> exp.Expr | None:
    """BETWEEN and IN of a numeric that is no column as comparisons one by one."""
    if not _is_made(node.this) or (isinstance(node, exp.In) and not node.expressions):
        return None

    def compared(kind: type[exp.Binary], other: exp.Expr) -> exp.Expr:
        order = _call("w3b_compare", _exact(node.this), _exact(other))
        return kind(this=order, expression=exp.Literal.number(0))

    if isinstance(node, exp.Between):
        low, high = node.args["low"], node.args["high"]
        return exp.paren(exp.and_(compared(exp.GTE, low), compared(exp.LTE, high)))
    return exp.paren(exp.or_(*(compared(exp.EQ, one) for one in node.expressions)))


def _one_of(node: exp.EQ) -> exp.Expr:
    """``= ANY (ARRAY[…])`` as ``IN (…)``."""
    among = node.expression.this.unnest()
    if not isinstance(among, exp.Array):
        raise SqlError("ANY is served with ARRAY[…] or a query behind IN only")
    listed = [one.copy() for one in among.expressions]
    return exp.In(this=node.this.copy(), expressions=listed)


def _is_made(node: exp.Expr) -> bool:
    """Whether a numeric is a text that no column's collation stands for."""
    return (
        kind_of(node) == "numeric"
        and not isinstance(node, exp.Literal)
        and not node.meta.get("stored", False)
    )


def _exact(node: exp.Expr) -> exp.Expr:
    """A literal with its digits as they were written, which a double would lose."""
    if isinstance(node, exp.Literal) and not node.is_string and kind_of(node) == "numeric":
        return exp.Literal.string(node.name)
    return node


def _as_time(node: exp.Expr) -> exp.Expr:
    return node if kind_of(node) else cast(node, "timestamptz", 0, 0)


def _call(name: str, *arguments: exp.Expr | str | int) -> exp.Anonymous:
    return exp.Anonymous(
        this=name,
        expressions=[
            one.copy() if isinstance(one, exp.Expr) else exp.convert(one) for one in arguments
        ],
    )
