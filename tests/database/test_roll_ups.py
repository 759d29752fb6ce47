"""Roll-ups say what the rows say, are answered without reading these, and outlast bad clocks."""

import uuid
from collections.abc import Iterator
from datetime import datetime

import pytest

from streams.database.encoder.host import Encoder, Family
from streams.database.migrations import load, migrate
from streams.database.server import Server
from streams.database.stored import Place, complete
from streams.database.views import ensure_views
from streams.records import Message
from tests.database.blocks import block_of
from tests.database.roll_ups import check_roll_ups

pytestmark = pytest.mark.services

FIRST_MS = 1_700_000_000_000
PLACE = Place("messages.fleet", 0, "fleet")


def messages(count: int) -> list[Message]:
    """A message each 7 s, of 20 devices and two event types."""
    return [
        Message(
            f"did:key:{n % 20}",
            b"{" + b" " * (n % 30) + b"}",
            n.to_bytes(16, "big"),
            FIRST_MS + n * 7_000,
            ("DEFAULT", "TRIP")[n % 5 == 0],
        )
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def filled(clickhouse_url: str) -> Iterator[Server]:
    """A day of ten devices, of messages and of results."""
    server = Server(f"{clickhouse_url.rsplit('/', 1)[0]}/t_{uuid.uuid4().hex[:12]}")
    migrate(server)
    ensure_views(server, "fleet", {"kind": "LowCardinality(String)"})
    for table, text in (("messages", "payload"), ("results", "body")):
        server.command(
            f"INSERT INTO {table} (dapp, device, time, {text}, `offset`)"
            " SELECT 'fleet', toString(number % 10), toDateTime64('2026-01-01', 3, 'UTC') + number,"
            " if(number % 3 = 0, '{\"kind\":\"brake\"}', '{}'), number FROM numbers(86400)"
        )
    yield server
    server.command(f"DROP DATABASE {server.database}")
    server.close()


def test_a_block_that_comes_again_or_is_put_back_counts_once(
    server: Server, encoder: Encoder
) -> None:
    migrate(server)
    block = block_of(encoder, Family.MESSAGES, "fleet", messages(600))
    assert block.table is not None
    for _ in range(2):
        server.insert(block.table, block.data(), block.token)
    assert check_roll_ups(server) == 600
    server.command("ALTER TABLE messages DELETE WHERE `offset` % 3 = 0 SETTINGS mutations_sync = 1")
    assert check_roll_ups(server) == 400
    assert complete(server, PLACE, block) == 200
    assert check_roll_ups(server) == 600


@pytest.mark.parametrize(
    ("sql", "projection"),
    [
        ("SELECT * FROM messages_per_minute WHERE minute >= '2026-01-01 05:00:00'", "per_minute"),
        ("SELECT * FROM messages_per_hour WHERE dapp = 'fleet'", "per_minute"),
        ("SELECT * FROM results_per_hour WHERE dapp = 'fleet'", "per_minute"),
        ("SELECT * FROM devices WHERE dapp = 'fleet' ORDER BY last_time LIMIT 3", "per_device"),
        (
            "SELECT device, count() AS brakes FROM results WHERE dapp = 'fleet' AND kind = 'brake'"
            " GROUP BY device ORDER BY brakes DESC, device LIMIT 100",
            "per_device",
        ),
        (
            "SELECT device, count() AS brakes FROM results_fleet WHERE kind = 'brake'"
            " GROUP BY device ORDER BY brakes DESC, device LIMIT 100",
            "per_device",
        ),
    ],
)
def test_they_are_answered_without_reading_the_rows(
    filled: Server, sql: str, projection: str
) -> None:
    plan = "\n".join(line for (line,) in filled.rows(f"EXPLAIN {sql}"))
    assert f"({projection})" in plan, plan
    by_rows = f"{sql} SETTINGS optimize_use_projections = 0"
    assert sorted(filled.rows(sql)) == sorted(filled.rows(by_rows))


def test_rows_from_before_the_migration_are_in_them(server: Server) -> None:
    migrate(server, load()[:7])
    server.command(
        "INSERT INTO messages (dapp, device, time, payload)"
        " SELECT 'fleet', 'd', toDateTime64('2026-01-01', 3, 'UTC') + number, '{}'"
        " FROM numbers(7200)"
    )
    migrate(server)
    assert server.rows("SELECT hour, messages, payload_bytes FROM messages_per_hour") == [
        (datetime(2026, 1, 1, hour), 3_600, 7_200) for hour in range(2)
    ]


def test_a_device_with_a_bad_clock_stays_in_its_own_minute(server: Server) -> None:
    migrate(server)
    server.command(
        "INSERT INTO messages (dapp, device, time) VALUES"
        " ('fleet', 'd', '2250-06-01 12:30:30'), ('fleet', 'd', '1970-01-01 00:00:00')"
    )
    assert server.rows("SELECT minute FROM messages_per_minute ORDER BY minute") == [
        (datetime(1970, 1, 1),),
        (datetime(2250, 6, 1, 12, 30),),
    ]


def test_the_latest_message_of_each_device(server: Server) -> None:
    """By the device's clock; among equal times by the place in the log."""
    migrate(server)
    server.command(
        "INSERT INTO messages (dapp, device, time, payload, `partition`, `offset`) VALUES"
        " ('fleet', 'a', 5, 'late', 0, 1), ('fleet', 'a', 4, 'early', 0, 9),"
        " ('fleet', 'b', 7, 'first', 0, 3), ('fleet', 'b', 7, 'second', 0, 4),"
        " ('other', 'a', 9, 'elsewhere', 0, 5)"
    )
    assert server.rows(
        "SELECT device, payload FROM latest_messages WHERE dapp = 'fleet' ORDER BY device"
    ) == [("a", "late"), ("b", "second")]
