"""The database of one (Dapp, partition): SQLite in memory, an event's statements at a time."""

from collections import deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import apsw

from streams import limits
from streams.execution.outside import BREACHED, FAILED, Ask, Outside
from streams.execution.sql import answer, request, rows
from streams.execution.sql.expressions import sequence_name
from streams.execution.sql.functions import BUILT_IN, NUMERIC_ORDER, Moment, register
from streams.execution.sql.times import TimeError
from streams.execution.sql.translate import Plan, translate
from streams.execution.sql.values import SqlError, Value, caster
from streams.registry.sql_schema import Column, SqlSection, Table

_STEPS: Final = 1_000  # SQLite's instructions between two looks at an event's limit
_SQL_TYPES: Final = {"bool": "INTEGER", "int4": "INTEGER", "int8": "INTEGER", "float4": "REAL",
                     "float8": "REAL", "text": "TEXT", "numeric": "TEXT"}  # fmt: skip
_ALLOWED: Final = frozenset({
    apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE,
    apsw.SQLITE_DELETE, apsw.SQLITE_RECURSIVE,
})  # fmt: skip
_FAILURES: Final = (SqlError, TimeError, apsw.Error, OverflowError, ArithmeticError, TypeError)


class _Breach(Exception):
    """The event has used up one of its limits."""


