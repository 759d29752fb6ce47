"""Reading a stretch again: all that is committed, nothing else, and an end that comes."""

import threading
import uuid

import pytest
from confluent_kafka import KafkaException, Producer

from streams.delivery.replay import replay
from tests.delivery.kafka_topics import committed, config, fill, new_topic
from tests.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow]


def transactional(kafka: str) -> Producer:
    producer = Producer(config(kafka) | {"transactional.id": uuid.uuid4().hex})
    producer.init_transactions(30)
    return producer


def offsets(kafka: str, topic: str, start: int = 0, end: int | None = None) -> list[int]:
    return [one.offset() for batch in replay(config(kafka), topic, 0, start, end) for one in batch]


def test_nothing_there(kafka: str) -> None:
    topic = new_topic(kafka)
    assert committed(kafka, topic) == []
    assert offsets(kafka, topic, start=7) == []


def test_a_stretch(kafka: str) -> None:
    topic = new_topic(kafka)
    fill(kafka, topic, [b"%d" % n for n in range(12_000)])
    assert offsets(kafka, topic) == list(range(12_000))
    assert offsets(kafka, topic, 100, 105) == [100, 101, 102, 103, 104]
    assert offsets(kafka, topic, 11_998) == [11_998, 11_999]
    assert offsets(kafka, topic, 5, 5) == []


def test_aborted_transactions_at_the_end_are_passed_over(kafka: str) -> None:
    topic = new_topic(kafka)
    fill(kafka, topic, [b"1"])
    producer = transactional(kafka)
    producer.begin_transaction()
    producer.produce(topic, b"never", partition=0)
    producer.flush(30)
    producer.abort_transaction(30)
    assert committed(kafka, topic) == [b"1"]


def test_an_open_transaction_is_waited_for(kafka: str) -> None:
    topic = new_topic(kafka)
    fill(kafka, topic, [b"1"])
    producer = transactional(kafka)
    producer.begin_transaction()
    producer.produce(topic, b"2", partition=0)
    producer.flush(30)
    found: list[bytes | None] = []
    reading = threading.Thread(target=lambda: found.extend(committed(kafka, topic)))
    reading.start()
    reading.join(1.0)
    assert reading.is_alive()
    producer.commit_transaction(30)
    reading.join(30)
    assert found == [b"1", b"2"]


def test_a_compacted_topic_whose_last_records_are_gone_still_ends(kafka: str) -> None:
    """After compaction, offsets are missing; the newest record of each key stays."""
    topic = new_topic(
        kafka, cleanup_policy="compact", segment_ms="100", min_cleanable_dirty_ratio="0.01"
    )
    fill(kafka, topic, [b"%d" % n for n in range(100)])

    def is_compacted() -> bool:
        fill(kafka, topic, [b"last"])  # a record rolls the segment that is old enough
        return len(committed(kafka, topic)) < 50

    wait_until(is_compacted, "Kafka's cleaner", 60)
    assert committed(kafka, topic)[-1] == b"last"


def test_a_partition_that_is_not_there(kafka: str) -> None:
    topic = new_topic(kafka)
    with pytest.raises(KafkaException):
        list(replay(config(kafka), topic, 9))
