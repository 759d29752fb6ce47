"""Topics that are made once, by whoever comes first."""

import threading
import uuid

import pytest

from streams.delivery.admin import TopicError, TopicTerm, ensure_topics, topic_terms
from streams.topics import TopicSpec
from tests.delivery.kafka_topics import committed, config, fill
from tests.local_components import free_port

pytestmark = [pytest.mark.services, pytest.mark.slow]


def specs(count: int, partitions: int) -> list[TopicSpec]:
    return [TopicSpec(f"t{uuid.uuid4().hex[:12]}", partitions) for _ in range(count)]


def test_made_once_and_ready(kafka: str) -> None:
    wanted = specs(3, 2)
    ensure_topics(config(kafka), wanted)
    ensure_topics(config(kafka), wanted)
    for spec in wanted:
        fill(kafka, spec.name, [b"1"], partition=1)
        assert committed(kafka, spec.name, 1) == [b"1"]


def test_how_long_a_topic_keeps_what_it_has(kafka: str) -> None:
    day_ms = 24 * 3600 * 1000
    settings = [
        ({"retention.ms": "5", "segment.ms": str(day_ms)}, 5 + day_ms, False),
        ({"retention.ms": "-1"}, None, False),
        ({"cleanup.policy": "compact", "max.compaction.lag.ms": "7"}, 7, True),
        ({"cleanup.policy": "compact"}, None, True),
    ]
    wanted = [TopicSpec(uuid.uuid4().hex, 1, said) for said, _, _ in settings]
    ensure_topics(config(kafka), wanted)
    terms = {term.topic: term for term in topic_terms(config(kafka), [one.name for one in wanted])}
    for spec, (_, most_ms, is_compacted) in zip(wanted, settings, strict=True):
        assert terms[spec.name] == TopicTerm(spec.name, most_ms, is_compacted)


def test_several_at_once(kafka: str) -> None:
    wanted, errors = specs(2, 3), []

    def ensure() -> None:
        try:
            ensure_topics(config(kafka), wanted)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []


def test_another_number_of_partitions_is_refused(kafka: str) -> None:
    (spec,) = specs(1, 2)
    ensure_topics(config(kafka), [spec])
    with pytest.raises(TopicError, match=f"{spec.name} has 2 partitions, not 3"):
        ensure_topics(config(kafka), [TopicSpec(spec.name, 3)])


def test_a_setting_that_kafka_does_not_know(kafka: str) -> None:
    (spec,) = specs(1, 1)
    with pytest.raises(TopicError, match=spec.name):
        ensure_topics(config(kafka), [TopicSpec(spec.name, 1, {"retention.ms": "soon"})])


def test_nobody_there() -> None:
    nowhere = config(f"127.0.0.1:{free_port()}") | {"log_level": 0}
    with pytest.raises(TopicError, match="does not answer"):
        ensure_topics(nowhere, specs(1, 1), timeout_s=1)
