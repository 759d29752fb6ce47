"""Saved queries: what a Dapp's users may ask, so that no other Dapp's rows can come of it.

The problem: a query is written by who wrote the Dapp, runs on the tables of all Dapps, and its
answer goes to somebody whom neither knows. Reading the SQL to see what it touches would be a second
parser that has to agree with ClickHouse's.

The way taken: it runs as a user who may read tables of results and claims only (`rights`), with row
policies that ask the setting ``log_comment``; the node sets it, and a statement can change none.
Values come as ClickHouse's own query parameters, so they are never SQL.
"""

from collections.abc import Mapping
from typing import Final

from streams import limits
from streams.database.query import Format, QueryError, advised
from streams.database.rights import DAPP_SETTING
from streams.database.server import DatabaseError, Server

# readonly 1: not even a setting can be changed by the statement.
# https://clickhouse.com/docs/operations/settings/permissions-for-queries
_SETTINGS: Final = {
    "readonly": 1,
    "max_execution_time": limits.SAVED_QUERY_SECONDS_MAX,
    "max_result_rows": limits.SAVED_QUERY_ROWS_MAX,
    "result_overflow_mode": "throw",
    "max_memory_usage": limits.QUERY_MEMORY_BYTES_MAX,
}


class SavedQueries:
    """Answers saved queries as ClickHouse's user of the given URL. For several threads; blocks."""

    def __init__(self, url: str) -> None:
        """``url``: as `Server`'s, of a user who has the reader's rights."""
        self._server = Server(url, timeout_s=2.0 * limits.SAVED_QUERY_SECONDS_MAX)

    def answer(self, dapp: str, sql: str, fmt: Format, parameters: Mapping[str, str]) -> bytes:
        """The answer to a Dapp's query, in the given format.

        Raises:
            DatabaseError: ClickHouse is away.
            QueryError: it refuses the query, or a parameter is missing or of another type.
        """
        settings = {**_SETTINGS, DAPP_SETTING: dapp}
        try:
            return self._server.raw(sql.strip().rstrip(";"), settings, fmt.value, parameters)
        except DatabaseError as error:
            if error.is_away:
                raise
            raise QueryError(advised(error)) from error

    def close(self) -> None:
        """Let go of the connections."""
        self._server.close()
