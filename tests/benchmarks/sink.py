"""The sink against clickhouse-driver inserting the same columns, ready-made, in a loop.

The sink reads Kafka (`read_committed`), makes rows, records and inserts blocks, exactly once;
the baseline has its columns in memory and only inserts. Same server, same table, same rows a
block; each run into a database of its own.

CPU is user and system time of the sink's process: of the threads that run Python (reading, packing,
wasm, HTTP, recording), which the target is about, and of all, librdkafka's own among them. Kafka's
and ClickHouse's is not in it. The collector of cycles is set as in a node's process.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from clickhouse_driver import Client
from confluent_kafka import Producer

from streams import limits, records, topics
from streams.database.encoder.build import build
from streams.database.migrations import migrate
from streams.database.server import Server
from streams.database.sink import Store
from streams.database.tables import COLUMNS, Table
from streams.delivery.admin import ensure_topics
from streams.delivery.batch import Batch
from streams.delivery.reader import BatchReader
from tests.benchmarks.figures import Row, Spread, in_turns
from tests.local_components import LocalComponents
from topologies.node import collect_seldom

DAPP = "bench"
PARTITIONS = 4
MESSAGES = 400_000
DEVICES = 500
FIRST_MS = 1_760_000_000_000
RATIO_MIN = 0.35
CPU_US_MAX = 2.5


def device(n: int) -> str:
    return f"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnn{n % DEVICES:04}"


def payload(n: int) -> str:
    return (
        f'{{"speed_kmh":{n % 130}.5,"rpm":{900 + n % 3000},"throttle":18.4,"engine_load":33.1,'
        f'"coolant_c":89,"ltft":-1.6,"stft":0.8,"fuel":61.2,"run_time_s":{n % 7200},'
        f'"lat":47.{n % 10000:04},"lon":8.{n % 9973:04},"gear":4,"trip":"2f6b0d4e"}}'
    )


def fill(kafka: str, ids: Sequence[bytes]) -> None:
    """The log: every message once."""
    ensure_topics({"bootstrap.servers": kafka}, topics.dapp_topics(DAPP, PARTITIONS))
    producer = Producer(
        {"bootstrap.servers": kafka, "acks": "all", "linger.ms": 20, "batch.num.messages": 10_000}
    )
    for start in range(0, MESSAGES, 10_000):
        producer.produce_batch(
            topics.messages(DAPP),
            [
                {
                    "key": device(n).encode(),
                    "value": records.Message(
                        device(n), payload(n).encode(), ids[n], FIRST_MS + n
                    ).encode(),
                    "partition": n % PARTITIONS,
                }
                for n in range(start, start + 10_000)
            ],
        )
        if producer.flush(60):
            raise RuntimeError("Kafka did not take the benchmark's messages in time")


class Took(NamedTuple):
    """Seconds from the first batch to the last row."""

    wall: float
    python_cpu: float  # of the threads that run Python
    cpu: float  # of all


async def store_all(kafka: str, url: str) -> Took:
    """Every message of the topic into ClickHouse."""
    config = {"bootstrap.servers": kafka}
    loop = asyncio.get_running_loop()
    batches: asyncio.Queue[Batch] = asyncio.Queue()
    store = Store(config, url)
    reader = BatchReader(
        config,
        uuid4().hex,
        [topics.messages(DAPP)],
        lambda batch: _hand_over(loop, batches, batch),
        store,
    )
    store.bind(reader)
    await store.start()
    reader.start(print)
    left = MESSAGES
    batch = await batches.get()
    began = _now()
    while True:
        await store.write(batch)
        reader.release()
        left -= sum(piece.count for piece in batch.slices)
        if left == 0:
            break
        batch = await batches.get()
    await store.flush()
    took = Took(*(now - then for now, then in zip(_now(), began, strict=True)))
    await store.close()
    await asyncio.to_thread(reader.stop)
    return took


def _now() -> Took:
    python_s = sum(
        time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.ident is not None
    )
    return Took(time.perf_counter(), python_s, time.process_time())


def _hand_over(
    loop: asyncio.AbstractEventLoop, batches: asyncio.Queue[Batch], batch: Batch
) -> None:
    loop.call_soon_threadsafe(batches.put_nowait, batch)


def run(components: LocalComponents) -> list[Row]:
    """Rows of the harness."""
    build()
    collect_seldom()
    kafka, url = components.kafka, components.clickhouse_url
    address = urlsplit(url)
    native_port = Server(url).rows("SELECT getServerPort('tcp_port')")[0][0]
    ids = [uuid4().bytes for _ in range(MESSAGES)]
    fill(kafka, ids)
    names = COLUMNS[Table.MESSAGES].names
    blocks = [ready_made(ids, start) for start in range(0, MESSAGES, limits.BLOCK_ROWS_MAX)]
    runs: list[Took] = []

    def sink() -> float:
        server = _fresh(url)
        took = asyncio.run(store_all(kafka, f"{url.rsplit('/', 1)[0]}/{server.database}"))
        runs.append(took)
        _drop(server)
        return MESSAGES / took.wall

    def driver() -> float:
        server = _fresh(url)
        client = Client(
            address.hostname,
            native_port,
            user=address.username,
            password=unquote(address.password or ""),
            database=server.database,
        )
        began_s = time.perf_counter()
        for block in blocks:
            client.execute(
                f"INSERT INTO messages ({', '.join(f'`{name}`' for name in names)}) VALUES",
                block,
                columnar=True,
            )
        took_s = time.perf_counter() - began_s
        client.disconnect()
        _drop(server)
        return MESSAGES / took_s

    seen = in_turns({"sink": sink, "driver": driver})
    return [
        Row(
            what="sink: Kafka → ClickHouse, exactly once",
            unit="rows/s",
            figure=seen["sink"],
            baseline="clickhouse-driver, the same columns ready-made, inserted in a loop",
            baseline_figure=seen["driver"],
            ratio_min=RATIO_MIN,
        ),
        Row(
            what="sink: CPU of the threads that run Python, wasm included",
            unit="µs a row",
            figure=Spread.of([took.python_cpu / MESSAGES * 1e6 for took in runs]),
            figure_max=CPU_US_MAX,
        ),
        Row(
            what="sink: CPU of its process, Kafka's client too",
            unit="µs a row",
            figure=Spread.of([took.cpu / MESSAGES * 1e6 for took in runs]),
        ),
    ]


def _fresh(url: str) -> Server:
    """A database of one run's own, with its tables."""
    server = Server(f"{url.rsplit('/', 1)[0]}/bench_{uuid4().hex[:8]}")
    migrate(server)
    return server


def _drop(server: Server) -> None:
    """Away with it, once everything was in it."""
    ((count,),) = server.rows("SELECT count() FROM messages")
    if count != MESSAGES:
        raise RuntimeError(f"{count} rows instead of {MESSAGES}")
    server.command(f"DROP DATABASE {server.database}")
    server.close()


def ready_made(ids: Sequence[bytes], start: int) -> list[list[object]]:
    """The columns of one block, as clickhouse-driver takes them fastest."""
    numbers = range(start, min(start + limits.BLOCK_ROWS_MAX, MESSAGES))
    ticks = [FIRST_MS + n for n in numbers]
    return [
        [DAPP] * len(numbers),
        [device(n) for n in numbers],
        ticks,
        [UUID(bytes=ids[n]) for n in numbers],
        [records.DEFAULT_EVENT_TYPE] * len(numbers),
        [payload(n) for n in numbers],
        [n % PARTITIONS for n in numbers],
        list(numbers),
        ticks,
    ]
