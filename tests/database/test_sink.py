"""The sink on a real Kafka and a real ClickHouse."""

import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams import records, topics
from streams.commitments import Checkpoint, Commitment, Domain, Signature
from streams.database.lane import Lane
from streams.database.resume import StoreError
from streams.database.server import DatabaseError, Server
from streams.database.sources import dapp_sources
from tests.database.logs import (
    make_topics,
    new_dapp,
    produce,
    produce_in_transactions,
    read_log,
    stored_offsets,
)
from tests.database.running import RunningSink, running_sink

pytestmark = [pytest.mark.services, pytest.mark.slow]

WINDOW = 1_000


def message(n: int, payload: bytes = b"{}") -> tuple[bytes, bytes]:
    return b"did:x", records.Message("did:x", payload, n.to_bytes(16, "big"), n).encode()


def output(kind: records.Kind, label: str, a: bytes, b: bytes) -> tuple[bytes, bytes]:
    return b"did:x", records.Output(
        kind, label, b"did:x", 5, bytes(15) + b"\1", 7, b"\xabprogram", 3, a, b
    ).encode()


def counted(server: Server, sql: str) -> int:
    try:
        return int(server.rows(sql)[0][0])
    except DatabaseError:
        return -1  # not made yet, or away


async def until_rows(running: RunningSink, server: Server, count: int) -> None:
    sql = "SELECT count() FROM messages"
    await running.until(lambda: counted(server, sql) >= count, f"{count} messages")


def offsets(server: Server, table: str, partition: int = 0) -> list[int]:
    sql = f"SELECT offset FROM {table} WHERE partition = {partition} ORDER BY offset"
    return [offset for (offset,) in server.rows(sql)]


def committed(kafka: str, group: str, topic: str, partition: int = 0) -> TopicPartition:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    (place,) = consumer.committed([TopicPartition(topic, partition)], timeout=30)
    consumer.close()
    return place


EFFECTS = [
    output(records.Kind.EFFECT, "mqtt", b"a topic", b"left elsewhere"),
    output(records.Kind.EFFECT, "metrics", b"", b'{"speed": 3}'),
    (b"who", b"no effect"),
]


async def test_every_table_gets_its_rows(kafka: str, server: Server, database_url: str) -> None:
    dapp, group = new_dapp(), uuid.uuid4().hex
    proofs = topics.PROOFS
    make_topics(kafka, 1, *dapp_sources(dapp), proofs)
    produce(kafka, topics.messages(dapp), [message(1, b"first"), (b"did:raw", b"raw"), message(1)])
    produce(kafka, topics.messages(dapp), [(b"", records.barrier(1, 5)), (None, b"no device")])
    produce(kafka, topics.results(dapp), [output(records.Kind.RESULT, "TRIP", b"", b'{"k": 1}')])
    roots = b"i" * 32, b"c" * 32, b"s" * 32
    summary = records.SUMMARY_BODY.pack(0, *roots, 4, 1, 0, 1, 1, b"p" * 32)
    produce(
        kafka,
        topics.claims(dapp),
        [
            output(records.Kind.CLAIM, "TRIP", b"subject", b"0123456789abcdef" + b"statement"),
            output(records.Kind.SUMMARY, "", b"", summary),
            (b"who", b"\xb3what"),
        ],
    )
    produce(
        kafka, topics.dead(dapp), [output(records.Kind.DEAD_LETTER, "trap", b"detail", b"bytes")]
    )
    produce(kafka, topics.effects(dapp), EFFECTS)
    digest = b"d" * 32
    checkpoint = Checkpoint(dapp, 7, 1, digest, digest, digest, digest, 4, 1, 0, 1, 1)
    signature = Signature(b"s" * 20, b"g" * 65)
    commitment = Commitment(checkpoint, Domain(1, b"c" * 20), (signature,))
    produce(kafka, proofs, [(commitment.key(), commitment.encode()), (b"who", b"[]")])
    sources = [*dapp_sources(dapp), proofs]
    async with running_sink(kafka, database_url, group, sources) as running:
        await running.store.ensure_views(dapp, {"k": "UInt8"})
        tables = (
            "messages", "results", "claims", "summaries", "dead_letters", "customized_metrics",
        )  # fmt: skip
        total = " + ".join(
            [f"(SELECT count() FROM {table} WHERE dapp = '{dapp}')" for table in tables]
        )
        sql = f"SELECT {total} + (SELECT count() FROM commitments WHERE dapp = '{dapp}')"
        await running.until(lambda: counted(server, sql) == 10, "ten rows")
    assert server.rows("SELECT device, payload, event_type FROM messages ORDER BY offset") == [
        ("did:x", "first", "DEFAULT"),
        ("did:raw", "raw", "DEFAULT"),
    ]
    assert server.rows("SELECT project, account, json, offset FROM customized_metrics") == [
        (dapp, "", '{"speed": 3}', 1)
    ]
    assert server.rows(f"SELECT k, program, epoch FROM results_{dapp}") == [
        (1, b"ab70726f6772616d", 7)
    ]
    assert server.rows("SELECT subject, statement, salt, `index` FROM claims") == [
        ("subject", "statement", b"0123456789abcdef", 3)
    ]
    assert server.rows("SELECT toString(state_root), messages, claims FROM summaries") == [
        ("73" * 32, 4, 1)
    ]
    assert server.rows(
        "SELECT epoch, messages, claims, state_root, signers FROM commitments"
        f" WHERE dapp = '{dapp}'"
    ) == [(7, 4, 1, "0x" + digest.hex(), ["0x" + signature.signer.hex()])]
    assert server.rows(
        "SELECT topic, reason, key, hex(value) FROM dead_letters"
        f" WHERE dapp = '{dapp}' ORDER BY topic"
    ) == [
        (f"claims.{dapp}", "malformed_record", "who", b"\xb3what".hex().upper()),
        (f"dead.{dapp}", "trap", "did:x", b"bytes".hex().upper()),
        (f"effects.{dapp}", "malformed_record", "who", b"no effect".hex().upper()),
    ]
    assert server.rows("SELECT reason, value FROM dead_letters WHERE topic = 'proofs'")[-1:] == [
        ("malformed_record", "[]")
    ]


