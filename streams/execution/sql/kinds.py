"""Types and names of expressions, as PostgreSQL would give them; for what SQLite leaves out.

SQLite knows neither booleans nor numerics, and calls a column as it is written. Each node of a
parsed statement gets its type (``node.meta["kind"]``, names as in `values`; empty: not known).
"""

from typing import Final

from sqlglot import exp

from streams.execution.sql import lexing

INTS: Final = frozenset({"int2", "int4", "int8"})
FLOATS: Final = frozenset({"float4", "float8"})
TIMES: Final = frozenset({"timestamptz", "timestamp", "date"})

TYPES: Final = {
    "SMALLINT": "int2", "TINYINT": "int2", "INT": "int4", "BIGINT": "int8", "FLOAT": "float4",
    "DOUBLE": "float8", "DECIMAL": "numeric", "NUMERIC": "numeric", "TEXT": "text",
    "VARCHAR": "text", "CHAR": "text", "BPCHAR": "text", "NAME": "text", "UUID": "text",
    "BOOLEAN": "bool", "TIMESTAMPTZ": "timestamptz", "TIMESTAMP": "timestamp", "DATE": "date",
    "TIME": "time", "INTERVAL": "interval", "SERIAL": "int4", "BIGSERIAL": "int8",
}  # fmt: skip
_TYPE_NAMES: Final = {"VARCHAR": "varchar", "CHAR": "bpchar", "UUID": "uuid"}

# Functions with one type, by the parser's class.
_FIXED: Final[dict[type[exp.Expr], str]] = {
    exp.Count: "int8", exp.Length: "int4", exp.StrPosition: "int4", exp.Ascii: "int4",
    exp.RowNumber: "int8", exp.Rank: "int8", exp.DenseRank: "int8", exp.Rand: "float8",
    exp.Sqrt: "float8", exp.Pow: "float8", exp.Uuid: "text", exp.Upper: "text",
    exp.Lower: "text", exp.Trim: "text", exp.Substring: "text", exp.Concat: "text",
    exp.DPipe: "text", exp.Left: "text", exp.Right: "text", exp.GroupConcat: "text",
    exp.MD5: "text", exp.Extract: "float8", exp.Replace: "text",
    exp.CurrentTimestamp: "timestamptz", exp.CurrentDate: "date", exp.CurrentTime: "time",
    exp.Localtimestamp: "timestamp", exp.UnixToTime: "timestamptz", exp.Interval: "interval",
    exp.LogicalOr: "bool", exp.LogicalAnd: "bool", exp.Boolean: "bool", exp.Not: "bool",
    exp.Escape: "bool",
    exp.Is: "bool", exp.In: "bool", exp.Between: "bool", exp.Exists: "bool", exp.Predicate: "bool",
    exp.And: "bool", exp.Or: "bool", exp.SplitPart: "text", exp.Pad: "text", exp.Initcap: "text",
    exp.Repeat: "text", exp.Reverse: "text",
}  # fmt: skip
_OF_FIRST: Final = (
    exp.Paren, exp.Max, exp.Min, exp.Abs, exp.Neg, exp.Filter, exp.Window, exp.Nullif, exp.Lag,
    exp.Lead, exp.FirstValue, exp.LastValue, exp.Alias, exp.Distinct, exp.Order, exp.Ordered,
    exp.Collate, exp.WithinGroup,
)  # fmt: skip
_NAMED_FUNCTIONS: Final = {
    "to_timestamp": "timestamptz", "date_part": "float8", "nextval": "int8", "btrim": "text",
    lexing.NOW: "timestamptz", lexing.TO_CHAR: "text", "age": "interval",
    "statement_timestamp": "timestamptz",
    "transaction_timestamp": "timestamptz", "clock_timestamp": "timestamptz",
}  # fmt: skip
_NAMES: Final[dict[type[exp.Expr], str]] = {
    exp.Extract: "date_part", exp.TimestampTrunc: "date_trunc", exp.UnixToTime: "to_timestamp",
    exp.Uuid: "gen_random_uuid", exp.Rand: "random",
    exp.GroupConcat: "string_agg", exp.LogicalOr: "bool_or", exp.LogicalAnd: "bool_and",
    exp.StrPosition: "position", exp.Pow: "power", exp.Case: "case", exp.Exists: "exists",
    exp.Boolean: "bool", exp.Interval: "interval", exp.CurrentTimestamp: "current_timestamp",
    exp.CurrentDate: "current_date", exp.CurrentTime: "current_time", exp.Trim: "btrim",
    exp.Localtimestamp: "localtimestamp", exp.RowNumber: "row_number",
    exp.DenseRank: "dense_rank", exp.FirstValue: "first_value", exp.LastValue: "last_value",
    exp.Ceil: "ceil", exp.SplitPart: "split_part", exp.Pad: "lpad",
}  # fmt: skip


