"""The tables of a Dapp's SQL programs: W3bStream's JSON form of a schema, checked.

The form (`schemas`, `tables`, `cols`, `constrains`, `keys`) and its types are those of the
original node's project database (machinefi/w3bstream, pkg/types/wasm/wasm_config_database.go,
Apache-2.0): columns are NOT NULL unless ``null`` is true, TEXT shorter than 21,845 is
``varchar(length)`` (255 if no length is given), TIMESTAMP is a ``bigint``, names that are not
quoted in a statement are lower case.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from streams import limits

# What a statement sees of each datatype; the names are PostgreSQL's own.
KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("INT", "INT8", "INT16", "INT32", "UINT", "UINT8", "UINT16", "UINT32"), "int4"),
    **dict.fromkeys(("INT64", "UINT64", "TIMESTAMP"), "int8"),
    "FLOAT32": "float4",
    "FLOAT64": "float8",
    "TEXT": "text",
    "BOOL": "bool",
    "DECIMAL": "numeric",
    "NUMERIC": "numeric",
}
_TEXT_WITHOUT_LENGTH: Final = 65536 // 3
_LENGTH_IF_NONE: Final = 255
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")

_Name = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _names(cls, given: Any) -> Any:
        """Field names without regard to case, as the original's JSON reader takes them."""
        if not isinstance(given, dict):
            return given
        known = {name.replace("_", ""): name for name in cls.model_fields}
        return {known.get(str(key).lower().replace("_", ""), key): given[key] for key in given}


class Constrains(_Part):
    """A column's type and what it may hold."""

    datatype: str
    length: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    decimal: Annotated[int, Field(ge=0, le=1_000)] = 0
    default: str | None = None
    null: bool = False
    auto_increment: bool = False
    desc: str = ""

    @field_validator("datatype")
    @classmethod
    def _known(cls, datatype: str) -> str:
        if datatype.upper() not in KINDS:
            raise ValueError(f"{datatype!r} is no datatype; there are {', '.join(KINDS)}")
        return datatype.upper()

    @model_validator(mode="after")
    def _fits(self) -> "Constrains":
        if self.auto_increment and self.kind not in ("int4", "int8"):
            raise ValueError("autoincrement is for whole numbers (INT… and UINT…) only")
        if self.auto_increment and self.default is not None:
            raise ValueError("autoincrement and default exclude each other")
        if self.decimal and self.kind == "numeric" and self.decimal > max(self.length, 1):
            raise ValueError(f"decimal ({self.decimal}) is more than length ({self.length})")
        _ = self.default_value
        return self

    @property
    def kind(self) -> str:
        """PostgreSQL's name of the type that the column gets."""
        return KINDS[self.datatype]

    @property
    def size(self) -> tuple[int, int]:
        """The type's modifiers: (characters, 0) of a varchar, (precision, scale) of a numeric;
        (0, 0) for none."""
        if self.kind == "numeric":
            return self.length, self.decimal
        if self.kind == "text" and self.length < _TEXT_WITHOUT_LENGTH:
            return self.length or _LENGTH_IF_NONE, 0
        return 0, 0

    @property
    def default_value(self) -> bool | int | float | str | None:
        """What a row gets that does not name the column.

        Raises:
            ValueError: the default is none for this type.
        """
        text = self.default
        if text is None or text.lower() == "null":
            return None
        if _LITERAL.fullmatch(text.split("::")[0]):
            text = text.split("::")[0][1:-1].replace("''", "'")
        elif text and self.kind == "text" and not _is_number(text):
            raise ValueError(f"default {text!r}: quote it, as in \"'{text}'\"")
        if self.kind == "text":
            return text
        if self.kind == "bool":
            if text.lower() in ("true", "t", "1", "false", "f", "0"):
                return text.lower() in ("true", "t", "1")
            raise ValueError(f"default {text!r} is neither true nor false")
        if not _is_number(text):
            raise ValueError(f"default {text!r} is no number (functions are not served here)")
        if self.kind == "numeric":
            return text
        return float(text) if self.kind in ("float4", "float8") else int(Decimal(text))


class Column(_Part):
    """A column of a table."""

    name: _Name
    constrains: Constrains

    @field_validator("name", mode="before")
    @classmethod
    def _folded(cls, name: Any) -> Any:
        return name.lower() if isinstance(name, str) else name


class Key(_Part):
    """An index. A unique one named ``primary`` or ``…pkey`` is the primary key."""

    name: str = ""
    method: str = ""  # BTREE, HASH …: how it is kept is the node's business
    is_unique: bool = False
    column_names: Annotated[tuple[_Name, ...], Field(min_length=1, strict=False)]
    expr: Literal[""] = ""

    @field_validator("column_names", mode="before")
    @classmethod
    def _folded(cls, names: Any) -> Any:
        if not isinstance(names, (list, tuple)):
            return names
        return tuple(name.lower() if isinstance(name, str) else name for name in names)

    @property
    def is_primary(self) -> bool:
        """Whether it names the table's primary key."""
        return self.is_unique and (self.name.lower() == "primary" or self.name.endswith("pkey"))


