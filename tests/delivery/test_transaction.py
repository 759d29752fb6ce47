"""Transactions on a real Kafka: all or nothing, and never twice."""

import os
import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams.delivery import transaction
from streams.delivery.batch import Batch, Position
from streams.delivery.transaction import (
    ProducerLost,
    TransactionAborted,
    TransactionalWriter,
    Write,
)
from tests.delivery.kafka_topics import committed, config, fill, new_topic
from tests.delivery.members import Member
from tests.local_components import LocalComponents
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow]


def new_id() -> str:
    return f"x{uuid.uuid4().hex[:12]}"


def writer(kafka: str, id_: str) -> TransactionalWriter:
    made = TransactionalWriter(config(kafka), id_)
    made.start()
    return made


def records(*values: bytes) -> list[dict[str, bytes]]:
    return [{"key": b"k", "value": value} for value in values]


def group_offset(kafka: str, group: str, topic: str) -> int:
    consumer = Consumer(config(kafka) | {"group.id": group})
    (place,) = consumer.committed([TopicPartition(topic, 0)], timeout=30)
    consumer.close()
    return int(place.offset)


def write_batch(made: TransactionalWriter, target: str, batch: Batch) -> None:
    """A record for each message of a batch, and its offsets."""
    made.write(
        [Write(target, 0, records(*[b"x"] * piece.count)) for piece in batch.slices],
        [Position(piece.topic, piece.partition, piece.next_offset) for piece in batch.slices],
        batch.group_metadata,
    )


def test_several_topics_and_offsets_commit_together(kafka: str) -> None:
    source, one, two = new_topic(kafka), new_topic(kafka), new_topic(kafka, partitions=2)
    fill(kafka, source, [b"a", b"b"])
    group = new_id()
    member = Member(kafka, group, [source]).start()
    wait_until(lambda: member.messages == 2)
    batch = member.batches[-1]
    writer(kafka, new_id()).write(
        [Write(one, 0, records(b"1", b"2")), Write(two, 1, records(b"3"))],
        [Position(source, 0, 2)],
        batch.group_metadata,
    )
    member.reader.stop()
    assert committed(kafka, one) == [b"1", b"2"]
    assert committed(kafka, two, 0) == []
    assert committed(kafka, two, 1) == [b"3"]
    assert group_offset(kafka, group, source) == 2


def test_more_records_than_the_queue_takes_at_once(kafka: str) -> None:
    topic = new_topic(kafka)
    many = [b"%07d" % number for number in range(30_000)]
    writer(kafka, new_id()).write([Write(topic, 0, records(*many))], [], None)
    assert committed(kafka, topic) == many


def test_a_record_that_no_topic_takes_aborts_and_the_writer_goes_on(kafka: str) -> None:
    small, other = new_topic(kafka, max_message_bytes="2000"), new_topic(kafka)
    made = writer(kafka, new_id())
    with pytest.raises(TransactionAborted):
        made.write(
            [Write(other, 0, records(b"1")), Write(small, 0, records(os.urandom(16_000)))],
            [],
            None,
        )
    made.write([Write(other, 0, records(b"2"))], [], None)
    assert committed(kafka, other) == [b"2"]
    assert committed(kafka, small) == []


def test_a_batch_held_over_a_rebalance_is_not_counted_twice(kafka: str) -> None:
    """Both members have the batch; only the one whose partition it is can commit it."""
    source, target = new_topic(kafka), new_topic(kafka)
    fill(kafka, source, [b"m"] * 50)
    group = new_id()
    first = Member(kafka, group, [source]).start()
    wait_until(lambda: first.messages == 50)
    held = first.batches[0]
    first.reader.stop()
    second = Member(kafka, group, [source]).start()
    wait_until(lambda: second.messages == 50)
    slow, quick = writer(kafka, new_id()), writer(kafka, new_id())
    with pytest.raises(TransactionAborted):
        write_batch(slow, target, held)
    for batch in second.batches:
        write_batch(quick, target, batch)
    with pytest.raises(TransactionAborted):
        write_batch(slow, target, held)
    second.reader.stop()
    assert committed(kafka, target) == [b"x"] * 50
    assert group_offset(kafka, group, source) == 50


def test_a_successor_fences_and_aborts_what_was_open(kafka: str) -> None:
    topic, id_ = new_topic(kafka), new_id()
    first = writer(kafka, id_)
    first.write([Write(topic, 0, records(b"1"))], [], None)
    second = writer(kafka, id_)
    with pytest.raises((ProducerLost, TransactionAborted)):
        first.write([Write(topic, 0, records(b"not to be"))], [], None)
    with pytest.raises((ProducerLost, TransactionAborted)):
        first.write([Write(topic, 0, records(b"nor this"))], [], None)
    second.write([Write(topic, 0, records(b"2"))], [], None)
    assert committed(kafka, topic) == [b"1", b"2"]


def test_a_broker_that_stays_silent_costs_the_producer_and_no_more_time(
    local_components: LocalComponents, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = local_components.kafka
    topic = new_topic(kafka)
    made = writer(kafka, new_id())
    made.write([Write(topic, 0, records(b"1"))], [], None)
    monkeypatch.setattr(transaction, "_CALL_TIMEOUT_S", 0.3)
    local_components.pause("kafka")
    try:
        with pytest.raises(ProducerLost):
            made.write([Write(topic, 0, records(b"2"))], [], None)
    finally:
        local_components.resume("kafka")
