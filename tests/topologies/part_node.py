"""Some roles of a node in a process of their own, on components that tests share."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Producer

from streams import topics
from streams.delivery.admin import ensure_topics
from streams.delivery.replay import replay
from streams.filesystem.store import FileStore
from streams.records import Kind, Message, decode_message, kind_of
from streams.registry.entries import Dapp
from streams.registry.entries import Kind as RegistryKind
from streams.registry.manifest import parse_manifest
from streams.registry.writer import RegistryWriter
from tests.local_components import free_port

PARTITIONS = 2


class PartNode:
    """One Dapp's topics and registry entry, and a process that serves it.

    `settings`: the process's, by name.
    """

    def __init__(self, kafka: str, data: Path, **settings: str) -> None:
        self.dapp = f"d{secrets.token_hex(6)}"
        self.kafka = {"bootstrap.servers": kafka}
        self.data = data
        given = {"data": str(data), "kafka_bootstrap_servers": kafka, **settings}
        self._settings = {f"W3B_{name.upper()}": value for name, value in given.items()}

    def serve(self, program: bytes = b"", keys: tuple[str, ...] = (), **sections: object) -> None:
        """Register the Dapp, with these sections in its manifest; `program` is WebAssembly, and
        it may pay with these of the operator's keys."""
        ensure_topics(self.kafka, topics.node_topics())
        ensure_topics(self.kafka, topics.dapp_topics(self.dapp, PARTITIONS))
        manifest = parse_manifest(
            {
                "dapp": {"name": self.dapp, "partitions": PARTITIONS},
                "program": {"file": "program.wasm"},
                **sections,
            },
            "test",
        )
        store = FileStore(str(self.data / "files"))
        RegistryWriter(self.kafka).put(Dapp(manifest, store.put(program), keys=keys))

    def forget(self) -> None:
        """Unregister the Dapp: other tests' nodes on the same Kafka would look for its program."""
        RegistryWriter(self.kafka).remove(RegistryKind.DAPP, self.dapp)

    @contextmanager
    def running(self, *roles: str) -> "Iterator[subprocess.Popen[bytes]]":
        """The process, killed at the end if it has not ended before."""
        argv = [sys.executable, "-m", "topologies", "node", "--roles", ",".join(roles)]
        more = {"W3B_METRICS_PORT": str(free_port())}
        process = subprocess.Popen(argv, env={**os.environ, **self._settings, **more})
        try:
            yield process
            assert process.poll() is None, "the node ended by itself"
        finally:
            process.kill()
            process.wait()

    def write(
        self, topic: str, partition: int, values: Sequence[bytes], key: bytes = b"did:x"
    ) -> None:
        producer = Producer(self.kafka | {"acks": "all"})
        for value in values:
            producer.produce(topic, value, key, partition)
        assert producer.flush(30) == 0

    def records(self, topic: str, partition: int) -> list[bytes]:
        batches = replay(self.kafka, topic, partition)
        return [one.value() or b"" for batch in batches for one in batch]

    def messages(self, partition: int) -> list[Message]:
        values = self.records(topics.messages(self.dapp), partition)
        return [decode_message(value) for value in values if kind_of(value) is Kind.MESSAGE]


def until(condition: Callable[[], bool], timeout_s: float = 40) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