class Table(_Part):
    """A table."""

    name: _Name
    desc: str = ""
    cols: Annotated[
        tuple[Column, ...], Field(min_length=1, max_length=limits.SQL_COLUMNS_MAX, strict=False)
    ]
    keys: Annotated[tuple[Key, ...], Field(strict=False)] = ()

    @field_validator("name", mode="before")
    @classmethod
    def _folded(cls, name: Any) -> Any:
        return name.lower() if isinstance(name, str) else name

    @field_validator("keys", mode="before")
    @classmethod
    def _no_keys(cls, keys: Any) -> Any:
        return () if keys is None else keys

    @model_validator(mode="after")
    def _holds_together(self) -> "Table":
        if self.name.startswith("sqlite_"):
            raise ValueError("names that begin with sqlite_ are the node's own")
        names = [column.name for column in self.cols]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"column {twice[0]} is there twice")
        if "_rowid_" in names:
            raise ValueError("no column can be named _rowid_: that is the node's number of a row")
        for key in self.keys:
            if unknown := [name for name in key.column_names if name not in names]:
                raise ValueError(f"key {key.name or key.column_names}: no column {unknown[0]}")
        if sum(key.is_primary for key in self.keys) > 1:
            raise ValueError("there can be one primary key")
        return self

    def column(self, name: str) -> Column | None:
        """The column of this name."""
        return next((one for one in self.cols if one.name == name), None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Names of the primary key's columns; empty without one."""
        return next((key.column_names for key in self.keys if key.is_primary), ())


class SchemaPart(_Part):
    """One schema; programs see ``public`` alone, as on the original node."""

    name: Literal["public"] = "public"
    tables: Annotated[tuple[Table, ...], Field(max_length=limits.SQL_TABLES_MAX, strict=False)] = ()

    @model_validator(mode="before")
    @classmethod
    def _schema_is_its_name(cls, given: Any) -> Any:
        if isinstance(given, dict) and "schema" in given:
            rest = {key: value for key, value in given.items() if key != "schema"}
            return {**rest, "name": given["schema"] or "public"}
        return given


class SqlSection(_Part):
    """``[sql]``: ``schema = "schema.json"``, whose content stands here once it is loaded."""

    dialect: str = ""
    schemas: Annotated[tuple[SchemaPart, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _tables_once(self) -> "SqlSection":
        names = [table.name for table in self.tables]
        if not names:
            raise ValueError("name at least one table")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"table {twice[0]} is there twice")
        return self

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables, in their order."""
        return tuple(table for schema in self.schemas for table in schema.tables)


def upgrade_problems(old: SqlSection | None, new: SqlSection | None) -> list[str]:
    """Why a deployment with ``old`` tables cannot become one with ``new``; empty: it can.

    Tables and columns may be added; what is there stays as it is, since rows lie in it.
    """
    if old is None:
        return []
    tables = {table.name: table for table in new.tables} if new else {}
    problems = []
    for before in old.tables:
        after = tables.get(before.name)
        if after is None:
            problems.append(f"table {before.name} is gone: keep it, its rows stay")
        else:
            problems += _table_problems(before, after)
    return problems


def _table_problems(before: Table, after: Table) -> list[str]:
    problems = []
    for column in before.cols:
        now = after.column(column.name)
        where = f"column {before.name}.{column.name}"
        if now is None:
            problems.append(f"{where} is gone: keep it, columns are only added")
        elif _type_of(now) != _type_of(column):
            problems.append(
                f"{where} was {_said(column)} and is {_said(now)}: add a column with a new name"
            )
    for column in after.cols:
        if before.column(column.name) is not None:
            continue
        rule = column.constrains
        if rule.auto_increment:
            problems.append(f"column {before.name}.{column.name}: an added one cannot count up")
        elif not rule.null and rule.default_value is None:
            problems.append(
                f"column {before.name}.{column.name}: rows that are there have no value for it; "
                'give it a "default", or "null": true'
            )
    unique_before = {key.column_names for key in before.keys if key.is_unique}
    unique_after = {key.column_names for key in after.keys if key.is_unique}
    problems += [
        f"table {before.name}: the unique key over {', '.join(names)} was "
        f"{'taken away' if names in unique_before else 'added'}; unique keys stay as they are"
        for names in sorted(unique_before ^ unique_after)
    ]
    return problems


def _type_of(column: Column) -> tuple[object, ...]:
    rule = column.constrains
    return rule.kind, rule.size, rule.null, rule.auto_increment


def _said(column: Column) -> str:
    rule = column.constrains
    length, scale = rule.size
    size = f"({length},{scale})" if scale else f"({length})" if length else ""
    counts = " autoincrement" if rule.auto_increment else ""
    return f"{rule.kind}{size}{' null' if rule.null else ''}{counts}"


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False