class Store:
    """Answers an instance's questions of kind SQL.

    An event's first statement opens a savepoint and a session; EVENT_DONE answers the rows that
    the event changed, which the driver keeps; EVENT_UNDONE takes them back. What is older than
    the event at hand can be taken back by the driver alone: `fill` makes the database anew of the
    driver's rows. Not for several threads at a time.
    """

    def __init__(self, section: SqlSection) -> None:
        self._tables = {table.name: table for table in section.tables}
        self._plans = lru_cache(maxsize=limits.SQL_PLANS_MAX)(self._translate)
        self._moment = Moment()
        self._sequence_names = frozenset(
            sequence_name(table.name, column.name)
            for table in section.tables
            for column in table.cols
            if column.constrains.auto_increment
        )
        self._session: apsw.Session | None = None
        self._in_event = False
        self._is_own = True  # the statement at work is none of the program's
        self._denied = ""  # what the program's was not let do
        self._steps_left = 0
        self._sequences: dict[str, int] = {}
        self._sequences_before: dict[str, int] = {}
        self._changes_before = 0
        self._connect()

    @property
    def outside(self) -> Outside:
        """Who answers what, for an `Instance`."""
        return {
            Ask.SQL_QUERY: self.query,
            Ask.SQL_EXEC: self.execute,
            Ask.EVENT_DONE: self.event_done,
            Ask.EVENT_UNDONE: self.event_undone,
        }

    # --- questions ------------------------------------------------------------------------------

    def query(self, time_ms: int, seed: bytes, body: bytes) -> tuple[int, bytes]:
        """``ws_get_sql_db``: rows as JSON."""
        return self._answered(time_ms, seed, body, True)

    def execute(self, time_ms: int, seed: bytes, body: bytes) -> tuple[int, bytes]:
        """``ws_set_sql_db``: an empty answer."""
        return self._answered(time_ms, seed, body, False)

    def event_done(self, _time_ms: int, _seed: bytes, _body: bytes) -> tuple[int, bytes]:
        """The rows that the event changed, packed for the driver."""
        if self._session is None:
            return 0, b""
        has_changed = self._connection.total_changes() != self._changes_before
        changeset = self._session.changeset() if has_changed else b""
        self._close_session()
        changes: dict[bytes, bytes | None] = {}
        for change in apsw.Changeset.iter(changeset) if changeset else ():
            table = self._tables[change.name]
            known: Any = change.old or change.new  # an inserted row has no old values
            key = rows.row_key(table.name, known[0])
            gone = change.op == "DELETE"
            changes[key] = None if gone else rows.encode_row(table, self._row(table, known[0]))
        for name, value in self._sequences.items():
            if self._sequences_before.get(name) != value:
                changes[rows.sequence_key(name)] = rows.encode_sequence(value)
        for key, image in changes.items():
            if image is not None and len(image) > limits.SQL_ROW_BYTES_MAX:
                name = key.partition(b"\0")[0].decode()
                said = f"a row of {name} has over {limits.SQL_ROW_BYTES_MAX:,} bytes"
                return BREACHED, said.encode()
        return 0, rows.pack(self._steps, changes)

    def event_undone(self, _time_ms: int, _seed: bytes, _body: bytes) -> tuple[int, bytes]:
        """Nothing of the event stays."""
        self._close_session()
        if self._in_event and not self._connection.get_autocommit():
            self._own("ROLLBACK TO event")
            self._own("RELEASE event")
        self._in_event = False
        self._sequences = dict(self._sequences_before)
        return 0, rows.pack(self._steps, {})

    @property
    def _steps(self) -> int:
        """What the event's statements took so far."""
        return limits.SQL_EVENT_STEPS_MAX - self._steps_left

    # --- rows that were there -------------------------------------------------------------------

    def fill(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Begin anew with these rows: on assignment, and when batches were taken back.

        Raises:
            RowError: a record is no row of this schema.
        """
        self._connect()
        self._own("BEGIN")
        found = (rows.decode(key, value, self._tables) for key, value in records)
        for table, group in groupby(found, key=itemgetter(0)):
            if table is None:
                self._sequences |= {str(name): value for _, name, value in group}
            else:
                numbered = ((number, *values) for _, number, values in group)
                self._connection.executemany(_insert_sql(table), numbered)
        self._own("COMMIT")

    # --- inside ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._close_session()
        self._in_event = False
        self._sequences, self._sequences_before = {}, {}
        self._connection = connection = apsw.Connection(":memory:")
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        for limit, most in (
            (apsw.SQLITE_LIMIT_LENGTH, limits.SQL_VALUE_BYTES_MAX),
            (apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
            (apsw.SQLITE_LIMIT_COMPOUND_SELECT, 50),
            (apsw.SQLITE_LIMIT_EXPR_DEPTH, 200),
        ):
            connection.limit(limit, most)
        self._functions = BUILT_IN | register(connection, self._moment, self._next_value)
        connection.authorizer = self._authorize
        connection.set_progress_handler(self._count_steps, _STEPS)
        for statement in (
            "PRAGMA case_sensitive_like = ON",
            f"PRAGMA max_page_count = {4 * limits.SQL_BYTES_MAX // 4096}",
        ):
            self._own(statement)
        for table in self._tables.values():
            for statement in _create_sql(table):
                self._own(statement)

    def _own(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        self._is_own = True
        return list(self._connection.execute(sql, values))

    def _authorize(
        self, action: int, first: str | None, second: str | None, _db: str | None, _by: str | None
    ) -> int:
        if self._is_own:
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_FUNCTION:
            name = (second or "").lower()
            if name in self._functions:
                return apsw.SQLITE_OK
            self._denied = f"function {name} does not exist"
        elif action in _ALLOWED and not (first or "").startswith("sqlite_"):
            return apsw.SQLITE_OK
        elif action == apsw.SQLITE_PRAGMA and first == "table_xinfo":
            return apsw.SQLITE_OK  # the session's own, while a statement changes a table
        return apsw.SQLITE_DENY

    def _count_steps(self) -> bool:
        if self._is_own:
            return False
        self._steps_left -= _STEPS
        return self._steps_left < 0

    def _next_value(self, name: str) -> int:
        if name not in self._sequence_names:
            raise SqlError(f'relation "{name}" does not exist')
        self._sequences[name] = self._sequences.get(name, 0) + 1
        return self._sequences[name]

    def _begin_event(self) -> None:
        if self._session is not None:
            return
        if self._in_event:
            self._own("RELEASE event")  # of the event before, which is done
        self._own("SAVEPOINT event")
        self._in_event = True
        self._session = apsw.Session(self._connection, "main")
        self._session.config(apsw.SQLITE_SESSION_OBJCONFIG_ROWID, 1)
        self._session.attach()
        self._sequences_before = dict(self._sequences)
        self._changes_before = self._connection.total_changes()
        self._steps_left = limits.SQL_EVENT_STEPS_MAX

    def _close_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _row(self, table: Table, number: int) -> tuple[Value, ...]:
        found = self._own(f'SELECT * FROM "{table.name}" WHERE _rowid_ = ?', (number,))
        return tuple(found[0])

    def _answered(
        self, time_ms: int, seed: bytes, body: bytes, wants_rows: bool
    ) -> tuple[int, bytes]:
        self._begin_event()
        self._moment.time_ms, self._moment.seed, self._moment.draws = time_ms, seed, 0
        self._denied = ""
        try:
            statement, parameters = request.parse(body)
            return 0, self._run(statement, parameters, wants_rows)
        except _Breach as breach:
            return BREACHED, str(breach).encode()
        except _FAILURES as error:
            return FAILED, self._said(error).encode()
        finally:
            self._is_own = True

    def _run(
        self, statement: str, parameters: tuple[request.Parameter, ...], wants_rows: bool
    ) -> bytes:
        self._steps_left -= len(statement) * limits.SQL_CHARACTER_STEPS
        if self._steps_left < 0:
            raise _Breach(_SPENT)
        plans = self._plans(statement)
        wanted = max(plans[0].parameters, default=0)
        if len(plans) > 1 and parameters:
            raise SqlError("cannot insert multiple commands into a prepared statement")
        if len(parameters) != wanted:
            raise SqlError(f"got {len(parameters)} parameters but the statement requires {wanted}")
        self._own("SAVEPOINT statement")
        try:
            answers = [self._run_one(plan, parameters, wants_rows) for plan in plans]
        except BaseException:
            if not self._connection.get_autocommit():
                self._own("ROLLBACK TO statement")
                self._own("RELEASE statement")
            raise
        self._own("RELEASE statement")
        return answers[0]

    def _run_one(
        self, plan: Plan, parameters: tuple[request.Parameter, ...], wants_rows: bool
    ) -> bytes:
        self._steps_left -= limits.SQL_STATEMENT_STEPS
        bindings = {
            f"p{number}": request.text_form(value) if number in plan.texts else value
            for number, value in enumerate(parameters, 1)
            if number in plan.parameters
        }
        self._is_own = False
        try:
            # Prepared anew each time: the count of a cached one goes on where it stood.
            cursor = self._connection.execute(plan.sql, bindings, can_cache=False)
            if not wants_rows or not plan.columns:
                deque(cursor, maxlen=0)  # to its end
                return b""
            described = cursor.description_full
            kinds = {**plan.kinds, **self._stored_kinds(described)}
            return answer.encode([one[0] for one in described], kinds, cursor)
        except apsw.ExecutionCompleteError:
            return b""  # no row: it was over before it could be asked for its columns
        except (apsw.InterruptError, apsw.FullError):
            self._is_own = True
            raise _Breach(_SPENT) from None

    def _stored_kinds(self, described: Iterable[tuple[Any, ...]]) -> dict[str, str]:
        """Types of the columns that are columns of a table."""
        found: dict[str, str] = {}
        for name, _, _, table_name, column_name in described:
            table = self._tables.get(table_name or "")
            column = table.column(column_name) if table else None
            if column is not None:
                found[name] = column.constrains.kind
        return found

    def _translate(self, statement: str) -> tuple[Plan, ...]:
        return translate(statement, self._tables)

    def _said(self, error: BaseException) -> str:
        if self._denied:
            return self._denied
        if isinstance(error, apsw.AuthError):
            return "permission denied: a program may read and write its own tables"
        if isinstance(error, apsw.ConstraintError):
            return _CONSTRAINT_TEXTS.get(str(error).partition(":")[0], "constraint violated") + (
                f": {str(error).partition(': ')[2]}"
            )
        return str(error) or type(error).__name__


_SPENT: Final = (
    "the event's SQL statements have used up their limit of "
    f"{limits.SQL_EVENT_STEPS_MAX:,} steps, or of room"
)
_CONSTRAINT_TEXTS: Final[Mapping[str, str]] = {
    "UNIQUE constraint failed": "duplicate key value violates unique constraint",
    "NOT NULL constraint failed": "null value violates not-null constraint",
    "CHECK constraint failed": "new row violates check constraint",
}


def _insert_sql(table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.cols)
    holders = ", ".join("?" * (len(table.cols) + 1))
    return f'INSERT INTO "{table.name}" (_rowid_, {names}) VALUES ({holders})'


def _create_sql(table: Table) -> Iterable[str]:
    columns = ", ".join(_column_sql(table, column) for column in table.cols)
    yield f'CREATE TABLE "{table.name}" ({columns})'
    for at, key in enumerate(table.keys):
        names = ", ".join(f'"{name}"' for name in key.column_names)
        unique = "UNIQUE " if key.is_unique else ""
        yield f'CREATE {unique}INDEX "{table.name} {at}" ON "{table.name}" ({names})'


def _column_sql(table: Table, column: Column) -> str:
    rule = column.constrains
    parts = [f'"{column.name}"', _SQL_TYPES[rule.kind]]
    if not rule.null:
        parts.append("NOT NULL")
    if rule.kind == "numeric":
        parts.append(f"COLLATE {NUMERIC_ORDER}")
    if rule.auto_increment:
        parts.append(f"DEFAULT (w3b_nextval('{sequence_name(table.name, column.name)}'))")
    elif rule.default_value is not None:
        value = caster(rule.kind, "", *rule.size, True)(rule.default_value)
        parts.append(f"DEFAULT {apsw.format_sql_value(value)}")
    return " ".join(parts)