async def test_repeats_aborted_transactions_and_markers_make_no_rows(
    kafka: str, server: Server, database_url: str
) -> None:
    topic = topics.messages(new_dapp())
    make_topics(kafka, 2, topic)
    produce_in_transactions(kafka, topic, 2, 6_000, seed=1)
    expected = [stored_offsets(read_log(kafka, topic, part), WINDOW) for part in range(2)]
    rows = sum(map(len, expected))
    async with running_sink(kafka, database_url, uuid.uuid4().hex, [topic]) as running:
        await until_rows(running, server, rows)
    assert [offsets(server, "messages", part) for part in range(2)] == expected


async def test_a_sink_goes_on_where_the_last_one_stopped(
    kafka: str, server: Server, database_url: str
) -> None:
    """Also with its repeats: the window is refilled from what lies before."""
    topic, group = topics.messages(new_dapp()), uuid.uuid4().hex
    make_topics(kafka, 1, topic)
    for turn in range(3):
        produce_in_transactions(kafka, topic, 1, 2_000, seed=turn)
        produce(kafka, topic, [message(5), message(6)])  # the same ones each time
        log = read_log(kafka, topic, 0)
        async with running_sink(kafka, database_url, group, [topic]) as running:
            last = stored_offsets(log, WINDOW)
            await until_rows(running, server, len(last))
        place = committed(kafka, group, topic)
        assert (place.offset, place.metadata or "") == (log[-1].offset + 1, "")
        assert offsets(server, "messages") == last


