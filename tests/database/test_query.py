"""Analysts' questions."""

import json

import pytest

from streams import limits
from streams.database.migrations import migrate
from streams.database.query import Format, QueryError, ask
from streams.database.server import Server
from tests.local_components import free_port

pytestmark = pytest.mark.services


@pytest.fixture
def filled(server: Server) -> Server:
    migrate(server)
    server.command("INSERT INTO messages (dapp, device) VALUES ('a', 'x'), ('a', 'y')")
    return server


def test_an_answer_in_each_format(filled: Server) -> None:
    sql = "SELECT device, count() AS n FROM messages GROUP BY device ORDER BY device;"
    assert ask(filled, sql, Format.CSV) == b'"device","n"\n"x",1\n"y",1\n'
    lines = ask(filled, sql, Format.JSON).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"device": "x", "n": 1},
        {"device": "y", "n": 1},
    ]
    assert "│ x      │ 1 │" in ask(filled, sql, Format.TABLE).decode()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO messages (dapp) VALUES ('b')",
        "DROP TABLE messages",
        "ALTER TABLE messages DELETE WHERE 1",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
    ],
)
def test_nothing_but_reading_is_allowed(filled: Server, sql: str) -> None:
    with pytest.raises(QueryError):
        ask(filled, sql)
    assert filled.rows("SELECT count() FROM messages") == [(2,)]


@pytest.mark.parametrize(
    ("sql", "advice"),
    [
        (" ; ", "nothing to ask"),
        ("SELEC 1", "not SQL"),
        ("SELECT * FROM nothing", "SHOW TABLES"),
        ("SELECT nothing FROM messages", "DESCRIBE TABLE"),
        (f"SELECT * FROM numbers({limits.QUERY_ROWS_MAX + 1})", "add a LIMIT"),
    ],
)
def test_an_error_says_what_to_do(filled: Server, sql: str, advice: str) -> None:
    with pytest.raises(QueryError, match=advice):
        ask(filled, sql)


def test_a_clickhouse_that_is_away_is_named() -> None:
    port = free_port()
    server = Server(f"http://someone:secret@127.0.0.1:{port}/w3b")
    with pytest.raises(QueryError, match=f"127.0.0.1:{port} does not answer") as caught:
        ask(server, "SELECT 1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8123", "clickhouse://x/y", "http:///w3b"])
def test_a_url_of_another_shape_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="ClickHouse's URL"):
        Server(url)
