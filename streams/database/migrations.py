"""The schema's history: numbered SQL files, applied in order, recorded in `schema_migrations`.

``migrations/NNNN_name.sql`` goes up, ``NNNN_name.down.sql`` back. ClickHouse has no transactions
over statements, so every statement has to bear repetition (``IF NOT EXISTS``): a migration that
was interrupted is simply run again. Going up never removes anything; going down only happens when
asked for by number. An applied file must not change: its checksum is compared on every start.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.database.server import Server

DIRECTORY: Final = Path(__file__).resolve().parent / "migrations"
_FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_STATEMENT_END: Final = re.compile(r";[ \t]*(?:\n|$)")

# What was done is appended, never updated: the last step of a version says how it stands.
HISTORY: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    step UInt64,
    version UInt32,
    name String,
    direction Enum8('up' = 1, 'down' = -1),
    checksum FixedString(64),
    at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY step
"""


class MigrationError(RuntimeError):
    """The schema is not what these files make; says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file that goes up, in hexadecimal."""
        return hashlib.sha256(self.up.encode()).hexdigest()


def load(directory: Path = DIRECTORY) -> list[Migration]:
    """The migrations in their order.

    Raises:
        MigrationError: a gap in the numbers, or a file without its way back.
    """
    found = []
    for path in sorted(directory.glob("*.sql")):
        name = _FILE_NAME.fullmatch(path.name)
        if name is None:
            if path.name.endswith(".down.sql"):
                continue
            raise MigrationError(f"{path.name}: migrations are named NNNN_name.sql")
        down = path.with_name(f"{path.stem}.down.sql")
        if not down.exists():
            raise MigrationError(f"{path.name} has no {down.name}")
        found.append(Migration(int(name[1]), name[2], path.read_text(), down.read_text()))
    if [one.version for one in found] != list(range(1, len(found) + 1)):
        raise MigrationError("migrations have to be numbered 0001, 0002 … without gaps")
    return found


def migrate(server: Server, migrations: list[Migration] | None = None) -> list[Migration]:
    """Check what has been applied and apply the rest; returns what was applied now.

    Raises:
        MigrationError: an applied migration has changed, or is unknown here.
        DatabaseError: ClickHouse is away or refuses a statement.
    """
    migrations = load() if migrations is None else migrations
    server.create_database()
    server.command(HISTORY)
    applied = _applied(server)
    _check(applied, migrations, server.database)
    missing = [one for one in migrations if one.version not in applied]
    for migration in missing:
        _run(server, migration, migration.up, "up")
    return missing


def roll_back(
    server: Server, to_version: int, migrations: list[Migration] | None = None
) -> list[Migration]:
    """Take back every migration after ``to_version``, newest first; what they held is lost.

    Raises:
        MigrationError: as for `migrate`.
        DatabaseError: ClickHouse is away or refuses a statement.
    """
    migrations = load() if migrations is None else migrations
    applied = _applied(server)
    _check(applied, migrations, server.database)
    going = [one for one in reversed(migrations) if to_version < one.version in applied]
    for migration in going:
        _run(server, migration, migration.down, "down")
    return going


def statements(sql: str) -> list[str]:
    """A file's statements: each ends with a semicolon at the end of a line."""
    return [part.strip() for part in _STATEMENT_END.split(sql) if part.strip()]


def _applied(server: Server) -> dict[int, str]:
    """The checksum of each migration that is in force, by version."""
    rows = server.rows(
        "SELECT version, argMax(toString(checksum), step), argMax(direction, step) AS last"
        " FROM schema_migrations GROUP BY version HAVING last = 'up'"
    )
    return {int(version): str(checksum) for version, checksum, _ in rows}


def _check(applied: dict[int, str], migrations: list[Migration], database: str) -> None:
    known = {one.version: one for one in migrations}
    for version, checksum in sorted(applied.items()):
        if version not in known:
            raise MigrationError(
                f"database {database} has migration {version:04}, which this release does not"
                " know: it was made by a newer one; use that release"
            )
        if known[version].checksum != checksum:
            raise MigrationError(
                f"migration {version:04}_{known[version].name}.sql has changed since it was"
                f" applied to database {database}: restore the file, and put the change into a"
                " new migration"
            )


def _run(server: Server, migration: Migration, sql: str, direction: str) -> None:
    for statement in statements(sql):
        server.command(statement)
    server.command(
        "INSERT INTO schema_migrations (step, version, name, direction, checksum)"
        " SELECT max(step) + 1, {version:UInt32}, {name:String}, {direction:String},"
        " {checksum:String} FROM schema_migrations",
        {
            "version": migration.version,
            "name": migration.name,
            "direction": direction,
            "checksum": migration.checksum,
        },
    )
