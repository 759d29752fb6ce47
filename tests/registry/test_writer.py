"""A change and what the audit log says of it, on a real Kafka: both or neither."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from streams.audit.record import Author
from streams.clock import ManualClock
from streams.delivery.admin import ensure_topics
from streams.delivery.transaction import TransactionalWriter
from streams.registry.entries import Grant, Kind, Owner
from streams.registry.view import Registry, RegistryError
from streams.registry.writer import RegistryWriter
from streams.topics import node_topics
from tests.audit.told import told

pytestmark = pytest.mark.services

ALL = {"until_ms": None, "devices": None, "event_types": None}


@pytest.fixture
def registry(kafka: str) -> Iterator[Registry]:
    config: dict[str, Any] = {"bootstrap.servers": kafka}
    ensure_topics(config, node_topics())
    registry = Registry(config)
    registry.start()
    yield registry
    registry.close()


def test_each_change_is_told_with_who_made_it(kafka: str, registry: Registry) -> None:
    owner, clock = uuid4().hex, ManualClock()
    writer = RegistryWriter({"bootstrap.servers": kafka}, registry, clock=clock)
    by_owner = writer.by(Author(owner, "http"))
    registry.wait_for(writer.put(Owner(owner, 5), Grant(owner, "driving", 5)))
    clock.advance_ms(1_000)
    registry.wait_for(by_owner.put(Grant(owner, "driving", 5, 9)))
    registry.wait_for(by_owner.remove(Kind.GRANT, f"{owner}/driving"))
    assert registry.grants(owner) == {}
    records = told(kafka, owner=owner)
    assert [(one.action, one.kind, one.before, one.after) for one in records] == [
        ("add", "owner", None, {"since_ms": 5}),
        (
            "add",
            "grant",
            None,
            {"since_ms": 5, "until_ms": None, "devices": None, "event_types": None},
        ),
        ("change", "grant", {"until_ms": None}, {"until_ms": 9}),
        (
            "remove",
            "grant",
            {"since_ms": 5, "until_ms": 9, "devices": None, "event_types": None},
            None,
        ),
    ]
    assert [one.author.door for one in records] == ["command", "command", "http", "http"]
    assert {one.author.who for one in records[2:]} == {owner}
    assert [one.at_ms - records[0].at_ms for one in records] == [0, 0, 1_000, 1_000]


def test_a_change_that_was_cut_off_is_nowhere_and_the_next_is_in_both(
    kafka: str, registry: Registry
) -> None:
    config, owner, id_ = {"bootstrap.servers": kafka}, uuid4().hex, uuid4().hex
    writer = RegistryWriter(config, registry, transactional_id=id_)
    registry.wait_for(writer.put(Owner(owner, 1)))
    successor = TransactionalWriter(config, id_)
    successor.start()  # as that of a process which takes this one's place
    with pytest.raises(RegistryError):
        writer.put(Owner(owner, 2))
    registry.wait_for(writer.put(Grant(owner, "driving", 3)))
    assert registry.owner(owner) == Owner(owner, 1)
    assert [(one.kind, one.after) for one in told(kafka, owner=owner)] == [
        ("owner", {"since_ms": 1}),
        ("grant", {**ALL, "since_ms": 3}),
    ]


def test_without_kafka_a_change_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.delivery.transaction._CALL_TIMEOUT_S", 0.1)
    writer = RegistryWriter({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    with pytest.raises(RegistryError, match="cannot begin transactions"):
        writer.put(Owner("ann", 1))
