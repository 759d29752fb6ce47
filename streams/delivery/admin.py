"""Topics are made by those who need them, before anything is written to them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from streams.clock import SystemClock
from streams.topics import TopicSpec

_CLOCK = SystemClock()
_NEVER: Final = 2**63 - 1  # what Kafka calls a time that does not come


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


@dataclass(frozen=True, slots=True)
class TopicTerm:
    """How long Kafka keeps records of a topic, as it is set now.

    Attributes:
        topic: its name.
        most_ms: after so long a record that was written, or replaced, now is gone; None: it may
            stay for ever.
        is_compacted: only what was replaced or removed goes.
    """

    topic: str
    most_ms: int | None
    is_compacted: bool


def topic_terms(
    kafka: Mapping[str, Any], names: Sequence[str], timeout_s: float = 30
) -> list[TopicTerm]:
    """How long topics keep what they have.

    Raises:
        TopicError: Kafka does not answer, or has no such topic.
    """
    asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    admin = AdminClient(dict(kafka))  # what is asked ends with it
    found = admin.describe_configs(asked, request_timeout=timeout_s)
    terms = []
    for resource, future in found.items():
        try:
            entries = future.result(timeout_s)
        except (KafkaException, TimeoutError) as error:
            raise TopicError(f"topic {resource.name}: {error}") from error
        values = {name: entry.value for name, entry in entries.items()}
        terms.append(_term(resource.name, values))
    return sorted(terms, key=lambda term: term.topic)


def _term(topic: str, values: Mapping[str, str]) -> TopicTerm:
    # A record goes with its segment, once that is closed and the newest record in it is over.
    if "compact" in values["cleanup.policy"]:
        lag_ms = int(values["max.compaction.lag.ms"])
        return TopicTerm(topic, None if lag_ms >= _NEVER else lag_ms, is_compacted=True)
    kept_ms = int(values["retention.ms"])
    most_ms = kept_ms + int(values["segment.ms"]) if kept_ms >= 0 else None
    return TopicTerm(topic, most_ms, is_compacted=False)


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
