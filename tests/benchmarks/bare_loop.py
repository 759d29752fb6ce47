"""What a transaction a batch costs with nothing in between: no program, no state.

Consume a batch, make a record of each message's value, produce them, commit them with the
offsets in one transaction. One thread, no look at what is in the messages, the values' own bytes.
"""

import time
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import Consumer, Producer, TopicPartition

from streams import limits

_LIMIT_S: Final = 60.0


def messages_per_s(servers: str, source: str, target: str, count: int) -> float:
    """Messages a second through ``source``, which holds ``count`` of them: from the first
    transaction that committed to the last.

    Raises:
        TimeoutError: they did not come through.
    """
    kafka: dict[str, Any] = {"bootstrap.servers": servers}
    group = f"bare-{uuid4().hex}"
    consumer = Consumer(
        {
            **kafka, "group.id": group, "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "isolation.level": "read_committed",
            "queued.max.messages.kbytes": limits.FETCH_QUEUE_KIB,
            "fetch.queue.backoff.ms": limits.FETCH_BACKOFF_MS,
        }
    )  # fmt: skip
    producer = Producer(
        {
            **kafka, "transactional.id": group, "linger.ms": 5, "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000, "batch.size": 1_000_000,
            "retry.backoff.ms": 10,
        }
    )  # fmt: skip
    producer.init_transactions(30)
    consumer.subscribe([source])
    seen, began, began_s, first_s = 0, 0, 0.0, time.perf_counter()
    while seen < count:
        if time.perf_counter() - first_s > _LIMIT_S:
            raise TimeoutError(f"{seen} of {count} messages in {_LIMIT_S} s")
        messages = consumer.consume(limits.EXECUTE_MESSAGES_MAX, 0.02)
        if not messages:
            continue
        producer.begin_transaction()
        producer.produce_batch(target, [{"key": m.key(), "value": m.value()} for m in messages])
        ends = {(m.topic(), m.partition()): m.offset() + 1 for m in messages}
        producer.send_offsets_to_transaction(
            [TopicPartition(topic, at, offset) for (topic, at), offset in ends.items()],
            consumer.consumer_group_metadata(),
        )
        producer.commit_transaction()
        seen += len(messages)
        if not began:
            began, began_s = seen, time.perf_counter()
    per_s = (seen - began) / (time.perf_counter() - began_s)
    consumer.close()
    return per_s
