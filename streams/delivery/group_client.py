"""How a reader's client is set up as a member of its consumer group."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from streams import limits


def static_id(instance_id: str | None, topics: Sequence[str]) -> str | None:
    """A member's name, the same whenever it comes back.

    What it reads is part of who it is: a static member that comes back is handed its old
    partitions, so that one with further topics would not hear of these.
    """
    if instance_id is None:
        return None
    return f"{instance_id}.{hashlib.sha256(' '.join(sorted(topics)).encode()).hexdigest()[:8]}"


def consumer_config(
    kafka: Mapping[str, Any], group: str, instance_id: str | None
) -> dict[str, Any]:
    """confluent-kafka's settings; ``instance_id``: from `static_id`."""
    config = {
        **kafka,
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # positions are always explicit; guessing loses or repeats
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": limits.SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": limits.SESSION_TIMEOUT_MS // 5,
        "queued.max.messages.kbytes": limits.FETCH_QUEUE_KIB,
        "fetch.queue.backoff.ms": limits.FETCH_BACKOFF_MS,
        "fetch.wait.max.ms": 100,
        "topic.metadata.refresh.interval.ms": 5_000,
        "reconnect.backoff.max.ms": 1_000,
        "statistics.interval.ms": limits.STATISTICS_MS,
    }
    if instance_id is not None:
        config["group.instance.id"] = instance_id
    return config
