"""ClickHouse by its URL: inserts of ready rows, statements, and what kind of error came back."""

import logging
import threading
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from streams.database.tables import COLUMNS, Table

DEFAULT_DATABASE: Final = "w3b"

# These libraries log a traceback and a URL for every refused connection; what failed is in our
# errors, once.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

# Codes that mean: these rows, and no others, cannot be stored. Whatever else ClickHouse answers
# (memory, disk, a missing table, rights) is about the server, so the block is kept and tried again.
# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_ROW_ERRORS: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        131,  # TOO_LARGE_STRING_SIZE
        153,  # ILLEGAL_DIVISION
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        376,  # CANNOT_PARSE_UUID
        395,  # FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    }
)

# What makes a block one block: it is neither cut nor joined on its way into the table, and its
# token decides for the table and for the views that depend on it.
_BLOCK_SETTINGS: Final = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "input_format_parallel_parsing": 0,
    "max_insert_threads": 1,
    "max_insert_block_size": 1_048_576,
    "max_partitions_per_insert_block": 0,
}


class Trouble(Enum):
    """What an error means for the block that met it."""

    AWAY = auto()  # nobody answers
    SERVER = auto()  # the server cannot take any block now
    ROWS = auto()  # rows of this block cannot be stored


class DatabaseError(RuntimeError):
    """ClickHouse did not do it; `trouble` says what kind of error, `code` is ClickHouse's own."""

    def __init__(self, message: str, trouble: Trouble, code: int) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.code = code

    @property
    def is_away(self) -> bool:
        """Whether nobody answered."""
        return self.trouble is Trouble.AWAY


class Server:
    """One database of a ClickHouse server, over HTTP. Thread-safe; connects when first used."""

    def __init__(self, url: str, *, timeout_s: float = 60.0) -> None:
        """``url``: ``http[s]://user:password@host:port/database``.

        Raises:
            ValueError: a URL of another shape.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"ClickHouse's URL has to be http[s]://user:password@host:port/database,"
                f" this one begins with {parts.scheme or 'nothing'}://"
            )
        self.database = unquote(parts.path.strip("/")) or DEFAULT_DATABASE
        self._connection = {
            "interface": parts.scheme,
            "host": parts.hostname,
            "port": parts.port or (8443 if parts.scheme == "https" else 8123),
            "username": unquote(parts.username or "default"),
            "password": unquote(parts.password or ""),
        }
        self.address = f"{parts.hostname}:{self._connection['port']}"
        self._timeout_s = timeout_s
        self._client: Any = None
        self._connecting = threading.Lock()

    def insert(self, table: Table, rows: bytes, token: str) -> None:
        """Insert RowBinary rows as one block that has this token.

        Raises:
            DatabaseError: not (or not known to be) inserted.
        """
        columns = COLUMNS[table]
        self.insert_into(columns.table, columns.names, rows, {"insert_deduplication_token": token})

    def insert_into(
        self,
        table: str,
        names: Sequence[str],
        rows: bytes,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Insert RowBinary rows into any table, as one block.

        Raises:
            DatabaseError: not (or not known to be) inserted.
        """
        self._call(
            lambda client: client.raw_insert(
                table,
                column_names=names,
                insert_block=rows,
                settings={**_BLOCK_SETTINGS, **(settings or {})},
                fmt="RowBinary",
            )
        )

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that answers nothing."""
        self._call(lambda client: client.command(sql, parameters=dict(parameters or {})))

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[tuple[Any, ...]]:
        """The rows of a small answer."""
        answer: Sequence[tuple[Any, ...]] = self._call(
            lambda client: client.query(sql, parameters=dict(parameters or {})).result_rows
        )
        return answer

    def raw(
        self,
        sql: str,
        settings: Mapping[str, Any],
        fmt: str,
        parameters: Mapping[str, Any] | None = None,
    ) -> bytes:
        """An answer in one of ClickHouse's output formats."""
        answer: bytes = self._call(
            lambda client: client.raw_query(
                sql, parameters=dict(parameters or {}), settings=dict(settings), fmt=fmt
            )
        )
        return answer

    def create_database(self) -> None:
        """Make the database if it is not there."""
        client = self._guard(lambda: self._connect("default"))
        try:
            name = self.database.replace("`", "")
            self._guard(lambda: client.command(f"CREATE DATABASE IF NOT EXISTS `{name}`"))
        finally:
            client.close()

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _call(self, ask: Any) -> Any:
        with self._connecting:
            if self._client is None:
                self._client = self._guard(lambda: self._connect(self.database))
        client = self._client
        return self._guard(lambda: ask(client))

    def _connect(self, database: str) -> Any:
        return clickhouse_connect.get_client(
            **self._connection,
            database=database,
            autogenerate_session_id=False,  # sessions would make concurrent inserts wait
            compress=False,
            connect_timeout=5,
            send_receive_timeout=self._timeout_s,
            show_clickhouse_errors="scrub",
        )

    def _guard(self, ask: Any) -> Any:
        try:
            return ask()
        except (ClickHouseError, HTTPError, OSError) as error:
            code = int(getattr(error, "code", None) or 0)
            trouble = Trouble.SERVER if code else Trouble.AWAY
            if code in _ROW_ERRORS:
                trouble = Trouble.ROWS
            text = _text(error)
            if trouble is Trouble.AWAY:
                text = f"ClickHouse at {self.address} does not answer: {text}"
            raise DatabaseError(text, trouble, code) from error


def _text(error: BaseException) -> str:
    """What was wrong, without what the layers in between put around it."""
    cause = error.__cause__ or error
    reason = str(getattr(cause, "reason", cause))
    if "DB::Exception: " in str(error):
        return str(error).partition("DB::Exception: ")[2]
    return reason.rpartition(": ")[2] or reason
