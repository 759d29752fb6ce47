"""One Dapp's throughput beside another in the same process that loops for ever on every event.

The steady one is `safe_driving`, as in `pipeline`; the other has as many partitions, each with
messages enough to loop on from before the measurement until after it, each time up to its fuel.
"""

from dataclasses import replace
from functools import partial
from typing import Final
from uuid import uuid4

import wasmtime

from streams.delivery.admin import ensure_topics
from streams.topics import TopicSpec, dapp_topics, messages
from tests.benchmarks import node_execute
from tests.benchmarks.figures import Row, in_turns
from tests.benchmarks.load import Sample, drives, fill, safe_driving
from tests.benchmarks.node_execute import Work
from tests.benchmarks.own_process import in_own_process
from tests.local_components import LocalComponents

LOOPING: Final = """(module
  (memory (export "memory") 1)
  (func (export "start") (param i32) (result i32) (loop $l (br $l)) (i32.const 0)))"""
PARTITIONS: Final = 4
MESSAGES: Final = 300_000
LOOPS: Final = 4_000
RATIO_MIN: Final = 0.7


def run(components: LocalComponents) -> list[Row]:
    """With the neighbour and without, in turns."""
    samples = drives(MESSAGES)
    spreads = in_turns(
        {
            "alone": partial(_messages_per_s, components.kafka, samples, False),
            "beside": partial(_messages_per_s, components.kafka, samples, True),
        }
    )
    return [
        Row(
            "Kafka → safe_driving → results, beside a Dapp that loops on every event", "messages/s",
            spreads["beside"], "the same alone", spreads["alone"], ratio_min=RATIO_MIN,
        )
    ]  # fmt: skip


def _messages_per_s(servers: str, samples: list[Sample], is_beside: bool) -> float:
    steady = Work(safe_driving(), "fresh", "poa", PARTITIONS)
    looping = replace(steady, binary=bytes(wasmtime.wat2wasm(LOOPING)))
    name = _dapp(servers, samples)
    beside = (_dapp(servers, samples[:LOOPS]), looping) if is_beside else None
    measure = node_execute.messages_per_s
    return in_own_process(measure, servers, name, steady, len(samples), beside)


def _dapp(servers: str, samples: list[Sample]) -> str:
    name = f"bench_{uuid4().hex[:12]}"
    kafka = {"bootstrap.servers": servers}
    ensure_topics(kafka, dapp_topics(name, PARTITIONS))
    records = [(one.device.encode(), one.record(number)) for number, one in enumerate(samples)]
    fill(kafka, TopicSpec(messages(name), PARTITIONS), records)
    return name
