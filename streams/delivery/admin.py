"""Topics are made by those who need them, before anything is written to them."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from streams.clock import SystemClock
from streams.topics import TopicSpec

_CLOCK = SystemClock()


class TopicError(RuntimeError):
    """A topic that cannot be made, or is there in another shape; says which and why."""


def ensure_topics(
    kafka: Mapping[str, Any], specs: Sequence[TopicSpec], timeout_s: float = 30
) -> None:
    """Create what is missing and wait until every partition has a leader.

    Replication factors are the broker's default (``default.replication.factor``).

    Raises:
        TopicError: Kafka cannot be reached or refuses, or a topic exists with another number
            of partitions (which would tear keyed state from its messages).
    """
    deadline_s = _CLOCK.monotonic_s() + timeout_s
    admin = AdminClient(dict(kafka))
    missing = _missing(admin, specs, timeout_s)
    if missing:
        new = [
            NewTopic(spec.name, num_partitions=spec.partitions, config=dict(spec.config))
            for spec in missing
        ]
        for name, future in admin.create_topics(new, operation_timeout=timeout_s).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise TopicError(f"topic {name}: {error.args[0].str()}") from error
    while _missing(admin, specs, timeout_s):
        if _CLOCK.monotonic_s() > deadline_s:
            names = ", ".join(spec.name for spec in _missing(admin, specs, timeout_s))
            raise TopicError(f"no leader after {timeout_s:.0f} s for: {names}")
        time.sleep(0.05)


def _missing(
    admin: AdminClient, specs: Sequence[TopicSpec], timeout_s: float
) -> Sequence[TopicSpec]:
    """Those that are absent or not yet led everywhere."""
    try:
        topics = admin.list_topics(timeout=timeout_s).topics
    except KafkaException as error:
        raise TopicError(f"Kafka does not answer: {error.args[0].str()}") from error
    missing = []
    for spec in specs:
        partitions = topics[spec.name].partitions if spec.name in topics else {}
        if not partitions:
            missing.append(spec)
        elif len(partitions) != spec.partitions:
            raise TopicError(
                f"topic {spec.name} has {len(partitions)} partitions, not {spec.partitions}"
            )
        elif any(partition.leader < 0 for partition in partitions.values()):
            missing.append(spec)
    return missing
