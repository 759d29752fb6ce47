"""Audit records that belong to no transaction, on a real Kafka."""

from uuid import uuid4

import pytest

from streams.audit.log import AuditLog
from streams.audit.record import NODE, AuditError, Record
from streams.delivery.admin import ensure_topics
from streams.topics import node_topics
from tests.audit.told import told

pytestmark = pytest.mark.services


def test_what_was_appended_is_there_in_order(kafka: str) -> None:
    ensure_topics({"bootstrap.servers": kafka}, node_topics())
    name = uuid4().hex
    records = [
        Record(at_ms=at_ms, author=NODE, action="rotate", kind="key", name=name)
        for at_ms in range(3)
    ]
    log = AuditLog({"bootstrap.servers": kafka})
    log.append(*records[:2])
    log.append(*records[2:])
    assert told(kafka, name=name) == records


def test_without_kafka_it_says_so() -> None:
    log = AuditLog({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, delivery_ms=100)
    with pytest.raises(AuditError, match="not \\(wholly\\) written"):
        log.append(Record(at_ms=1, author=NODE, action="rotate", kind="key", name="identity"))
