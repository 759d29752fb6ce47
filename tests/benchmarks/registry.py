"""The registry with a million devices: how soon a process has it, in how much memory; an import."""

import io
import random
import string
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import psutil
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.delivery.admin import ensure_topics
from streams.registry.entries import Device, Entry, Kind, encode_key, encode_value
from streams.registry.importing import import_devices, read_devices
from streams.registry.view import Registry
from streams.registry.writer import RegistryWriter
from streams.topics import REGISTRY, TopicSpec, node_topics
from streams.wallet.did import KeyKind, VerifyKey
from tests.benchmarks.figures import Row, Spread, in_turns
from tests.benchmarks.load import fill
from tests.benchmarks.own_process import in_own_process
from tests.local_components import LocalComponents

DEVICES: Final = 1_000_000
OWNERS: Final = 10_000
IMPORTED: Final = 100_000
SECONDS_MAX: Final = 30.0
MEMORY_MB_MAX: Final = 1_000.0
_POLL_RECORDS: Final = 10_000
_START_S: Final = 300
_BASE58: Final = sorted(set(string.digits + string.ascii_letters) - set("0OIl"))


def run(_: LocalComponents) -> list[Row]:
    """On a Kafka of its own: the next benchmark's processes would read the million, too."""
    with tempfile.TemporaryDirectory(prefix="w3b-bench-") as folder:
        components = LocalComponents(Path(folder))
        try:
            kafka = {"bootstrap.servers": components.kafka}
            ensure_topics(kafka, node_topics())
            imported = _imports(kafka)
            (spec,) = (one for one in node_topics() if one.name == REGISTRY)
            fill(kafka, spec, _records())
            return [*_loading(kafka), imported]
        finally:
            components.close()


def _records() -> list[tuple[bytes, bytes]]:
    """Of devices whose names are as long as real ones; readers do not look for a point in them."""
    letters = random.Random(1)
    owners = [f"did:pkh:eip155:4689:0x{number:040x}" for number in range(OWNERS)]
    values = [encode_value(Device("", owner)) for owner in owners]
    return [
        (
            encode_key(Kind.DEVICE, "did:key:z6Mk" + "".join(letters.choices(_BASE58, k=44))),
            values[number % OWNERS],
        )
        for number in range(DEVICES)
    ]


# --- loading --------------------------------------------------------------------------------------


def _loading(kafka: Mapping[str, Any]) -> list[Row]:
    seconds = in_turns(
        {
            "view": lambda: in_own_process(_load_s, kafka),
            "bare": lambda: in_own_process(_consume_s, kafka),
        }
    )
    return [
        Row(
            "a process has one million registered devices", "s", seconds["view"],
            "consume() of the same records", seconds["bare"], figure_max=SECONDS_MAX,
        ),
        Row(
            "its memory with them", "MB", Spread.of([in_own_process(_load_mb, kafka)]),
            "a dictionary of the same, from JSON", Spread.of([in_own_process(_plain_mb, kafka)]),
            figure_max=MEMORY_MB_MAX,
        ),
    ]  # fmt: skip


def _load_s(kafka: Mapping[str, Any]) -> float:
    registry = Registry(kafka)
    began_s = time.perf_counter()
    registry.start(_START_S)
    took_s = time.perf_counter() - began_s
    assert len(registry.devices()) >= DEVICES
    registry.close()
    return took_s


def _load_mb(kafka: Mapping[str, Any]) -> float:
    registry = Registry(kafka)
    registry.start(_START_S)
    registry.close()
    return _memory_mb()


def _consume_s(kafka: Mapping[str, Any]) -> float:
    began_s = time.perf_counter()
    assert sum(len(batch) for batch in _batches(kafka)) >= DEVICES
    return time.perf_counter() - began_s


def _plain_mb(kafka: Mapping[str, Any]) -> float:
    found = {
        record.key().decode(): orjson.loads(record.value())
        for batch in _batches(kafka)
        for record in batch
    }
    assert len(found) >= DEVICES
    return _memory_mb()


def _batches(kafka: Mapping[str, Any]) -> Any:
    consumer = Consumer({**kafka, "group.id": "bare", "enable.partition.eof": True})
    consumer.assign([TopicPartition(REGISTRY, 0, 0)])
    while True:
        batch = consumer.consume(_POLL_RECORDS, 1)
        records = [one for one in batch if one.error() is None]
        yield records
        if len(records) < len(batch):
            assert all(
                one.error().code() == KafkaError._PARTITION_EOF for one in batch if one.error()
            )
            consumer.close()
            return


def _memory_mb() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6


# --- importing ------------------------------------------------------------------------------------


def _imports(kafka: Mapping[str, Any]) -> Row:
    registry, writer = Registry(kafka), RegistryWriter(kafka)
    registry.start()
    letters = random.Random(2)

    def put(entries: Sequence[Entry]) -> None:
        registry.wait_for(writer.put_checked(entries))

    def dids() -> list[str]:
        keys = (VerifyKey(KeyKind.ED25519, letters.randbytes(32)) for _ in range(IMPORTED))
        return [key.did for key in keys]

    def from_csv() -> float:
        file = io.StringIO("did\n" + "\n".join(dids()))
        began_s = time.perf_counter()
        *_, tally = import_devices(read_devices(file, "ann"), registry, (), put, 1)
        assert (tally.added, tally.refused) == (IMPORTED, [])
        return time.perf_counter() - began_s

    def bare() -> float:
        value = encode_value(Device("", "ann"))
        records = [(encode_key(Kind.DEVICE, did), value) for did in dids()]
        began_s = time.perf_counter()
        fill(kafka, TopicSpec(f"b{uuid.uuid4().hex[:12]}", 1), records)
        return time.perf_counter() - began_s

    seconds = in_turns({"csv": from_csv, "bare": bare})
    registry.close()
    return Row(
        "100,000 devices from CSV", "s", seconds["csv"],
        "produce_batch of the same records", seconds["bare"],
        note="each line's key is looked at; a chunk is seen before the next is written",
    )  # fmt: skip
