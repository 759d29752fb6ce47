"""Workers of one Dapp: what a second one adds, what a message costs, how long it takes.

The workers are the node's execute stage, each in a process of its own. For throughput their
messages lie ready in a transaction that is still open; once the group has settled it is
committed, and the clock runs until the group's offsets have passed them all. So neither start
nor group joining weighs in. CPU is that of the workers' processes and of the broker.

For latency messages are produced at a steady rate, a tenth of what one worker just reached, and
two moments of each are compared: when Kafka acknowledged it, and when its result had been read
from the topic by a consumer that waits for committed transactions.
"""

import math
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import wasmtime
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from streams.delivery.admin import ensure_topics
from streams.records import decode_output
from streams.topics import dapp_topics, messages, results
from tests.benchmarks import node_execute
from tests.benchmarks.engine import SMALL_WITH_RESULT
from tests.benchmarks.figures import RUNS, Row, Spread
from tests.benchmarks.load import Sample, drives
from tests.benchmarks.node_execute import Work
from tests.local_components import LocalComponents

PARTITIONS: Final = 2
MESSAGES: Final = 200_000
LATENCY_MESSAGES_MAX: Final = 60_000
LATENCY_S: Final = 5.0
SECOND_WORKER_MIN: Final = 1.3
SECOND_WORKER_CPU_MAX: Final = 1.1
LATENCY_MS_MAX: Final = 250.0
_LIMIT_S: Final = 60.0
_LOOK_S: Final = 0.02
_TICK_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Measured:
    """One run over messages that lay ready."""

    per_s: float
    cpu_us: float  # a message, workers and broker


def run(components: LocalComponents) -> list[Row]:
    """One worker and two in turns, then latencies with one."""
    kafka = {"bootstrap.servers": components.kafka}
    broker = next(one for one in psutil.Process().children(recursive=True) if "java" in one.name())
    work = Work(bytes(wasmtime.wat2wasm(SMALL_WITH_RESULT)), "kept", "none", PARTITIONS)
    samples = drives(MESSAGES)
    one, two = [], []
    for _ in range(RUNS):
        one.append(_throughput(kafka, broker, work, samples, workers=1))
        two.append(_throughput(kafka, broker, work, samples, workers=2))
    alone = Spread.of([each.per_s for each in one])
    rate = alone.median / 10
    p99s = [_latency_p99_ms(kafka, work, samples, rate) for _ in range(RUNS)]
    return [
        Row(
            "two workers, two partitions, small program", "messages/s",
            Spread.of([each.per_s for each in two]), "one worker, two partitions", alone,
            ratio_min=SECOND_WORKER_MIN, aim=True,
        ),
        Row(
            "two workers: CPU of workers and broker", "µs a message",
            Spread.of([each.cpu_us for each in two]), "one worker",
            Spread.of([each.cpu_us for each in one]), ratio_max=SECOND_WORKER_CPU_MAX, aim=True,
        ),
        Row(
            "acknowledged → result on the topic, 99 of 100", "ms", Spread.of(p99s),
            figure_max=LATENCY_MS_MAX, note=f"at {rate:,.0f} messages/s, a tenth of full load",
        ),
    ]  # fmt: skip


