"""Kafka → safe_driving → results, on four partitions of one broker.

Ours: the node's execute stage as the node runs it, exactly once, a fresh instance an event. The
baseline: the same program the naive way (`naive_agent`), a fresh instance an event too, at least
once. Each runs in a process of its own, from a topic that was filled before; counted is from the
first messages through to the last, so neither start nor group joining weighs in.

Ours reads the records that an endpoint writes (it parses them and looks for repeats), the
baseline bare payloads, which spares it that.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import uuid4

import wasmtime

from streams.delivery.admin import ensure_topics
from streams.topics import TopicSpec, dapp_topics, messages
from tests.benchmarks import naive_agent, node_execute
from tests.benchmarks.engine import SMALL, naive_per_s, small_naive_check
from tests.benchmarks.figures import Check, Row, in_turns
from tests.benchmarks.load import Sample, drives, fill, safe_driving
from tests.benchmarks.node_execute import Work
from tests.benchmarks.own_process import in_own_process
from tests.local_components import LocalComponents

PARTITIONS: Final = 4
OURS_MESSAGES: Final = 300_000
NAIVE_MESSAGES: Final = {"fresh": 5_000, "kept": 8_000, "loop": 20_000}
NAIVE_TOPIC_MESSAGES: Final = 25_000
ENGINE_EVENTS: Final = 3_000
RATIO_MIN: Final = 15.0
FAUST_LOOP_PER_S: Final = 6_300  # design.md: Faust agent, `async for event`


def run(components: LocalComponents) -> list[Row]:
    """The pipeline against the naive one, fresh and kept."""
    servers = components.kafka
    kafka = {"bootstrap.servers": servers}
    samples = drives(OURS_MESSAGES)
    source, target = f"naive.{uuid4().hex}", f"naive.results.{uuid4().hex}"
    ensure_topics(kafka, [TopicSpec(target, PARTITIONS)])
    bare = [(one.device.encode(), one.payload) for one in samples[:NAIVE_TOPIC_MESSAGES]]
    fill(kafka, TopicSpec(source, PARTITIONS), bare)

    def naive(mode: naive_agent.Mode) -> Callable[[], float]:
        count = NAIVE_MESSAGES[mode]
        topics = (source, target)
        arguments = (naive_agent.events_per_s, servers, *topics, safe_driving(), mode, count)
        return partial(in_own_process, *arguments)

    small = bytes(wasmtime.wat2wasm(SMALL))
    engine = partial(in_own_process, naive_per_s)
    spreads = in_turns(
        {
            "naive": naive("fresh"),
            "ours": partial(_ours, kafka, samples),
            "kept": naive("kept"),
            "loop": naive("loop"),
            "small": partial(engine, small, "fresh", samples[:ENGINE_EVENTS]),
            "engine": partial(engine, safe_driving(), "fresh", samples[:ENGINE_EVENTS]),
        }
    )
    parts_per_s = 1 / (1 / spreads["loop"].median + 1 / spreads["engine"].median)
    checks = (
        Check("Faust agent, async for event", spreads["loop"].median, FAUST_LOOP_PER_S, "design"),
        small_naive_check("fresh", spreads["small"]),
        Check("both together", spreads["naive"].median, parts_per_s, "its parts in this run"),
    )
    what = "Kafka → safe_driving → results, exactly once, fresh instances"
    return [
        Row(
            what, "messages/s", spreads["ours"], "Faust agent, event by event, fresh instances",
            spreads["naive"], ratio_min=RATIO_MIN, checks=checks,
        ),
        Row(
            what, "messages/s", spreads["ours"], "Faust agent, event by event, one instance kept",
            spreads["kept"],
        ),
    ]  # fmt: skip


def _ours(kafka: dict[str, Any], samples: list[Sample]) -> float:
    return node_per_s(kafka, Work(safe_driving(), "fresh", "poa", PARTITIONS), samples)


def node_per_s(kafka: dict[str, Any], work: Work, samples: list[Sample]) -> float:
    """Messages a second of the node's execute stage in a process of its own, a Dapp of its own."""
    dapp = f"bench_{uuid4().hex[:12]}"
    ensure_topics(kafka, dapp_topics(dapp, work.partitions))
    records = [(one.device.encode(), one.record(number)) for number, one in enumerate(samples)]
    fill(kafka, TopicSpec(messages(dapp), work.partitions), records)
    servers = kafka["bootstrap.servers"]
    return in_own_process(node_execute.messages_per_s, servers, dapp, work, len(records))
