"""The schema's history on a real ClickHouse."""

from dataclasses import replace

import pytest

from streams.database.migrations import MigrationError, load, migrate, roll_back, statements
from streams.database.server import Server
from streams.database.tables import COLUMNS

pytestmark = pytest.mark.services


def tables(server: Server) -> set[str]:
    return {name for (name,) in server.rows("SHOW TABLES")}


def test_up_makes_the_tables_that_the_sink_writes(server: Server) -> None:
    assert migrate(server) == load()
    for columns in COLUMNS.values():
        found = server.rows(
            "SELECT name FROM system.columns WHERE database = currentDatabase()"
            " AND table = {table:String} AND default_kind = ''",
            {"table": columns.table},
        )
        assert {name for (name,) in found} == set(columns.names)


def test_up_twice_changes_nothing(server: Server) -> None:
    migrate(server)
    server.command("INSERT INTO messages (dapp, device) VALUES ('a', 'b')")
    assert migrate(server) == []
    assert server.rows("SELECT count() FROM messages") == [(1,)]


def test_down_takes_back_the_newest_first_and_up_makes_them_again(server: Server) -> None:
    migrate(server)
    assert roll_back(server, 2) == load()[:1:-1]
    assert tables(server) == {"schema_migrations", "messages", "results"}
    assert migrate(server) == load()[2:]
    assert roll_back(server, 0) == load()[::-1]
    assert tables(server) == {"schema_migrations"}


def test_an_interrupted_migration_is_run_again(server: Server) -> None:
    half_done = load()[3]
    migrate(server, load()[:3])
    server.command(statements(half_done.up)[0])  # and then the process was killed
    assert migrate(server) == load()[3:]


def test_a_changed_migration_is_refused_and_nothing_is_touched(server: Server) -> None:
    migrate(server, load()[:2])
    changed = [replace(load()[0], up="DROP TABLE results"), *load()[1:]]
    with pytest.raises(MigrationError, match=r"0001_messages\.sql has changed"):
        migrate(server, changed)
    assert tables(server) == {"schema_migrations", "messages", "results"}


def test_a_newer_database_is_refused(server: Server) -> None:
    migrate(server)
    with pytest.raises(MigrationError, match=r"migration 0004.*newer"):
        migrate(server, load()[:3])


def test_files_need_numbers_without_gaps_and_a_way_back(tmp_path) -> None:
    (tmp_path / "0001_a.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=r"no 0001_a\.down\.sql"):
        load(tmp_path)
    (tmp_path / "0001_a.down.sql").write_text("SELECT 1;")
    assert [one.name for one in load(tmp_path)] == ["a"]
    (tmp_path / "0003_b.sql").write_text("SELECT 1;")
    (tmp_path / "0003_b.down.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="without gaps"):
        load(tmp_path)
    (tmp_path / "3_b.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=r"NNNN_name\.sql"):
        load(tmp_path)
