"""Topics of a test's own, and what is in them."""

import uuid
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Producer

from streams.delivery.admin import ensure_topics
from streams.delivery.replay import replay
from streams.topics import TopicSpec


def config(kafka: str) -> dict[str, Any]:
    return {"bootstrap.servers": kafka}


def new_topic(kafka: str, partitions: int = 1, **settings: str) -> str:
    """A topic that no other test has; `_` in a setting's name stands for `.`."""
    name = f"t{uuid.uuid4().hex[:12]}"
    options = {key.replace("_", "."): value for key, value in settings.items()}
    ensure_topics(config(kafka), [TopicSpec(name, partitions, options)])
    return name


def fill(kafka: str, topic: str, values: Sequence[bytes], partition: int = 0) -> None:
    """Records, acknowledged, in one partition."""
    producer = Producer(config(kafka) | {"acks": "all"})
    records = [{"key": b"k", "value": value} for value in values]
    assert producer.produce_batch(topic, records, partition=partition) == len(records)
    assert producer.flush(30) == 0


def committed(kafka: str, topic: str, partition: int = 0) -> list[bytes | None]:
    """Values of the committed records of a partition."""
    return [one.value() for batch in replay(config(kafka), topic, partition) for one in batch]
