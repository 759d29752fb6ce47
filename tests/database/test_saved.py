"""Saved queries: a Dapp's rows and no others, whatever the SQL says."""

from collections.abc import Iterator

import pytest

from streams import limits
from streams.database.migrations import migrate
from streams.database.query import Format, QueryError
from streams.database.rights import READ_TABLES, rights_sql
from streams.database.saved import SavedQueries
from streams.database.server import DatabaseError, Server
from streams.database.tables import COLUMNS
from streams.database.views import ensure_views
from tests.database.logs import new_dapp
from tests.local_components import free_port

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def dapps(clickhouse_url: str) -> tuple[str, str]:
    """Two Dapps with a message, a result and a claim each, where readers may read."""
    server = Server(clickhouse_url)
    migrate(server)
    names = (new_dapp(), new_dapp())
    for name in names:
        ensure_views(server, name, {"kind": "LowCardinality(String)"})
        body = '{"kind":"k"}'
        server.command(
            f"INSERT INTO results (dapp, device, body) VALUES ('{name}', '{name}', '{body}')"
        )
        for table in ("messages", "claims"):
            server.command(f"INSERT INTO {table} (dapp, device) VALUES ('{name}', '{name}')")
    server.close()
    return names


@pytest.fixture(scope="module")
def saved(clickhouse_reader_url: str) -> Iterator[SavedQueries]:
    saved = SavedQueries(clickhouse_reader_url)
    yield saved
    saved.close()


def csv(saved: SavedQueries, dapp: str, sql: str, **parameters: str) -> list[str]:
    return saved.answer(dapp, sql, Format.CSV, parameters).decode().splitlines()[1:]


def test_a_dapp_sees_its_own_rows(saved: SavedQueries, dapps: tuple[str, str]) -> None:
    for dapp in dapps:
        for table in ("results", "claims", f"results_{dapp}"):
            assert csv(saved, dapp, f"SELECT device FROM {table};") == [f'"{dapp}"']
        sql = f"SELECT device, count() FROM results_{dapp} WHERE kind = {{kind:String}} GROUP BY 1"
        assert csv(saved, dapp, sql, kind="k") == [f'"{dapp}",1']
        assert csv(saved, dapp, sql, kind="' OR 1 --") == []
        hours = "SELECT results, devices FROM results_per_hour"
        assert csv(saved, dapp, hours) == ["1,1"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM messages",
        "SELECT * FROM dead_letters",
        "SELECT * FROM messages_per_hour",
        "SELECT query FROM system.query_log",
        "SELECT * FROM mergeTreeProjection('w3b', 'results', 'per_device')",
        "SELECT device FROM results SETTINGS log_comment = '{other}'",
        "SET log_comment = '{other}'",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "INSERT INTO results (dapp) VALUES ('{other}')",
        "DROP TABLE results",
        f"SELECT * FROM numbers({limits.SAVED_QUERY_ROWS_MAX + 1})",
        "SELECT {{missing:String}}",
        "SELECT {{kind:UInt8}}",
    ],
)
def test_and_nothing_else(saved: SavedQueries, dapps: tuple[str, str], sql: str) -> None:
    with pytest.raises(QueryError):
        saved.answer(dapps[0], sql.format(other=dapps[1]), Format.CSV, {"kind": "k"})


def test_another_dapps_view_is_empty(saved: SavedQueries, dapps: tuple[str, str]) -> None:
    assert csv(saved, dapps[0], f"SELECT device FROM results_{dapps[1]}") == []


def test_who_names_no_dapp_sees_nothing(clickhouse_reader_url: str, dapps: tuple[str, str]) -> None:
    server = Server(clickhouse_reader_url)
    assert server.rows("SELECT device FROM results") == []
    server.close()


def test_a_clickhouse_that_is_away_is_no_refusal() -> None:
    with pytest.raises(DatabaseError) as away:
        SavedQueries(f"http://x:y@127.0.0.1:{free_port()}/w3b").answer(
            "a", "SELECT 1", Format.CSV, {}
        )
    assert away.value.is_away


def test_rights_are_statements_that_clickhouse_knows(clickhouse_url: str) -> None:
    """The embedded server makes no roles; there the same is in its configuration, tested above."""
    server = Server(clickhouse_url)
    for sql in rights_sql(server.database):
        assert server.rows(f"EXPLAIN AST {sql}")
    server.close()
    assert all("dapp" in one.names for one in COLUMNS.values() if one.table in READ_TABLES)
