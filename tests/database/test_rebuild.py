"""Rows that are made anew from the log are those that were there."""

import asyncio
import uuid

import pytest

from streams import topics
from streams.database.rebuild import RebuildError, rebuild
from streams.database.server import Server
from streams.database.sources import dapp_sources
from tests.database.logs import (
    make_topics,
    new_dapp,
    produce,
    produce_in_transactions,
    read_log,
    stored_offsets,
)
from tests.database.roll_ups import check_roll_ups
from tests.database.running import running_sink

pytestmark = [pytest.mark.services, pytest.mark.slow]

WINDOW = 400
PARTITIONS = 2


def fingerprint(server: Server) -> list[tuple[str, int, int]]:
    """Rows and a checksum of all their columns, by table."""
    return [
        (table, *map(int, server.rows(f"SELECT count(), sum(cityHash64(*)) FROM {table}")[0]))
        for table in ("messages", "dead_letters")
    ]


def count(server: Server) -> int:
    return int(server.rows("SELECT count() FROM messages")[0][0])


async def test_the_same_rows_from_any_offset(kafka: str, server: Server, database_url: str) -> None:
    dapp, group = new_dapp(), uuid.uuid4().hex
    names = dapp_sources(dapp)
    make_topics(kafka, PARTITIONS, *names)
    produce_in_transactions(kafka, topics.messages(dapp), PARTITIONS, 1_500, seed=1)
    produce(kafka, topics.dead(dapp), [(b"who", b"\xb3what")])  # no dead letter: it is set aside
    logs = [read_log(kafka, topics.messages(dapp), part) for part in range(PARTITIONS)]
    rows = sum(len(stored_offsets(log, WINDOW)) for log in logs)
    config = {"bootstrap.servers": kafka}

    async with running_sink(
        kafka, database_url, group, names, repeat_window_messages=WINDOW
    ) as running:
        await running.until(lambda: count(server) == rows, "all rows")
        await running.store.flush()
        was = fingerprint(server)
        with pytest.raises(RebuildError, match="components-only"):
            await asyncio.to_thread(rebuild, server, config, group, names, patience_s=0)
    assert was[1][1] == 1

    for start in (0, logs[0][500].offset):
        # Of each partition something is lost and something is there twice, behind the start.
        server.command(
            f"ALTER TABLE messages DELETE WHERE `offset` >= {start} AND `offset` % 3 = 0"
            " SETTINGS mutations_sync = 1"
        )
        server.command(
            "INSERT INTO messages (dapp, device, time, payload, `partition`, `offset`) SELECT dapp,"
            f" device, time, payload, `partition`, `offset` FROM messages WHERE `offset` >= {start}"
            " AND `offset` % 7 = 1"
        )
        assert fingerprint(server) != was
        done = rebuild(server, config, group, names, start, repeat_window_messages=WINDOW)
        assert {one.start for one in done if one.topic == topics.messages(dapp)} == {start}
        async with running_sink(
            kafka, database_url, group, names, repeat_window_messages=WINDOW
        ) as running:
            await running.until(lambda: count(server) == rows, "all rows again")
            await running.store.flush()
        assert fingerprint(server) == was
        assert check_roll_ups(server) == rows
