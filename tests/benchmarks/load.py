"""The messages that benchmarks play: simulated drives, as endpoint records or bare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer

from streams.delivery.admin import ensure_topics
from streams.delivery.batch import pack_records
from streams.records import Message
from streams.topics import TopicSpec
from topologies.fleet.simulator import fleet
from wasm_programs import build

PROGRAM: Final = Path(build.__file__).parent / "safe_driving"
DEVICES: Final = 100
BEGAN_MS: Final = 1_700_000_000_000
_BATCH: Final = 5_000


def safe_driving() -> bytes:
    """The program's binary.

    Raises:
        FileNotFoundError: it is not built (`make build`).
    """
    return build.output_of(PROGRAM).read_bytes()


@dataclass(frozen=True, slots=True)
class Sample:
    """What one car says at one time."""

    device: str
    payload: bytes  # some 200 bytes of JSON
    time_ms: int

    def record(self, number: int) -> bytes:
        """As the endpoint writes it; ``number`` is its id."""
        return Message(self.device, self.payload, number.to_bytes(16, "big"), self.time_ms).encode()


def drives(count: int) -> list[Sample]:
    """The first ``count`` samples of a fleet, in the order of their times."""
    seconds = 2 * count // DEVICES + 600  # cars stand for about a half of it
    samples = []
    for number, car in enumerate(fleet(DEVICES, seconds, seed=1)):
        device = f"did:key:z6Mk{number:044d}"  # as long as the real ones
        samples += [
            Sample(device, payload, BEGAN_MS + offset_ms)
            for stretch in car.stretches()
            for offset_ms, payload in zip(stretch.offsets_ms, stretch.payloads, strict=True)
        ]
    samples.sort(key=lambda sample: sample.time_ms)
    assert len(samples) >= count
    return samples[:count]


def kv() -> bytes:
    """The binary of the program in folder ``kv``, compiled if it has to be.

    Raises:
        BuildError: Node.js or the compiler is missing.
    """
    folder = Path(__file__).parent / "kv"
    build.build_if_stale(folder)
    return build.output_of(folder).read_bytes()


def packed(samples: Sequence[Sample], batch: int = _BATCH, *, bare: bool = False) -> list[bytes]:
    """Batches as the reader packs them, of one partition. ``bare``: payloads as a plain producer
    writes them, which have no id; otherwise an endpoint's records.
    """
    return [
        pack_records(
            [one.device.encode() for one in part],
            [one.payload if bare else one.record(first + i) for i, one in enumerate(part)],
            range(first, first + len(part)),
            [one.time_ms for one in part],
        )
        for first, part in ((at, samples[at : at + batch]) for at in range(0, len(samples), batch))
    ]


def fill(
    kafka: Mapping[str, Any],
    spec: TopicSpec,
    records: Sequence[tuple[bytes, bytes]],
) -> None:
    """Make a topic of these (key, value) records, which keys spread over its partitions.

    Not compressed: Faust's client reads lz4 only with a package more.
    """
    ensure_topics(kafka, [spec])
    producer = Producer({**kafka, "acks": "all", "enable.idempotence": True, "linger.ms": 20})
    for at in range(0, len(records), _BATCH):
        part = [{"key": key, "value": value} for key, value in records[at : at + _BATCH]]
        while producer.produce_batch(spec.name, part) < len(part):
            part = [one for one in part if one.pop("_error", None) is not None]
            producer.poll(0.05)
        while len(producer) > 50_000:
            producer.poll(0.01)
    if producer.flush(60):
        raise TimeoutError(f"Kafka did not take the records of {spec.name}")
