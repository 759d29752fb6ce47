"""Analysts' questions: one statement, read-only, limited in time, rows and memory."""

from enum import StrEnum
from typing import Final

from streams import limits
from streams.database.server import DatabaseError, Server, Trouble


class Format(StrEnum):
    """How an answer is written; the value is ClickHouse's name for it."""

    TABLE = "PrettyCompactMonoBlock"
    JSON = "JSONEachRow"
    CSV = "CSVWithNames"


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
    396: f"it answers more than {limits.QUERY_ROWS_MAX:,} rows: add a LIMIT",
}


class QueryError(ValueError):
    """A statement that was not answered; says why and what to do."""


def ask(server: Server, sql: str, fmt: Format = Format.TABLE) -> bytes:
    """The answer to one statement, in the given format, UTF-8.

    Raises:
        QueryError: ClickHouse is away, or refuses the statement.
    """
    statement = sql.strip().rstrip(";").strip()
    if not statement:
        raise QueryError('nothing to ask: give a statement, as in w3b query "SHOW TABLES"')
    try:
        return server.raw(statement, _SETTINGS, fmt.value)
    except DatabaseError as error:
        if error.trouble is Trouble.AWAY:
            raise QueryError(f"{error}; is the node up?") from error
        advice = _ADVICE.get(error.code)
        raise QueryError(f"{advice}. {error}" if advice else str(error)) from error
