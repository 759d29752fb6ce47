"""Kafka → a small program → a result a message and a key set, beside Quix Streams.

Both exactly once, both with the program in wasm: ours is the node's execute stage, the baseline
an application that takes one event at a time (`quix_application`), in a Python of its own.
"""

import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

import wasmtime

from streams.delivery.admin import ensure_topics
from streams.topics import TopicSpec
from tests.benchmarks.engine import SMALL_WITH_RESULT
from tests.benchmarks.figures import Check, Row, in_turns
from tests.benchmarks.load import drives, fill
from tests.benchmarks.node_execute import Work
from tests.benchmarks.pipeline import PARTITIONS, node_per_s
from tests.local_components import LocalComponents

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = ROOT / "build" / "quix" / "bin" / "python"  # `make bench` installs it
MESSAGES: Final = 200_000
QUIX_MESSAGES: Final = {"kept": 12_000, "fresh": 5_000, "loop": 20_000}
QUIX_TOPIC_MESSAGES: Final = 25_000
KEPT_RATIO_MIN: Final = 35.0
FRESH_RATIO_MIN: Final = KEPT_RATIO_MIN / 2
# design.md: Quix Streams, exactly once, without and with wasm per event
LOOP_PER_S: Final = 14_000
KEPT_PER_S: Final = 4_200
_LIMIT_S: Final = 120.0


def run(components: LocalComponents) -> list[Row]:
    """Kept without consensus, and fresh with all roots."""
    if not PYTHON.exists():
        raise FileNotFoundError(f"{PYTHON}: Quix Streams is not installed; `make bench` does that")
    servers = components.kafka
    kafka = {"bootstrap.servers": servers}
    samples = drives(MESSAGES)
    source, target = f"quix.{uuid4().hex}", f"quix.results.{uuid4().hex}"
    ensure_topics(kafka, [TopicSpec(target, PARTITIONS)])
    bare = [(one.device.encode(), one.payload) for one in samples[:QUIX_TOPIC_MESSAGES]]
    fill(kafka, TopicSpec(source, PARTITIONS), bare)
    small = bytes(wasmtime.wat2wasm(SMALL_WITH_RESULT))
    quix = partial(_quix_per_s, servers, source, target, small)
    spreads = in_turns(
        {
            "kept": partial(node_per_s, kafka, Work(small, "kept", "none", PARTITIONS), samples),
            "quix kept": partial(quix, "kept"),
            "fresh": partial(node_per_s, kafka, Work(small, "fresh", "poa", PARTITIONS), samples),
            "quix fresh": partial(quix, "fresh"),
            "quix loop": partial(quix, "loop"),
        }
    )
    checks = (
        Check("Quix Streams, no wasm", spreads["quix loop"].median, LOOP_PER_S, "design"),
        Check("Quix Streams, wasm an event", spreads["quix kept"].median, KEPT_PER_S, "design"),
    )
    what = "Kafka → small program → results, exactly once"
    return [
        Row(
            f'{what}, kept, consensus "none"', "messages/s", spreads["kept"],
            "Quix Streams, wasm an event, kept", spreads["quix kept"],
            ratio_min=KEPT_RATIO_MIN, aim=True, checks=checks,
        ),
        Row(
            f"{what}, fresh, all roots", "messages/s", spreads["fresh"],
            "Quix Streams, wasm an event, fresh", spreads["quix fresh"],
            ratio_min=FRESH_RATIO_MIN,
        ),
    ]  # fmt: skip


def _quix_per_s(servers: str, source: str, target: str, binary: bytes, mode: str) -> float:
    count = str(QUIX_MESSAGES[mode])
    done = subprocess.run(
        [
            PYTHON, "-W", "ignore", "-m", "tests.benchmarks.quix_application",
            servers, source, target, mode, count,
        ],
        input=binary,
        stdout=subprocess.PIPE,
        timeout=_LIMIT_S,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return float(done.stdout.split()[-1])
