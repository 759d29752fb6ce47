"""Filling Kafka, and what a table has to hold then."""

import random
import uuid
from collections.abc import Sequence

from confluent_kafka import Consumer, Producer, TopicPartition

from streams import records
from streams.database.tables import Table
from streams.delivery.admin import ensure_topics
from streams.topics import TopicSpec
from tests.database.plain_rows import LogRecord, message_rows

_FOREVER = {"retention.ms": "-1"}  # records of tests are of any age


def new_dapp() -> str:
    return f"d{uuid.uuid4().hex[:10]}"


def make_topics(kafka: str, partitions: int, *topics: str) -> None:
    ensure_topics(
        {"bootstrap.servers": kafka}, [TopicSpec(name, partitions, _FOREVER) for name in topics]
    )


def produce(
    kafka: str,
    topic: str,
    values: Sequence[tuple[bytes | None, bytes | None]],
    partition: int = 0,
) -> None:
    """Records (key, value) into one partition, acknowledged."""
    producer = Producer({"bootstrap.servers": kafka, "acks": "all", "linger.ms": 5})
    rows = [{"key": key, "value": value} for key, value in values]
    for start in range(0, len(rows), 10_000):
        part = rows[start : start + 10_000]
        # Named for all: in the records themselves the client does not look for a partition.
        assert producer.produce_batch(topic, part, partition=partition) == len(part)
        assert producer.flush(30) == 0


def produce_in_transactions(
    kafka: str, topic: str, partitions: int, messages: int, seed: int, months: int = 1
) -> None:
    """Messages in transactions of which every fourth is aborted; one in ten is a repeat.

    Their times in the log lie in ``months`` different months, so that a block spans as many
    table partitions.
    """
    chance = random.Random(seed)
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "acks": "all",
            "transactional.id": f"{topic}-{seed}",
            "linger.ms": 5,
        }
    )
    producer.init_transactions(30)
    sent: list[bytes] = []
    written = 0
    turn = 0
    while written < messages:
        producer.begin_transaction()
        batch = []
        for _ in range(min(500, messages - written)):
            if sent and chance.random() < 0.1:
                value = chance.choice(sent[-200:])
            else:
                value = records.Message(
                    f"did:key:{chance.randrange(50)}",
                    b'{"n": %d}' % chance.randrange(10**9),
                    chance.randbytes(16),
                    1_700_000_000_000 + chance.randrange(10**9),
                ).encode()
            month_ms = chance.randrange(months) * 31 * 24 * 3600 * 1000
            batch.append(
                {
                    "value": value,
                    "key": b"device",
                    "partition": chance.randrange(partitions),
                    "timestamp": 1_600_000_000_000 + month_ms,
                }
            )
        for one in batch:  # `produce_batch` takes no timestamps
            producer.produce(topic, **one)
        turn += 1
        if turn % 4 == 0:
            producer.flush(30)
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            sent += [one["value"] for one in batch]
            written += len(batch)


def read_log(kafka: str, topic: str, partition: int) -> list[LogRecord]:
    """A partition's committed records."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": uuid.uuid4().hex,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0)])
    log: list[LogRecord] = []
    while True:
        for message in consumer.consume(10_000, 0.2):
            if message.error() is not None:
                consumer.close()
                return log
            log.append(
                LogRecord(message.offset(), message.timestamp()[1], message.key(), message.value())
            )


def stored_offsets(log: list[LogRecord], window_max: int) -> list[int]:
    """The offsets of the messages that have a row."""
    rows = message_rows("d", 0, log, [], window_max)
    return [row.offset for row in rows if row.table is Table.MESSAGES]


def erased_offsets(log: list[LogRecord]) -> set[int]:
    """The offsets of the messages that a later erasure in the log is about."""
    by_device: dict[str, list[int]] = {}
    erased: set[int] = set()
    for at in log:
        value = at.value or b""
        kind = records.kind_of(value)
        if kind is records.Kind.MESSAGE:
            by_device.setdefault(records.decode_message(value).device, []).append(at.offset)
        elif kind is records.Kind.ERASURE:
            for device in records.decode_erasure(records.decode_output(value)).devices:
                erased.update(by_device.pop(device, ()))
    return erased
