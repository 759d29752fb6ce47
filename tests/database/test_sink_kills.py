"""`kill -9` of ClickHouse and of the sink, each in the middle of inserts, again and again."""

import asyncio
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streams import limits, topics
from streams.database.erasing import erased, unfinished
from streams.database.migrations import migrate
from streams.database.server import DatabaseError, Server
from streams.records import Erasure
from tests.database.logs import (
    erased_offsets,
    make_topics,
    new_dapp,
    produce,
    produce_in_transactions,
    read_log,
    stored_offsets,
)
from tests.database.roll_ups import check_roll_ups
from tests.database.running import running_sink
from tests.local_components import LocalComponents
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(300)]

ROUNDS = 3
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

    def __init__(
        self, kafka: str, url: str, topic: str, group: str, instance_id: str = "sink"
    ) -> None:
        self._argv = [
            sys.executable, "-m", "tests.database.running",
            kafka, url, group, instance_id, str(BLOCK_ROWS), topic,
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)


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


def rows(server: Server) -> int:
    return sum(len(found(server, "copies", partition)) for partition in range(PARTITIONS))


def check(kafka: str, topic: str, server: Server) -> None:
    """Wait for as many rows as there are messages; then they have to be those, each once."""
    expected = [
        stored_offsets(read_log(kafka, topic, partition), WINDOW) for partition in range(PARTITIONS)
    ]
    assert sum(map(len, expected)) > BLOCK_ROWS
    wait_until(lambda: rows(server) >= sum(map(len, expected)), "all rows")
    for table in ("messages", "copies"):
        for partition, offsets in enumerate(expected):
            stored, wanted = Counter(found(server, table, partition)), Counter(offsets)
            place = f"{table}, partition {partition}"
            assert not wanted - stored, f"missing in {place}: {_brief(wanted - stored)}"
            assert not stored - wanted, f"doubled in {place}: {_brief(stored - wanted)}"
    assert check_roll_ups(server) == sum(map(len, expected))


def _brief(offsets: Counter[int]) -> str:
    return f"{len(offsets)} between {min(offsets)} and {max(offsets)}"


@pytest.fixture
def topic(local_components: LocalComponents) -> str:
    name = topics.messages(new_dapp())
    make_topics(local_components.kafka, PARTITIONS, name)
    return name


@pytest.fixture
def tables(local_components: LocalComponents) -> Iterator[Server]:
    server = Server(local_components.clickhouse_url)
    migrate(server)
    server.command(COPY)
    yield server
    server.close()


def test_clickhouse_and_sink_killed(
    local_components: LocalComponents, topic: str, tables: Server
) -> None:
    kafka, url = local_components.kafka, local_components.clickhouse_url
    sink = Sink(kafka, url, topic, uuid.uuid4().hex)
    try:
        with producing(kafka, topic):
            for _ in range(ROUNDS):
                wait_until(lambda: an_insert_runs(tables), "an insert")
                local_components.kill("clickhouse")
                local_components.start("clickhouse")
                wait_until(lambda: an_insert_runs(tables), "an insert")
                sink.kill()
                sink.start()
        check(kafka, topic, tables)
    finally:
        sink.kill()


def test_parts_that_clickhouse_lost_but_remembers_are_put_back(
    local_components: LocalComponents, topic: str, tables: Server
) -> None:
    """What a kill between a part's token and the part itself leaves, made without luck."""
    kafka, url = local_components.kafka, local_components.clickhouse_url
    sink = Sink(kafka, url, topic, uuid.uuid4().hex)
    try:
        produce_in_transactions(kafka, topic, PARTITIONS, 1_500, 1, MONTHS)
        log = [read_log(kafka, topic, partition) for partition in range(PARTITIONS)]
        count = sum(len(stored_offsets(one, WINDOW)) for one in log)
        wait_until(lambda: rows(tables) == count, "all rows")
        sink.kill()  # its last blocks are recorded, not settled
        tables.command("SYSTEM STOP MERGES")
        parts = tables.rows(
            "SELECT path FROM system.parts WHERE database = currentDatabase()"
            " AND table = 'messages' AND active ORDER BY min_block_number DESC"
        )
        local_components.kill("clickhouse")
        for (path,) in parts[:3]:
            shutil.rmtree(path)
        local_components.start("clickhouse")
        assert len(found(tables, "messages", 0)) + len(found(tables, "messages", 1)) < count
        sink.start()
        wait_until(
            lambda: len(found(tables, "messages", 0)) + len(found(tables, "messages", 1)) >= count,
            "the lost rows",
        )
        check(kafka, topic, tables)
        assert not tables.rows("SHOW TABLES LIKE '%missing%'")
    finally:
        sink.kill()


