"""`w3b query` as it is typed."""

import pytest

from streams.database.migrations import migrate
from streams.database.server import Server
from tests.local_components import free_port
from topologies.__main__ import main

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _node(monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path) -> None:
    monkeypatch.setenv("W3B_CLICKHOUSE_URL", database_url)
    monkeypatch.setenv("W3B_DATA", str(tmp_path))


def test_an_answer_is_printed(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    migrate(server)
    server.command("INSERT INTO messages (dapp) VALUES ('a'), ('a')")
    sql = "SELECT dapp, count() AS n FROM messages GROUP BY dapp"
    assert main(["query", sql, "--format", "csv"]) == 0
    assert main(["query", sql, "--format", "json"]) == 0
    assert capfd.readouterr().out == '"dapp","n"\n"a",2\n{"dapp":"a","n":2}\n'


def test_a_refused_statement_is_one_line_and_status_1(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    migrate(server)
    assert main(["query", "DROP TABLE messages"]) == 1
    complaint = capfd.readouterr().err
    assert complaint.startswith("w3b: queries are read-only")
    assert complaint.count("\n") == 1


def test_a_clickhouse_that_is_away_is_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    monkeypatch.setenv("W3B_CLICKHOUSE_URL", f"http://127.0.0.1:{port}/w3b")
    assert main(["query", "SELECT 1"]) == 1
    complaint = capfd.readouterr().err
    assert f"127.0.0.1:{port} does not answer" in complaint
    assert "is the node up?" in complaint
