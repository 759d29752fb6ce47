"""Schemas and requests for tests of SQL programs."""

from typing import Any

import orjson

from streams.registry.sql_schema import SqlSection

TIME_MS = 1_700_000_000_123
SEED = b"12345678"


def column(name: str, datatype: str, **constrains: Any) -> dict[str, Any]:
    """A column in W3bStream's JSON form."""
    return {"name": name, "constrains": {"datatype": datatype, **constrains}}


def section(*tables: dict[str, Any]) -> SqlSection:
    """A checked schema of these tables."""
    return SqlSection.model_validate({"schemas": [{"schema": "public", "tables": list(tables)}]})


CARS = {
    "name": "cars",
    "cols": [
        column("id", "INT64", autoincrement=True),
        column("name", "TEXT", length=10),
        column("amount", "FLOAT64", default="0"),
        column("income", "DECIMAL", default="0", length=12, decimal=2),
        column("active", "BOOL", default="true"),
        column("f4", "FLOAT32", null=True),
        column("n", "INT32", null=True),
        column("big", "UINT64", null=True),
        column("at", "TIMESTAMP", null=True),
        column("note", "TEXT", length=30000, null=True),
    ],
    "keys": [
        {"name": "primary", "isUnique": True, "columnNames": ["id"]},
        {"name": "ui_name", "method": "BTREE", "isUnique": True, "columnNames": ["name"]},
    ],
}
LOG = {"name": "log", "cols": [column("id", "INT64"), column("v", "TEXT", null=True)], "keys": None}
SCHEMA = section(CARS, LOG)


def request(statement: str, *parameters: dict[str, Any]) -> bytes:
    """A request as the SDKs write it."""
    return orjson.dumps({"statement": statement, "params": list(parameters)})
