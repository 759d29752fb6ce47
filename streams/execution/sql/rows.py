"""Rows as records: what of a database lies with the keyed state and in ``state.<dapp>``.

A record's key is the table's name, a NUL byte and the row's number (SQLite's rowid, 8 bytes,
big-endian); its value the row as a JSON object, or null when it is gone. A row has its number for
life and a table that was filled from these records numbers on as before, so that restarts change
nothing. A sequence is a record of the table without a name: ``{"value": n}``.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from streams.execution.sql.values import Value
from streams.registry.sql_schema import Table

_NUMBER: Final = struct.Struct(">q")
_SIZES: Final = struct.Struct("<II")
_STEPS: Final = struct.Struct("<q")
_GONE: Final = 0xFFFFFFFF


class RowError(ValueError):
    """A record that is no row of this schema: another version wrote it."""


def row_key(table: str, number: int) -> bytes:
    """The key of a row."""
    return table.encode() + b"\0" + _NUMBER.pack(number)


def sequence_key(name: str) -> bytes:
    """The key of a sequence."""
    return b"\0" + name.encode()


def encode_row(table: Table, values: Sequence[Value]) -> bytes:
    """A row's value; ``values`` in the order of the table's columns."""
    return orjson.dumps(
        {
            column.name: bool(value)
            if column.constrains.kind == "bool" and value is not None
            else value
            for column, value in zip(table.cols, values, strict=True)
        }
    )


def encode_sequence(value: int) -> bytes:
    """A sequence's value."""
    return orjson.dumps({"value": value})


def decode(
    key: bytes, value: bytes, tables: Mapping[str, Table]
) -> tuple[Table | None, int | str, Any]:
    """A row: its table, number and values; a sequence: None, its name and number.

    A column that the row lacks was added later: it has its default.

    Raises:
        RowError: see there.
    """
    name, _, rest = key.partition(b"\0")
    try:
        body = orjson.loads(value)
        if not name:
            return None, rest.decode(), int(body["value"])
        table = tables[name.decode()]
        (number,) = _NUMBER.unpack(rest)
        values = [body.get(column.name, column.constrains.default_value) for column in table.cols]
        return table, number, values
    except (KeyError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise RowError(f"state record {key!r} is no row of the schema: {error!r}") from None


def pack(steps: int, changes: Mapping[bytes, bytes | None]) -> bytes:
    """For the driver (driver/outside.zig): the steps that an event's statements took; of each
    change the sizes of key and value, key, value."""
    parts = [_STEPS.pack(steps)]
    for key, value in changes.items():
        parts += [_SIZES.pack(len(key), _GONE if value is None else len(value)), key, value or b""]
    return b"".join(parts)
