"""Analysts' questions: one statement, read-only, limited in time, rows and memory."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from streams import limits
from streams.database.server import DatabaseError, Server


class Format(StrEnum):
    """How an answer is written; the value is ClickHouse's name for it."""

    TABLE = "PrettyCompactMonoBlock"
    JSON = "JSONEachRow"
    CSV = "CSVWithNames"
    ARROW = "Arrow"
    PARQUET = "Parquet"

    @property
    def is_text(self) -> bool:
        """Whether an answer is lines to read."""
        return self not in (Format.ARROW, Format.PARQUET)


# readonly 2: no statement changes anything but this query's own settings.
# https://clickhouse.com/docs/operations/settings/permissions-for-queries
_SETTINGS: Final = {
    "readonly": 2,
    "max_execution_time": limits.QUERY_SECONDS_MAX,
    "max_result_rows": limits.QUERY_ROWS_MAX,
    "result_overflow_mode": "throw",
    "max_memory_usage": limits.QUERY_MEMORY_BYTES_MAX,
    "output_format_pretty_color": 0,
    "output_format_pretty_row_numbers": 0,
    "output_format_pretty_max_rows": limits.QUERY_ROWS_MAX,
}

# ClickHouse's code → what to do about it.
_ADVICE: Final = {
    60: "no such table: `SHOW TABLES` lists them",  # UNKNOWN_TABLE
    62: "the statement is not SQL that ClickHouse knows",  # SYNTAX_ERROR
    47: "no such column: `DESCRIBE TABLE …` lists them",  # UNKNOWN_IDENTIFIER
    81: "the node has not made its tables yet: start it with `w3b up`",  # UNKNOWN_DATABASE
    159: f"it ran longer than {limits.QUERY_SECONDS_MAX} s: narrow it",  # TIMEOUT_EXCEEDED
    164: "queries are read-only",  # READONLY
    241: "it needs too much memory: narrow it",  # MEMORY_LIMIT_EXCEEDED
    456: "it has a parameter that was not given: `--param NAME=VALUE`",  # UNKNOWN_QUERY_PARAMETER
    457: "a parameter is not of its type",  # BAD_QUERY_PARAMETER
    396: f"it answers more than {limits.QUERY_ROWS_MAX:,} rows: add a LIMIT",
}


class QueryError(ValueError):
    """A statement that was not answered; says why and what to do."""


def ask(
    server: Server,
    sql: str,
    fmt: Format = Format.TABLE,
    parameters: Mapping[str, str | int] | None = None,
) -> bytes:
    """The answer to one statement in the given format; texts are UTF-8.

    ``parameters`` are what the statement calls ``{name:Type}``.

    Raises:
        QueryError: ClickHouse is away, or refuses the statement.
    """
    statement = sql.strip().rstrip(";").strip()
    if not statement:
        raise QueryError('nothing to ask: give a statement, as in w3b query "SHOW TABLES"')
    try:
        return server.raw(statement, _SETTINGS, fmt.value, parameters)
    except DatabaseError as error:
        if error.is_away:
            raise QueryError(f"{error}; is the node up?") from error
        raise QueryError(advised(error)) from error


def advised(error: DatabaseError) -> str:
    """What ClickHouse said, after what to do about it."""
    advice = _ADVICE.get(error.code)
    return f"{advice}. {error}" if advice else str(error)