async def test_a_recorded_block_is_completed(
    kafka: str, server: Server, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not its insert had got through when the sink stopped."""
    topic, group = topics.messages(new_dapp()), uuid.uuid4().hex
    make_topics(kafka, 1, topic)
    produce(kafka, topic, [message(n) for n in range(100)])

    async def never(lane: Lane) -> None:
        """A sink that is killed does not settle."""

    with monkeypatch.context() as patch:
        patch.setattr(Lane, "_settle", never)
        async with running_sink(kafka, database_url, group, [topic]) as running:
            await until_rows(running, server, 100)
    entry = committed(kafka, group, topic)
    assert entry.offset < 100
    assert '"to": 100' in entry.metadata
    produce(kafka, topic, [message(n) for n in range(100, 150)])
    async with running_sink(kafka, database_url, group, [topic]) as running:
        await until_rows(running, server, 150)
    assert offsets(server, "messages") == list(range(150))


async def test_poisoned_rows_are_set_aside_and_the_rest_goes_on(
    kafka: str, server: Server, database_url: str
) -> None:
    topic, group = topics.messages(new_dapp()), uuid.uuid4().hex
    make_topics(kafka, 1, topic)
    poisoned = {0, 333, 334, 999}
    produce(
        kafka, topic,
        [message(n, b"poison" if n in poisoned else b"{}") for n in range(1_000)],
    )  # fmt: skip
    async with running_sink(kafka, database_url, group, []):
        pass  # makes the tables
    server.command("ALTER TABLE messages ADD CONSTRAINT pure CHECK payload != 'poison'")
    async with running_sink(kafka, database_url, group, [topic]) as running:
        await running.until(
            lambda: counted(
                server, "SELECT (SELECT count() FROM messages) + count() FROM dead_letters"
            ) >= 1_000,
            "all rows in one of two tables",
        )  # fmt: skip
    assert offsets(server, "messages") == [n for n in range(1_000) if n not in poisoned]
    assert offsets(server, "dead_letters") == sorted(poisoned)
    found = server.rows(
        "SELECT DISTINCT topic, reason, key, detail LIKE '%pure%', hex(substring(value, 1, 3))"
        " FROM dead_letters"
    )
    assert found == [(topic, "refused_row", "did:x", 1, "B30101")]


async def test_rows_that_only_a_dependent_view_refuses_are_kept_waiting_not_doubled(
    kafka: str, server: Server, database_url: str
) -> None:
    topic, group = topics.messages(new_dapp()), uuid.uuid4().hex
    make_topics(kafka, 1, topic)
    async with running_sink(kafka, database_url, group, []):
        pass
    server.command(
        "CREATE MATERIALIZED VIEW numbers ENGINE = MergeTree ORDER BY n AS"
        " SELECT toUInt32(payload) AS n FROM messages"
    )
    produce(kafka, topic, [message(n, b"1" if n else b"no number") for n in range(10)])
    async with running_sink(kafka, database_url, group, [topic]) as running:
        await until_rows(running, server, 10)  # stored, and refused by the view
        server.command("DROP VIEW numbers")
        await running.until(
            lambda: committed(kafka, group, topic).metadata in (None, ""), "the block to settle"
        )
    assert offsets(server, "messages") == list(range(10))
    assert offsets(server, "dead_letters") == []


async def test_rows_without_an_offset_that_speaks_of_them_are_not_guessed_at(
    kafka: str, server: Server, database_url: str
) -> None:
    topic = topics.messages(new_dapp())
    make_topics(kafka, 1, topic)
    produce(kafka, topic, [message(1)])
    async with running_sink(kafka, database_url, uuid.uuid4().hex, [topic]) as running:
        await until_rows(running, server, 1)
    async with running_sink(kafka, database_url, uuid.uuid4().hex, [topic]) as running:
        with pytest.raises(StoreError, match="no offset that says which"):
            await running.until(lambda: False, "refusal")
    assert counted(server, "SELECT count() FROM messages") == 1


async def test_what_kafka_deleted_before_it_was_stored_is_said(
    kafka: str, server: Server, database_url: str
) -> None:
    topic, group = topics.messages(new_dapp()), uuid.uuid4().hex
    make_topics(kafka, 1, topic)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 50)], asynchronous=False)
    consumer.close()
    async with running_sink(kafka, database_url, group, [topic]) as running:
        with pytest.raises(StoreError, match="made anew"):
            await running.until(lambda: False, "refusal")


async def test_a_topic_added_later_is_stored_too(
    kafka: str, server: Server, database_url: str
) -> None:
    first, second = topics.messages(new_dapp()), topics.messages(new_dapp())
    make_topics(kafka, 1, first, second)
    produce(kafka, first, [message(1)])
    produce(kafka, second, [message(1)])
    group = uuid.uuid4().hex
    async with running_sink(kafka, database_url, group, [first]) as running:
        await until_rows(running, server, 1)
        running.reader.subscribe([first, second])
        await until_rows(running, server, 2)