def test_an_erasure_outlives_whoever_is_killed_amid_it(
    local_components: LocalComponents, topic: str, tables: Server
) -> None:
    kafka, url = local_components.kafka, local_components.clickhouse_url
    sink = Sink(kafka, url, topic, uuid.uuid4().hex)
    erasure = Erasure(bytes(16), 0, tuple(f"did:key:{number}" for number in range(5))).encode()
    try:
        produce_in_transactions(kafka, topic, PARTITIONS, 1_000, 1)
        tables.command("SYSTEM STOP MERGES messages")  # ClickHouse has begun, and does not end
        for partition in range(PARTITIONS):
            produce(kafka, topic, [(None, erasure)], partition=partition)
        wait_until(lambda: unfinished(tables, str(uuid.UUID(int=0))) != [], "a mutation")
        local_components.kill("clickhouse")
        sink.kill()
        produce_in_transactions(kafka, topic, PARTITIONS, 500, 2)
        local_components.start("clickhouse")
        sink.start()
        logs = [read_log(kafka, topic, partition) for partition in range(PARTITIONS)]
        left = [sorted({*stored_offsets(log, WINDOW)} - erased_offsets(log)) for log in logs]
        wait_until(lambda: [found(tables, "messages", at) for at in (0, 1)] == left, "what is left")
        assert check_roll_ups(tables) == sum(map(len, left))
        counted = [one.rows for one in erased(tables, str(uuid.UUID(int=0))) if one.table]
        gone = [{*stored_offsets(log, WINDOW)} & erased_offsets(log) for log in logs]
        assert sum(counted) == sum(map(len, gone))
    finally:
        sink.kill()


def test_kafka_killed(local_components: LocalComponents, topic: str, tables: Server) -> None:
    kafka, url = local_components.kafka, local_components.clickhouse_url
    produce_in_transactions(kafka, topic, PARTITIONS, 20_000, 1, MONTHS)
    sink = Sink(kafka, url, topic, uuid.uuid4().hex)
    try:
        for _ in range(2):
            wait_until(lambda: an_insert_runs(tables), "an insert")
            local_components.kill("kafka")
            local_components.start("kafka")
        check(kafka, topic, tables)
    finally:
        sink.kill()


def test_a_sink_that_froze_and_lost_its_partitions_changes_nothing_when_it_wakes(
    local_components: LocalComponents, topic: str, tables: Server
) -> None:
    kafka, url = local_components.kafka, local_components.clickhouse_url
    group = uuid.uuid4().hex
    produce_in_transactions(kafka, topic, PARTITIONS, 20_000, 1, MONTHS)
    frozen = Sink(kafka, url, topic, group, instance_id="")
    try:
        wait_until(lambda: an_insert_runs(tables), "an insert")
        frozen.pause()
        before = rows(tables)
        other = Sink(kafka, url, topic, group, instance_id="")
        try:
            wait_until(lambda: rows(tables) > before + BLOCK_ROWS, "the other sink's rows")
            frozen.resume()
            produce_in_transactions(kafka, topic, PARTITIONS, 10_000, 2, MONTHS)
            check(kafka, topic, tables)
        finally:
            other.kill()
    finally:
        frozen.kill()


async def test_clickhouse_away_stops_the_reading_and_nothing_grows(
    local_components: LocalComponents, topic: str, tables: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bytes_max = 300_000
    monkeypatch.setattr(limits, "STORE_BYTES_MAX", bytes_max)
    kafka, url = local_components.kafka, local_components.clickhouse_url
    async with running_sink(kafka, url, uuid.uuid4().hex, [topic]) as running:
        await asyncio.to_thread(produce_in_transactions, kafka, topic, PARTITIONS, 500, 0)
        await running.until(lambda: rows(tables) > 400, "the first rows")
        await asyncio.to_thread(local_components.kill, "clickhouse")
        # Several times what may wait: about 100 bytes a row.
        await asyncio.to_thread(
            produce_in_transactions, kafka, topic, PARTITIONS, 20_000, 1, MONTHS
        )
        await running.until(lambda: running.store.waiting_bytes >= bytes_max, "the sink to be full")
        held = running.store.waiting_bytes
        await asyncio.to_thread(local_components.start, "clickhouse")
        await asyncio.to_thread(check, kafka, topic, tables)
    one_batch_bytes = limits.BATCH_MESSAGES_MAX * 150
    assert held < bytes_max + one_batch_bytes
