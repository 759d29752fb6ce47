"""A registry with something in it, an open endpoint, and a device's way to it."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from streams import topics
from streams.delivery.admin import ensure_topics
from streams.endpoint.logins import Site
from streams.endpoint.registrations import Trust
from streams.endpoint.server import Endpoint
from streams.filesystem.store import FileStore
from streams.records import Message, decode_message
from streams.registry.entries import Dapp, Device, Grant, Kind
from streams.registry.manifest import parse_manifest
from streams.registry.view import Registry
from streams.registry.writer import RegistryWriter
from streams.wallet.credentials.verifier import Verifier
from streams.wallet.did import KeyKind
from streams.wallet.keys import SigningKey, generate
from streams.wallet.resolver import KeyResolver, Resolvers

PARTITIONS = 2


@dataclass
class Node:
    """A registry and what is in it: two Dapps that an owner granted, a third that none did."""

    kafka: dict[str, Any]
    registry: Registry
    writer: RegistryWriter
    owner: str = field(default_factory=lambda: uuid4().hex)
    first: str = field(default_factory=lambda: f"a_{uuid4().hex[:20]}")
    second: str = field(default_factory=lambda: f"b_{uuid4().hex[:20]}")
    ungranted: str = field(default_factory=lambda: f"c_{uuid4().hex[:20]}")

    def add(self, *entries: Any) -> None:
        self.registry.wait_for(self.writer.put(*entries))

    def close(self) -> None:
        """Take its Dapps back: nodes of other tests would look for their programs."""
        for dapp in (self.first, self.second, self.ungranted):
            self.writer.remove(Kind.DAPP, dapp)
        self.registry.close()

    def add_device(self, owner: str | None = None) -> SigningKey:
        key = generate(KeyKind.ED25519)
        self.add(Device(key.did, owner or self.owner))
        return key

    def read(self, dapp: str, device: str) -> list[Message]:
        """What readers of committed records find of a device in a Dapp's topic, in order."""
        consumer = Consumer(
            {
                **self.kafka,
                "group.id": uuid4().hex,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
            }
        )
        topic = topics.messages(dapp)
        consumer.assign(
            [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)]
        )
        found, ends = [], 0
        while ends < PARTITIONS:
            for record in consumer.consume(1000, 0.05):
                error = record.error()
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF
                    ends += 1
                elif record.key() == device.encode():
                    found.append(decode_message(record.value()))
        consumer.close()
        return found


def make_node(kafka: str) -> Node:
    """A node on a Kafka, with its registry loaded; close the registry in the end."""
    config = {"bootstrap.servers": kafka}
    ensure_topics(config, topics.node_topics())
    registry = Registry(config)
    registry.start()
    node = Node(config, registry, RegistryWriter(config))
    entries: list[Any] = []
    for name in (node.first, node.second, node.ungranted):
        ensure_topics(config, topics.dapp_topics(name, PARTITIONS))
        manifest = parse_manifest(
            {"dapp": {"name": name, "partitions": PARTITIONS}, "program": {"file": "a.wasm"}}, name
        )
        entries.append(Dapp(manifest, "0" * 64))
    node.add(*entries, Grant(node.owner, node.first, 0), Grant(node.owner, node.second, 0))
    return node


@dataclass
class Client:
    """A device's way to the endpoint."""

    session: aiohttp.ClientSession
    mqtt_port: int = 0
    grpc_port: int = 0
    grpc_mutual_port: int = 0

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.request(method, path, **options) as response:
            return response.status, await response.json()

    async def log_in(self, key: SigningKey) -> tuple[int, Any]:
        status, answer = await self.ask("POST", "/v1/challenges", json={"device": key.did})
        assert status == 200
        signature = base64.urlsafe_b64encode(key.sign(answer["challenge"].encode())).decode()
        body = {"device": key.did, "challenge": answer["challenge"], "signature": signature}
        return await self.ask("POST", "/v1/tokens", json=body)

    async def token(self, key: SigningKey) -> dict[str, str]:
        status, answer = await self.log_in(key)
        assert status == 200, answer
        return {"Authorization": f"Bearer {answer['token']}"}


def trust(folder: Path, clock: Any, **more: Any) -> Trust:
    """A node's that believes did:key alone."""
    verifier = Verifier(Resolvers({"key": KeyResolver()}), clock)
    more = {"site": Site("node.example", 4689), **more}
    return Trust(verifier, FileStore(str(folder / "files")).put, **more)


class Opened:
    """An endpoint of the test's own, and a client to it."""

    def __init__(
        self, kafka: dict[str, Any], registry: Registry, folder: Path, clock: Any, **more: Any
    ) -> None:
        self._has_grpc = "grpc_port" in more
        self._has_mqtt = more.get("mqtt_port", 0) is not None
        self._endpoint = Endpoint(
            kafka, registry, host="127.0.0.1", port=0,
            token_secrets=lambda: [b"s" * 32], clock=clock,
            **{"mqtt_port": 0, "trust": trust(folder, clock), "instance": uuid4().hex, **more},
        )  # fmt: skip

    async def __aenter__(self) -> Client:
        await self._endpoint.start()
        self._session = aiohttp.ClientSession(f"http://127.0.0.1:{self._endpoint.port}")
        grpc_port = self._endpoint.grpc_port if self._has_grpc else 0
        mqtt_port = self._endpoint.mqtt_port if self._has_mqtt else 0
        mutual_port = self._endpoint.grpc_mutual_port if self._has_grpc else 0
        return Client(self._session, mqtt_port, grpc_port, mutual_port)

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._endpoint.stop()