def kind_of(node: exp.Expr | None) -> str:
    """The type that was found for a node."""
    return str(node.meta.get("kind", "")) if node is not None else ""


def target_of(cast: exp.Cast) -> tuple[str, int, int]:
    """A cast's type, and its modifiers (0: none).

    Raises:
        KeyError: a type that is not served.
    """
    to: exp.DataType = cast.args["to"]
    numbers = [int(one.name) for one in to.expressions if one.name.isdigit()]
    size, scale, *_ = [*numbers, 0, 0]
    if to.this.value in ("CHAR", "BPCHAR") and not numbers:
        size = 1
    return TYPES[to.this.value], size, scale


def infer(node: exp.Expr) -> str:
    """The type of a node whose children have theirs; columns and subqueries aside."""
    for cls in type(node).__mro__:
        if cls in _FIXED:
            return _FIXED[cls]
    if isinstance(node, exp.Cast):
        return TYPES.get(node.args["to"].this.value, "")
    if isinstance(node, exp.Literal):
        if node.is_string:
            return ""
        if "." in node.name or "e" in node.name.lower():
            return "numeric"
        return "int4" if abs(int(node.name)) < 2**31 else "int8"
    if isinstance(node, exp.Anonymous):
        return _NAMED_FUNCTIONS.get(str(node.this).lower(), "")
    if isinstance(node, _OF_FIRST):
        return kind_of(node.this)
    if isinstance(node, (exp.Coalesce, exp.Greatest, exp.Least)):
        return _common([node.this, *node.expressions])
    if isinstance(node, exp.Case):
        results = [one.args["true"] for one in node.args["ifs"]]
        return _common([*results, node.args.get("default")])
    if isinstance(node, exp.TimestampTrunc):
        return "timestamp" if kind_of(node.this) == "timestamp" else "timestamptz"
    return _arithmetic(node)


def _arithmetic(node: exp.Expr) -> str:
    if isinstance(node, (exp.Sum, exp.Avg)):
        of = kind_of(node.this)
        if of in FLOATS:
            return of if isinstance(node, exp.Sum) else "float8"
        if isinstance(node, exp.Sum) and of in ("int2", "int4"):
            return "int8"
        return "numeric" if of in INTS or of == "numeric" else of
    if isinstance(node, (exp.Round, exp.Trunc, exp.Floor, exp.Ceil)):
        of = kind_of(node.this)
        if of == "numeric" or (
            isinstance(node, (exp.Round, exp.Trunc)) and node.args.get("decimals")
        ):
            return "numeric"
        return "float8"
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)):
        return _operation(node, kind_of(node.this), kind_of(node.expression))
    return ""


def _operation(node: exp.Expr, a: str, b: str) -> str:
    if isinstance(node, exp.Sub) and a in TIMES and b in TIMES:
        return "int4" if a == b == "date" else "interval"
    if "interval" in (a, b):
        other = b if a == "interval" else a
        if other == "date":
            return "timestamp"
        return other if other in TIMES else "interval"
    if "date" in (a, b):
        return "date"
    return wider(a, b)


def wider(a: str, b: str) -> str:
    """The type that both numbers become."""
    for kind in ("float8", "float4", "numeric", "int8", "int4", "int2"):
        if kind in (a, b):
            return "float8" if kind == "float4" and a != b else kind
    return a or b


def _common(nodes: list[exp.Expr | None]) -> str:
    found = ""
    for node in nodes:
        kind = kind_of(node)
        number = INTS | FLOATS | {"numeric"}
        found = wider(found, kind) if found in number and kind in number else found or kind
    return found


def column_name(node: exp.Expr) -> str:
    """What PostgreSQL calls a column of an answer that has no name of its own."""
    return _figured(node) or "?column?"


def _figured(node: exp.Expr | None) -> str:
    if node is None:
        return ""
    if isinstance(node, (exp.Alias, exp.Column)):
        return node.alias_or_name
    if isinstance(node, (exp.Paren, exp.Filter, exp.Window, exp.Collate)):
        return _figured(node.this)
    if isinstance(node, exp.Cast):
        type_ = node.args["to"].this.value
        return _figured(node.this) or _TYPE_NAMES.get(type_, TYPES.get(type_, ""))
    if isinstance(node, exp.Subquery):
        return _figured(node.this)
    if isinstance(node, exp.Select):
        return _figured(node.expressions[0]) if node.expressions else ""
    if isinstance(node, exp.Case):
        default = node.args.get("default")
        return (_figured(default) if isinstance(default, exp.Column) else "") or "case"
    if type(node) in _NAMES:
        return _NAMES[type(node)]
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower().removeprefix(lexing.PREFIX)
    if isinstance(node, exp.Func) and not isinstance(node, (exp.Binary, exp.Connector)):
        return node.sql_name().lower()
    return ""