def _throughput(
    kafka: dict[str, Any], broker: psutil.Process, work: Work, samples: list[Sample], workers: int
) -> Measured:
    name = f"bench_{uuid4().hex[:12]}"
    ensure_topics(kafka, dapp_topics(name, PARTITIONS))
    producer = Producer(
        {
            **kafka, "transactional.id": name, "transaction.timeout.ms": 300_000,
            "queue.buffering.max.messages": MESSAGES + 1, "linger.ms": 20,
        }
    )  # fmt: skip
    producer.init_transactions(30)
    producer.begin_transaction()
    records = [
        {"key": one.device.encode(), "value": one.record(number)}
        for number, one in enumerate(samples)
    ]
    for partition in range(PARTITIONS):  # evenly: this is about workers, not about keys
        part = records[partition::PARTITIONS]
        assert producer.produce_batch(messages(name), part, partition=partition) == len(part)
    if producer.flush(60):
        raise TimeoutError("Kafka did not take the messages")
    with _workers(kafka, name, work, workers) as processes:
        used_s = _cpu_s([broker, *processes])
        started_s = time.perf_counter()
        producer.commit_transaction(30)
        _wait_for_offsets(kafka, name, len(samples) // PARTITIONS)
        took_s = time.perf_counter() - started_s
        used_s = _cpu_s([broker, *processes]) - used_s
    return Measured(len(samples) / took_s, used_s / len(samples) * 1e6)


@contextmanager
def _workers(
    kafka: dict[str, Any], name: str, work: Work, count: int
) -> Iterator[list[psutil.Process]]:
    """Workers that have each got their share of the partitions."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    servers = kafka["bootstrap.servers"]
    running = [
        context.Process(target=node_execute.serve, args=(servers, name, work, str(slot), stop))
        for slot in range(count)
    ]
    for process in running:
        process.start()
    try:
        _wait_for_members(kafka, name, count)
        yield [psutil.Process(process.pid) for process in running]
    finally:
        stop.set()
        for process in running:
            process.join(_LIMIT_S)


def _wait_for_members(kafka: dict[str, Any], name: str, count: int) -> None:
    admin = AdminClient(kafka)
    group, share = f"execute.{name}", PARTITIONS // count
    deadline_s = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline_s:
        try:
            described = admin.describe_consumer_groups([group])[group].result()
        except KafkaException:
            described = None
        if described is not None:
            has = [len(one.assignment.topic_partitions) for one in described.members]
            if has == [share] * count:
                time.sleep(1)  # they have been told; now they restore their partitions
                return
        time.sleep(0.1)
    raise TimeoutError(f"{group}: its members did not share the partitions")


def _wait_for_offsets(kafka: dict[str, Any], name: str, least: int) -> None:
    """Until the group's offset in every partition is at least this."""
    admin = AdminClient(kafka)
    group = f"execute.{name}"
    places = [TopicPartition(messages(name), at) for at in range(PARTITIONS)]
    deadline_s = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline_s:
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
        found = asked[group].result().topic_partitions
        if all(place.offset >= least for place in found):
            return
        time.sleep(_LOOK_S)
    raise TimeoutError(f"{group} did not come to offset {least:,}")


def _cpu_s(processes: list[psutil.Process]) -> float:
    return float(sum(sum(one.cpu_times()[:2]) for one in processes))


def _latency_p99_ms(
    kafka: dict[str, Any], work: Work, samples: list[Sample], per_s: float
) -> float:
    name = f"bench_{uuid4().hex[:12]}"
    ensure_topics(kafka, dapp_topics(name, PARTITIONS))
    consumer = Consumer({**kafka, "group.id": name, "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(results(name), at, 0) for at in range(PARTITIONS)])
    producer = Producer({**kafka, "acks": "all", "linger.ms": 1})
    acknowledged_s: dict[int, float] = {}
    seen_s: dict[int, float] = {}
    count = min(int(per_s * LATENCY_S), LATENCY_MESSAGES_MAX, len(samples))

    def note(number: int) -> Any:
        def on_delivery(error: Any, _: Message) -> None:
            assert error is None, error
            acknowledged_s[number] = time.perf_counter()

        return on_delivery

    def read(wait_s: float) -> None:
        some = consumer.consume(10_000, wait_s)
        now_s = time.perf_counter()
        for one in some:
            number = int.from_bytes(decode_output(one.value() or b"").message_id, "big")
            seen_s[number] = now_s

    with _workers(kafka, name, work, 1):
        began_s = time.perf_counter()
        sent = 0
        while len(seen_s) < count:
            due = min(int((time.perf_counter() - began_s) * per_s), count)
            for number in range(sent, due):
                one = samples[number]
                producer.produce(
                    messages(name), one.record(number), one.device.encode(),
                    on_delivery=note(number),
                )  # fmt: skip
            sent = due
            producer.poll(0)
            read(_TICK_S)
            if time.perf_counter() - began_s > _LIMIT_S:
                raise TimeoutError(f"{len(seen_s):,} of {count:,} results came")
        producer.flush(10)
    consumer.close()
    took = sorted(seen_s[number] - acknowledged_s[number] for number in range(count))
    return took[math.ceil(0.99 * count) - 1] * 1e3
