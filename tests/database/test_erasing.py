"""Erasures in real tables: what came before goes, what comes after stays, however often the log
is read."""

import asyncio
import uuid

import pytest

from streams import records, topics
from streams.database.erasing import erased, unfinished
from streams.database.rebuild import rebuild
from streams.database.server import Server
from streams.database.sources import dapp_sources
from tests.database.logs import make_topics, new_dapp, produce
from tests.database.roll_ups import check_roll_ups
from tests.database.running import RunningSink, running_sink

pytestmark = [pytest.mark.services, pytest.mark.slow]

ANN, BOB = "did:key:zAnn", "did:key:zBob"
ERASURE = uuid.uuid4()
ERASED = records.Erasure(ERASURE.bytes, 1_700_000_000_000, (ANN, "did:key:zNobody"))
TABLES = ("messages", "results", "customized_metrics", "dead_letters")
Values = list[tuple[bytes | None, bytes | None]]


def sent(device: str, *numbers: int) -> Values:
    return [
        (device.encode(), records.Message(device, b"%d" % n, n.to_bytes(16, "big"), n).encode())
        for n in numbers
    ]


def made(kind: records.Kind, label: str, device: str, *numbers: int) -> Values:
    name = device.encode()
    return [
        (name, records.Output(kind, label, name, n, n.to_bytes(16, "big"), 7, b"\xabprogram", 0,
                              b"", b"%d" % n).encode())
        for n in numbers
    ]  # fmt: skip


def fill(kafka: str, dapp: str) -> None:
    """Two devices' records in every topic; an erasure of one of them in the middle."""
    of = {
        topics.messages: sent,
        topics.results: lambda *a: made(records.Kind.RESULT, "T", *a),
        topics.effects: lambda *a: made(records.Kind.EFFECT, "metrics", *a),
        topics.dead: lambda *a: made(records.Kind.DEAD_LETTER, "trap", *a),
    }
    for topic, records_of in of.items():
        relayed = records.Erasure(*_fields(ERASED), keys=0 if topic is topics.messages else 3)
        produce(
            kafka,
            topic(dapp),
            [
                *records_of(ANN, 1, 2), *records_of(BOB, 3), (None, relayed.encode()),
                *records_of(ANN, 4), *records_of(BOB, 5),
            ],
        )  # fmt: skip
    produce(kafka, topics.claims(dapp), [(None, ERASED.encode())])


def _fields(erasure: records.Erasure) -> tuple[bytes, int, tuple[str, ...]]:
    return erasure.erasure_id, erasure.time_ms, erasure.devices


def devices(server: Server, table: str) -> list[str]:
    column = "key" if table == "dead_letters" else "device"
    rows = server.rows(f"SELECT {column} FROM {table} ORDER BY `offset`")
    return [str(device) for (device,) in rows]


LEFT = [BOB, ANN, BOB]


def is_done(server: Server) -> bool:
    done = {row.topic for row in erased(server, str(ERASURE)) if not row.table}
    return len(done) == 5 and not unfinished(server, str(ERASURE))


async def until_done(running: RunningSink, server: Server) -> None:
    await running.until(lambda: is_done(server), "the erasure")
    await running.until(
        lambda: all(len(devices(server, table)) == 3 for table in TABLES), "the rows after it"
    )


async def test_rows_from_before_go_and_a_rebuild_brings_none_back(
    kafka: str, server: Server, database_url: str
) -> None:
    dapp, group = new_dapp(), uuid.uuid4().hex
    names = dapp_sources(dapp)
    make_topics(kafka, 1, *names)
    fill(kafka, dapp)
    async with running_sink(kafka, database_url, group, names) as running:
        await until_done(running, server)
        await running.store.flush()
    assert [devices(server, table) for table in TABLES] == [LEFT] * len(TABLES)
    assert check_roll_ups(server) == 3
    found = erased(server, str(ERASURE))
    assert {(row.table, row.rows) for row in found if row.table} == {(name, 2) for name in TABLES}
    assert [row.rows for row in found if row.topic == topics.results(dapp) and not row.table] == [3]
    assert {row.dapp for row in found} == {dapp}

    # Nothing of it may be seen while a rebuild is on its way either.
    config = {"bootstrap.servers": kafka}
    await asyncio.to_thread(rebuild, server, config, group, names)
    for table in TABLES:  # and with them what an erasure removes
        server.command(f"SYSTEM STOP MERGES {server.database}.{table}")
    async with running_sink(kafka, database_url, group, names) as running:
        await until_done(running, server)
        await running.store.flush()
    assert [devices(server, table) for table in TABLES] == [LEFT] * len(TABLES)
    assert erased(server, str(ERASURE)) == found
