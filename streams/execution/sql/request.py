"""A program's request: a statement and its parameters, as the SDKs write them.

``{"statement": text, "params": [{"int32"|"int64"|"float32"|"float64"|"string"|"bool"|"bytes"|
"time": value}, …]}``. Both keys have to be there. Values are read as leniently as the original
did (gjson): a number given as a text is a number, what is none is 0.
Source: machinefi/w3bstream, pkg/types/wasm/sql_util/sql.go (Apache-2.0).
"""

import base64
import binascii
import re
from typing import Any, Final

import orjson

from streams import limits
from streams.execution.sql import times
from streams.execution.sql.values import SqlError, float_text, single

_NUMBER: Final = re.compile(r"\s*[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
Parameter = bool | int | float | str | bytes


def parse(body: bytes) -> tuple[str, tuple[Parameter, ...]]:
    """Statement and parameters.

    Raises:
        SqlError: not such a request.
    """
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise SqlError("query is invalid") from None
    if not isinstance(given, dict) or "statement" not in given or "params" not in given:
        raise SqlError("query is invalid")
    statement, parameters = given["statement"], given["params"]
    if not isinstance(statement, str):
        raise SqlError("query is invalid: `statement` is no text")
    if len(statement.encode()) > limits.SQL_STATEMENT_BYTES_MAX:
        raise SqlError(f"the statement has over {limits.SQL_STATEMENT_BYTES_MAX:,} bytes")
    if parameters is None:
        parameters = []
    elif not isinstance(parameters, list):
        parameters = [parameters]
    return statement, tuple(_parameter(one) for one in parameters)


def text_form(value: Parameter) -> str | bytes:
    """A parameter for a text column, as the original's driver sent it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    return value if isinstance(value, (str, bytes)) else str(value)


def _parameter(given: Any) -> Parameter:
    if not isinstance(given, dict):
        raise SqlError("fail to decode the param")
    for name in ("int32", "int64"):
        if name in given:
            bits = int(name[3:])
            number = _whole(given[name]) & (1 << bits) - 1
            return number - (1 << bits) if number >> bits - 1 else number
    if "float32" in given:
        return single(_number(given["float32"]))
    if "float64" in given:
        return _number(given["float64"])
    if "string" in given:
        return _text(given["string"])
    if "bool" in given:
        value = given["bool"]
        return value if isinstance(value, bool) else _text(value).lower() in ("1", "t", "true")
    if "bytes" in given:
        return _bytes(_text(given["bytes"]))
    if "time" in given:
        return times.write(times.parse_rfc3339(_text(given["time"])), "timestamptz")
    raise SqlError("fail to decode the param")


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, (bool, int)) else int(_number(value))


def _number(value: Any) -> float:
    if isinstance(value, (bool, int, float)):
        return float(value)
    found = _NUMBER.match(value) if isinstance(value, str) else None
    return float(found[0]) if found else 0.0


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def _bytes(text: str) -> bytes:
    """Base64, with or without padding: the Rust SDK leaves it away."""
    stripped = re.sub(r"[\r\n]", "", text).rstrip("=")
    try:
        return base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SqlError("fail to decode the param: `bytes` is no base64") from None
