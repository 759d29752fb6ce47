"""Rows go when their Dapp's term is over, and nobody else's; roll-ups with them."""

import pytest

from streams.database.migrations import migrate
from streams.database.retention import keep, leaving
from streams.database.server import Server
from tests.database.roll_ups import check_roll_ups

pytestmark = pytest.mark.services


@pytest.fixture
def aged(server: Server) -> Server:
    """Of two Dapps a message a day for a hundred days, the newest an hour old; so many results."""
    migrate(server)
    for table in ("messages", "results"):
        server.command(
            f"INSERT INTO {table} (dapp, device, time, received, `offset`) SELECT"
            " ['a', 'b'][number % 2 + 1], 'd', at, now() - 3600 - intDiv(number, 2) * 86400 AS at,"
            " number FROM numbers(200)"
        )
    return server


def counted(server: Server, table: str) -> list[tuple[str, int]]:
    server.command(f"OPTIMIZE TABLE {table} FINAL")  # what ClickHouse does by itself, in hours
    return list(server.rows(f"SELECT dapp, count() FROM {table} GROUP BY dapp ORDER BY dapp"))


def test_each_dapp_has_its_own_terms(aged: Server) -> None:
    terms = {"a": {"messages": 30, "results": None}, "b": {"messages": None, "results": 10}}
    assert keep(aged, terms) == ["messages", "results"]
    assert keep(aged, terms) == []
    assert counted(aged, "messages") == [("a", 30), ("b", 100)]
    assert counted(aged, "results") == [("a", 100), ("b", 10)]
    assert check_roll_ups(aged) == 130


def test_a_term_may_be_taken_back_in_time(aged: Server) -> None:
    aged.command("SYSTEM STOP MERGES messages")
    keep(aged, {"a": {"messages": 30}})
    assert keep(aged, {"a": {"messages": None}}) == ["messages"]
    aged.command("SYSTEM START MERGES messages")
    assert counted(aged, "messages") == [("a", 100), ("b", 100)]
    (sql,) = aged.rows("SHOW CREATE TABLE messages")[0]
    assert "RECOMPRESS" in sql  # what the table has had before is there again


def test_a_table_without_terms_has_no_ttl(server: Server) -> None:
    migrate(server)
    for terms in ({"a": {"dead_letters": 3}}, {}):
        assert keep(server, terms) == ["dead_letters"]
        (sql,) = server.rows("SHOW CREATE TABLE dead_letters")[0]
        assert ("TTL" in sql) is bool(terms)


def test_what_goes_soon_can_be_told(aged: Server) -> None:
    terms = {"messages": 50, "results": None}
    (soon,) = leaving(aged, "a", terms, within_days=7)
    assert (soon.table, soon.days, soon.rows) == ("messages", 50, 57)
    assert soon.oldest is not None
    assert soon.newest is not None
    assert (soon.newest - soon.oldest).days == 56
    assert [one.rows for one in leaving(aged, "a", {"messages": 200}, within_days=7)] == [0]


def test_a_size_is_a_term_of_as_many_days_as_have_it(aged: Server) -> None:
    """Of 100 days with 30 KiB each, 1 MiB is 34 days and a part of the next."""
    aged.command(
        "ALTER TABLE messages UPDATE payload = repeat('x', 30720) WHERE 1"
        " SETTINGS mutations_sync = 1"
    )
    for terms, days in (
        ({"messages_mib": 1}, 34),
        ({"messages_mib": 1, "messages": 20}, 20),
        ({"messages_mib": 1, "messages": 50}, 34),
    ):
        (soon,) = leaving(aged, "a", terms, within_days=0)
        assert (soon.days, soon.rows) == (days, 100 - days)
    assert keep(aged, {"a": {"messages_mib": 1}, "b": {"messages_mib": 100}}) == ["messages"]
    assert counted(aged, "messages") == [("a", 34), ("b", 100)]
    assert leaving(aged, "a", {"messages_mib": 100}, within_days=7) == []
