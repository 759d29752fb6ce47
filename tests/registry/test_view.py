"""The registry over a real Kafka: what one writes, every view sees."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from streams.delivery.admin import TopicError, ensure_topics
from streams.registry.entries import (
    Dapp,
    Device,
    DeviceStatus,
    Entry,
    EntryError,
    Grant,
    Kind,
    Owner,
)
from streams.registry.manifest import parse_manifest
from streams.registry.view import Registry, RegistryError
from streams.registry.writer import RegistryWriter
from streams.topics import REGISTRY, TopicSpec, node_topics
from streams.wallet.did import KeyKind
from streams.wallet.keys import generate

pytestmark = pytest.mark.services


@pytest.fixture
def config(kafka: str) -> dict[str, Any]:
    config = {"bootstrap.servers": kafka}
    ensure_topics(config, node_topics())
    return config


@pytest.fixture
def registry(config: dict[str, Any]) -> Iterator[Registry]:
    registry = Registry(config)
    registry.start()
    yield registry
    registry.close()


@pytest.fixture
def owner() -> str:
    return f"owner-{uuid4().hex}"  # the broker is shared


def _dapp(name: str) -> Dapp:
    manifest = parse_manifest({"dapp": {"name": name}, "program": {"file": "a.wasm"}}, name)
    return Dapp(manifest, "0" * 64)


@pytest.mark.slow
def test_a_change_is_seen_by_views_old_and_new_within_a_second(
    config: dict[str, Any], registry: Registry, owner: str
) -> None:
    device = Device(generate(KeyKind.ED25519).did, owner)
    writer = RegistryWriter(config)
    offset = writer.put(Owner(owner, 1), device, Grant(owner, "a", 1), Grant(owner, "b", 1))
    registry.wait_for(offset, timeout_s=1)
    assert registry.owner(owner) == Owner(owner, 1)
    assert registry.device(device.did) == device
    assert registry.grants(owner) == {"a": Grant(owner, "a", 1), "b": Grant(owner, "b", 1)}

    revoked = Device(device.did, owner, DeviceStatus.REVOKED)
    writer.put(revoked)
    registry.wait_for(writer.remove(Kind.GRANT, f"{owner}/a"), timeout_s=1)
    assert registry.device(device.did) == revoked
    assert registry.grants(owner) == {"b": Grant(owner, "b", 1)}

    late = Registry(config)
    late.start()
    assert late.device(device.did) == revoked
    assert late.grants(owner) == registry.grants(owner)
    assert revoked in late.devices()
    late.close()
    assert not late.is_live


def test_subscribers_hear_what_there_is_and_then_each_change(
    config: dict[str, Any], registry: Registry
) -> None:
    name = f"dapp_{uuid4().hex[:20]}"
    writer = RegistryWriter(config)
    registry.wait_for(writer.put(_dapp(name)))
    heard: list[tuple[Kind, str, Entry | None]] = []
    gone = threading.Event()

    def on_change(kind: Kind, changed: str, entry: Entry | None) -> None:
        if changed == name:
            heard.append((kind, changed, entry))
            if entry is None:
                gone.set()

    def failing(kind: Kind, changed: str, entry: Entry | None) -> None:
        raise RuntimeError("a subscriber's own fault")

    registry.subscribe(failing)
    registry.subscribe(on_change, [Kind.DAPP])
    assert heard == [(Kind.DAPP, name, _dapp(name))]
    assert registry.dapp(name) in registry.dapps()
    writer.put(Grant(name, name, 1))  # another kind
    writer.remove(Kind.DAPP, name)
    assert gone.wait(5)
    assert heard[1:] == [(Kind.DAPP, name, None)]
    assert registry.dapp(name) is None


def test_records_by_hand_that_hold_no_entry_are_passed_over(
    config: dict[str, Any], registry: Registry, owner: str
) -> None:
    producer = Producer(config)
    for key in (None, b"\xff", f"owner:{owner}".encode()):
        producer.produce(REGISTRY, key=key, value=b"\x00junk")
    producer.flush()
    registry.wait_for(RegistryWriter(config).put(Owner(owner, 3)))
    assert registry.owner(owner) == Owner(owner, 3)
    assert registry.is_live


def test_nothing_is_written_if_one_entry_is_wrong(
    config: dict[str, Any], registry: Registry, owner: str
) -> None:
    writer = RegistryWriter(config)
    with pytest.raises(EntryError):
        writer.put(Owner(owner, 1), Owner("no/owner", 1))
    registry.wait_for(writer.put(Owner(owner + "-2", 1)))
    assert registry.owner(owner) is None


def test_waiting_has_an_end(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="did not reach"):
        registry.wait_for(1 << 40, timeout_s=0.01)


def test_without_kafka_starting_fails_in_time() -> None:
    registry = Registry({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    with pytest.raises(RegistryError, match="is Kafka reachable"):
        registry.start(timeout_s=0.2)
    registry.close()
    with pytest.raises(TopicError, match="Kafka does not answer"):
        ensure_topics({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, node_topics(), 0.2)


def test_topics_are_made_once_and_never_reshaped(config: dict[str, Any]) -> None:
    name = f"shape.{uuid4().hex}"
    ensure_topics(config, [TopicSpec(name, 3)])
    ensure_topics(config, [TopicSpec(name, 3)])
    with pytest.raises(TopicError, match="has 3 partitions, not 4"):
        ensure_topics(config, [TopicSpec(name, 4)])
