"""Kafka → a small program → a result a message and a key set, on four partitions of one broker.

Ours is the node's execute stage, exactly once, keyed state with rollback. Beside it, in the same
run: the naive Faust agent with the same program in wasm (`naive_agent`: at least once, state in
a dict), and the bare loop (`bare_loop`: the same transactions with no program in between).
"""

from functools import partial
from typing import Final
from uuid import uuid4

import wasmtime

from streams.delivery.admin import ensure_topics
from streams.topics import TopicSpec
from tests.benchmarks import bare_loop, naive_agent
from tests.benchmarks.engine import SMALL_WITH_RESULT
from tests.benchmarks.figures import Check, Row, in_turns
from tests.benchmarks.load import drives, fill
from tests.benchmarks.node_execute import Work
from tests.benchmarks.own_process import in_own_process
from tests.benchmarks.pipeline import PARTITIONS, node_per_s
from tests.local_components import LocalComponents

MESSAGES: Final = 200_000
NAIVE_MESSAGES: Final = {"kept": 10_000, "fresh": 5_000}
NAIVE_TOPIC_MESSAGES: Final = 25_000
KEPT_OVER_FAUST_MIN: Final = 40.0
KEPT_OVER_BARE_MIN: Final = 0.6
BARE_PER_S: Final = 195_000  # design.md: consume, produce_batch, offsets in one transaction


def run(components: LocalComponents) -> list[Row]:
    """Kept without consensus, and fresh with all roots, each against both baselines."""
    servers = components.kafka
    kafka = {"bootstrap.servers": servers}
    samples = drives(MESSAGES)
    source, target = f"bare.{uuid4().hex}", f"bare.results.{uuid4().hex}"
    naive_source = f"naive.{uuid4().hex}"
    ensure_topics(kafka, [TopicSpec(target, PARTITIONS)])
    records = [(one.device.encode(), one.record(number)) for number, one in enumerate(samples)]
    fill(kafka, TopicSpec(source, PARTITIONS), records)
    bare = [(one.device.encode(), one.payload) for one in samples[:NAIVE_TOPIC_MESSAGES]]
    fill(kafka, TopicSpec(naive_source, PARTITIONS), bare)

    small = bytes(wasmtime.wat2wasm(SMALL_WITH_RESULT))
    naive = partial(in_own_process, naive_agent.events_per_s, servers, naive_source, target, small)
    kept, fresh = (
        Work(small, "kept", "none", PARTITIONS),
        Work(small, "fresh", "poa", PARTITIONS),
    )
    spreads = in_turns(
        {
            "kept": partial(node_per_s, kafka, kept, samples),
            "bare": partial(
                in_own_process, bare_loop.messages_per_s, servers, source, target, MESSAGES
            ),
            "fresh": partial(node_per_s, kafka, fresh, samples),
            "naive kept": partial(naive, "kept", NAIVE_MESSAGES["kept"]),
            "naive fresh": partial(naive, "fresh", NAIVE_MESSAGES["fresh"]),
        }
    )
    bare_check = Check("bare loop", spreads["bare"].median, BARE_PER_S, "design")
    rows = []
    for mode, how, share in (
        ("kept", 'kept, consensus "none"', 1.0),
        ("fresh", "fresh, all roots", 0.5),
    ):
        what = f"Kafka → small program → results, exactly once, {how}"
        rows += [
            Row(
                what, "messages/s", spreads[mode], f"Faust agent, wasm an event, {mode}",
                spreads[f"naive {mode}"], ratio_min=KEPT_OVER_FAUST_MIN * share,
            ),
            Row(
                what, "messages/s", spreads[mode], "bare loop, no wasm", spreads["bare"],
                ratio_min=KEPT_OVER_BARE_MIN * share, checks=(bare_check,),
            ),
        ]  # fmt: skip
    return rows
