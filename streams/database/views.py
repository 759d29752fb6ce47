"""Views of each Dapp's results and SQL tables, with the typed columns that its manifest names."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from streams.database.server import Server
from streams.registry.column_types import is_column_type
from streams.registry.sql_schema import Column, Table

_DECIMAL_DIGITS_MAX: Final = 76
_TYPES: Final = {"int4": "Int32", "int8": "Int64", "float4": "Float32", "float8": "Float64",
                 "text": "String", "bool": "Bool", "numeric": "String"}  # fmt: skip
_NAME: Final = re.compile(r"[a-z0-9_]{1,32}")


class ViewError(ValueError):
    """A Dapp's name or a result column that cannot become SQL; says which."""


def view_name(dapp: str) -> str:
    """The name of a Dapp's view: ``results_<dapp>``."""
    return f"results_{dapp}"


def view_sql(dapp: str, columns: Mapping[str, str]) -> str:
    """The statement that makes a Dapp's view; ``columns``: JSON field → ClickHouse type.

    A field that a result lacks has its type's default: NULL in a Nullable column.

    Raises:
        ViewError: a name or type that is none.
    """
    if not _NAME.fullmatch(dapp):
        raise ViewError(f"{dapp!r} is no Dapp's name: 1 to 32 of a-z, 0-9 and _")
    fields = []
    for field, type_ in columns.items():
        if not is_column_type(type_):
            raise ViewError(f"result column {field}: {type_!r} is no type that JSON can be read as")
        fields.append(f"{_extracted(field, type_)} AS {_identifier(field)}")
    plain = ["device", "time", "message_id", "event_type", "`index`", "epoch", "program"]
    listed = ",\n    ".join([*plain, *fields, "body", "`partition`", "`offset`"])
    return (
        f"CREATE OR REPLACE VIEW {_identifier(view_name(dapp))} AS\nSELECT\n    {listed}\n"
        f"FROM results\nWHERE dapp = {_text(dapp)}"
    )


def _extracted(field: str, type_: str) -> str:
    if (field, type_) == ("kind", "LowCardinality(String)"):
        return "results.kind"  # has been read from the JSON already, and has roll-ups
    return f"JSONExtract(body, {_text(field)}, {_text(type_)})"


def table_view_name(dapp: str, table: str) -> str:
    """The name of the view of a Dapp's SQL table: ``sql_<dapp>_<table>``."""
    return f"sql_{dapp}_{table}"


def table_view_sql(dapp: str, table: Table) -> str:
    """The statement that makes the view of a SQL table: its rows as they are now, and where each
    was written last.

    Raises:
        ViewError: the Dapp's name is none.
    """
    if not _NAME.fullmatch(dapp):
        raise ViewError(f"{dapp!r} is no Dapp's name: 1 to 32 of a-z, 0-9 and _")
    fields = [f"{_field_sql(column)} AS {_identifier(column.name)}" for column in table.cols]
    taken = {column.name for column in table.cols}
    origin = [name for name in ("row", "partition", "offset", "received") if name not in taken]
    listed = ",\n    ".join([*fields, *(f"sql_rows.`{name}` AS `{name}`" for name in origin)])
    return (
        f"CREATE OR REPLACE VIEW {_identifier(table_view_name(dapp, table.name))} AS\n"
        f"SELECT\n    {listed}\nFROM sql_rows FINAL\n"
        f"WHERE sql_rows.dapp = {_text(dapp)} AND sql_rows.`table` = {_text(table.name)}"
    )


def ensure_views(
    server: Server, dapp: str, columns: Mapping[str, str], tables: Sequence[Table] = ()
) -> None:
    """Make a Dapp's views, or make them anew with the columns that its manifest has now.

    Raises:
        ViewError: a name or type that is none.
        DatabaseError: ClickHouse is away or refuses.
    """
    server.command(view_sql(dapp, columns))
    for table in tables:
        server.command(table_view_sql(dapp, table))


def _field_sql(column: Column) -> str:
    rule = column.constrains
    name, type_ = _text(column.name), _TYPES[rule.kind]
    digits, scale = rule.size
    if rule.kind == "numeric" and 0 < digits <= _DECIMAL_DIGITS_MAX:
        # From the text: as a JSON number it would have passed through a double.
        text = f"JSONExtract(sql_rows.body, {name}, 'Nullable(String)')"
        value = f"CAST({text} AS Nullable(Decimal({digits}, {scale})))"
        value = value if rule.null else f"assumeNotNull({value})"
    else:
        type_ = f"Nullable({type_})" if rule.null else type_
        value = f"JSONExtract(sql_rows.body, {name}, {_text(type_)})"
    if rule.default_value is None:
        return value
    # A row that was written before the column was added lacks it.
    default = f"CAST({_text(str(rule.default_value))} AS {_TYPES[rule.kind]})"
    return f"if(JSONHas(sql_rows.body, {name}), {value}, {default})"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _identifier(value: str) -> str:
    return "`" + value.replace("\\", "\\\\").replace("`", "\\`") + "`"
