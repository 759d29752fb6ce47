"""SQL for a cluster: ClickHouse parses all of it, and nothing of the schema is left out."""

import pytest

from streams.database.cluster import cluster_sql
from streams.database.migrations import migrate
from streams.database.server import Server

pytestmark = pytest.mark.services


def test_clickhouse_parses_every_statement(server: Server) -> None:
    for sql in cluster_sql("w3b", "fleet"):
        if not sql.startswith(("USE", "INSERT")):
            assert server.raw(f"EXPLAIN AST {sql}", {}, "TSV"), sql
            assert "ON CLUSTER fleet" in sql


def test_it_has_all_tables_and_views_and_their_history(server: Server) -> None:
    migrate(server)
    there = {name for (name,) in server.rows("SHOW TABLES")}
    written = list(cluster_sql("w3b", "fleet"))
    made = {sql.split(" ON CLUSTER")[0].split()[-1] for sql in written if "CREATE" in sql}
    assert there <= made
    assert {f"all_{name}" for (name,) in server.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase()"
        " AND engine LIKE '%MergeTree'"
    )} <= made  # fmt: skip
    history = [sql for sql in written if "INSERT INTO schema_migrations" in sql]
    assert len(history) == len(server.rows("SELECT version FROM schema_migrations"))


def test_no_table_stays_on_one_server() -> None:
    assert not [sql for sql in cluster_sql("w3b", "fleet") if "ENGINE = MergeTree" in sql]


@pytest.mark.parametrize("names", [("w3b", "a b"), ("w3b; DROP", "fleet")])
def test_names_that_need_quoting_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        list(cluster_sql(*names))
