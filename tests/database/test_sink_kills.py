"""`kill -9` of ClickHouse and of the sink, each in the middle of inserts, again and again."""

import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streams import topics
from streams.database.migrations import migrate
from streams.database.server import DatabaseError, Server
from tests.database.logs import (
    make_topics,
    new_dapp,
    produce_in_transactions,
    read_log,
    stored_offsets,
)
from tests.local_components import LocalComponents
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(300)]

ROUNDS = 5
PARTITIONS = 2
MONTHS = 40  # a block spans as many table partitions, and is not atomic
BLOCK_ROWS = 1_000
WINDOW = 1_000

# What depends on the table has to be as exact as the table.
COPY = (
    "CREATE MATERIALIZED VIEW copies ENGINE = MergeTree ORDER BY (`partition`, `offset`)"
    " SETTINGS non_replicated_deduplication_window = 10000"
    " AS SELECT `partition`, `offset` FROM messages"
)


class Sink:
    """A sink as a process of its own."""

    def __init__(self, kafka: str, url: str, topic: str) -> None:
        self._argv = [
            sys.executable, "-m", "tests.database.running",
            kafka, url, uuid.uuid4().hex, str(BLOCK_ROWS), topic,
        ]  # fmt: skip
        self._process = subprocess.Popen(self._argv)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv)


@contextmanager
def producing(kafka: str, topic: str) -> Iterator[None]:
    """Messages keep coming until the block is left."""
    done = threading.Event()

    def produce() -> None:
        seed = 0
        while not done.is_set():
            produce_in_transactions(kafka, topic, PARTITIONS, 2_000, seed, MONTHS)
            seed += 1

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def an_insert_runs(server: Server) -> bool:
    try:
        rows = server.rows("SELECT count() FROM system.processes WHERE query_kind = 'Insert'")
    except DatabaseError:
        return False
    return bool(rows[0][0])


def found(server: Server, table: str, partition: int) -> list[int]:
    sql = f"SELECT `offset` FROM {table} WHERE `partition` = {partition} ORDER BY `offset`"
    try:
        return [offset for (offset,) in server.rows(sql)]
    except DatabaseError:
        return []


def await_copies(server: Server, partition: int, rows: int) -> None:
    wait_until(
        lambda: len(found(server, "copies", partition)) >= rows,
        f"{rows} rows of partition {partition}",
    )


def test_every_message_counts_once_whatever_is_killed_when(
    local_components: LocalComponents,
) -> None:
    kafka, url = local_components.kafka, local_components.clickhouse_url
    topic = topics.messages(new_dapp())
    make_topics(kafka, PARTITIONS, topic)
    server = Server(url)
    migrate(server)
    server.command(COPY)
    sink = Sink(kafka, url, topic)
    try:
        with producing(kafka, topic):
            for _ in range(ROUNDS):
                wait_until(lambda: an_insert_runs(server), "an insert")
                local_components.kill("clickhouse")
                local_components.start("clickhouse")
                wait_until(lambda: an_insert_runs(server), "an insert")
                sink.kill()
                sink.start()
        for partition in range(PARTITIONS):
            expected = stored_offsets(read_log(kafka, topic, partition), WINDOW)
            assert len(expected) > ROUNDS * BLOCK_ROWS / 2
            await_copies(server, partition, len(expected))
            assert found(server, "messages", partition) == expected
            assert found(server, "copies", partition) == expected
    finally:
        sink.kill()
        server.close()
