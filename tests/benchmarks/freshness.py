"""How long after its acknowledgement a message can be queried, at a steady 20,000 messages/s.

The sink stores a partition in order, so a message is visible once the newest offset of its
partition has reached it; that is asked every 20 ms, which is part of the figure. Producer, sink and
whoever asks share this process; Kafka and ClickHouse run beside it. Nothing executes meanwhile.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from confluent_kafka import Producer

from streams import records, topics
from streams.database.encoder.build import build
from streams.database.server import Server
from streams.database.sink import Store
from streams.delivery.admin import ensure_topics
from streams.delivery.batch import Batch
from streams.delivery.reader import BatchReader
from tests.benchmarks.figures import RUNS, Row, Spread
from tests.benchmarks.sink import PARTITIONS, device, payload
from tests.local_components import LocalComponents

MESSAGES_PER_S = 20_000
SECONDS = 6
BURST_S = 0.05
ASK_S = 0.02
SHARE = 0.99
SECONDS_MAX = 2.0

_BURST = int(MESSAGES_PER_S * BURST_S) // PARTITIONS  # into each partition


@dataclass
class Seen:
    """When each partition's end was acknowledged, and when it was visible."""

    acknowledged: list[tuple[int, float]] = field(default_factory=list)  # of all partitions alike
    visible: list[tuple[int, float]] = field(default_factory=list)  # of the one furthest behind

    def waits_s(self) -> list[float]:
        """How long each burst took from the one to the other, shortest first."""
        visible = iter(self.visible)
        end, at_s = next(visible)
        waits = []
        for wanted, acknowledged_s in self.acknowledged:
            while end < wanted:
                end, at_s = next(visible)
            waits.append(at_s - acknowledged_s)
        return sorted(waits)


def run(components: LocalComponents) -> list[Row]:
    """Rows of the harness."""
    build()
    waits_s = [_measure(components) for _ in range(RUNS)]
    return [
        Row(
            what=f"acknowledged → visible in ClickHouse, p99 at {MESSAGES_PER_S:,} messages/s",
            unit="s",
            figure=Spread.of([found[int(len(found) * SHARE)] for found in waits_s]),
            figure_max=SECONDS_MAX,
            aim=True,  # not measured on a quiet machine yet
            note=f"median {Spread.of([found[len(found) // 2] for found in waits_s]).median:.2f} s",
        )
    ]


def _measure(components: LocalComponents) -> list[float]:
    dapp = f"fresh_{uuid4().hex[:8]}"
    url = f"{components.clickhouse_url.rsplit('/', 1)[0]}/{dapp}"
    ensure_topics({"bootstrap.servers": components.kafka}, topics.dapp_topics(dapp, PARTITIONS))
    server = Server(url)
    seen = Seen()
    with _storing(components.kafka, url, dapp):
        producing = threading.Thread(target=_produce, args=(components.kafka, dapp, seen))
        producing.start()
        end = SECONDS * MESSAGES_PER_S // PARTITIONS
        while not seen.visible or seen.visible[-1][0] < end:
            rows = server.rows("SELECT `partition`, max(`offset`) + 1 FROM messages GROUP BY 1")
            ends = [int(one) for _, one in rows]
            seen.visible.append((min(ends) if len(ends) == PARTITIONS else 0, time.monotonic()))
            time.sleep(ASK_S)
        producing.join()
    server.command(f"DROP DATABASE {server.database}")
    server.close()
    return seen.waits_s()


def _produce(kafka: str, dapp: str, seen: Seen) -> None:
    producer = Producer({"bootstrap.servers": kafka, "acks": "all", "linger.ms": 5})
    began_s = time.monotonic()
    for burst in range(round(SECONDS / BURST_S)):
        first = burst * _BURST * PARTITIONS
        now_ms = time.time_ns() // 1_000_000
        values = [
            records.Message(device(n), payload(n).encode(), uuid4().bytes, now_ms).encode()
            for n in range(first, first + _BURST * PARTITIONS)
        ]
        time.sleep(max(0.0, began_s + burst * BURST_S - time.monotonic()))
        producer.produce_batch(
            topics.messages(dapp),
            [{"value": value, "key": device(n).encode(), "partition": n % PARTITIONS}
             for n, value in enumerate(values)],
        )  # fmt: skip
        if producer.flush(30):
            raise RuntimeError("Kafka did not take a burst in time")
        seen.acknowledged.append(((burst + 1) * _BURST, time.monotonic()))


@contextmanager
def _storing(kafka: str, url: str, dapp: str) -> Iterator[None]:
    """The sink as a node runs it, on a thread of its own; there once it has made its tables."""
    ready, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_store(kafka, url, dapp, ready, ended)))
    thread.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("the sink did not start")
        yield
    finally:
        ended.set()
        thread.join()


async def _store(
    kafka: str, url: str, dapp: str, ready: threading.Event, ended: threading.Event
) -> None:
    config = {"bootstrap.servers": kafka}
    loop = asyncio.get_running_loop()
    batches: asyncio.Queue[Batch | None] = asyncio.Queue()
    store = Store(config, url)
    reader = BatchReader(
        config,
        uuid4().hex,
        [topics.messages(dapp)],
        lambda batch: loop.call_soon_threadsafe(batches.put_nowait, batch) and None,
        store,
    )
    store.bind(reader)
    await store.start()
    reader.start(print)
    ready.set()
    loop.run_in_executor(
        None, lambda: ended.wait() and loop.call_soon_threadsafe(batches.put_nowait, None)
    )
    while (batch := await batches.get()) is not None:
        await store.write(batch)
        reader.release()
    await store.close()
    await asyncio.to_thread(reader.stop)
