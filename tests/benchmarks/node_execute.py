"""The node's execute stage as `topologies.agents` wires it: in a Faust agent over batches."""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from typing import Final

import uvloop
import wasmtime
from prometheus_client import REGISTRY

from streams.clock import SystemClock
from streams.delivery.admin import ensure_topics
from streams.filesystem.store import FileStore
from streams.registry.entries import Dapp
from streams.registry.manifest import load_manifest
from streams.registry.view import Registry
from streams.registry.writer import RegistryWriter
from streams.topics import node_topics
from tests.benchmarks.load import PROGRAM, safe_driving
from topologies.agents import execute
from topologies.config import Settings
from topologies.stage import make_app
from topologies.wiring import Wiring

LOOPING: Final = """(module
  (memory (export "memory") 1)
  (func (export "start") (param i32) (result i32) (loop $l (br $l)) (i32.const 0)))"""
_POLL_S: Final = 0.02
_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Committed:
    """A look at the counters, which count what has been committed."""

    messages: float
    at_s: float


def messages_per_s(servers: str, name: str, count: int, neighbour: str | None = None) -> float:
    """Messages a second through ``messages.<name>``, which holds ``count`` of them: from the
    first transaction that committed to the last.

    ``neighbour``: a Dapp with messages of its own, which runs in the same process from before to
    after, and loops for ever on each of them.

    Raises:
        TimeoutError: they did not come through.
    """
    with tempfile.TemporaryDirectory() as data:
        settings = Settings.load(data=data, kafka_bootstrap_servers=servers).with_local_addresses()
        return uvloop.run(_measure(settings, name, count, neighbour))


async def _measure(settings: Settings, name: str, count: int, neighbour: str | None) -> float:
    kafka, files = dict(settings.kafka_config()), FileStore(settings.files_url)
    registry, writer = Registry(kafka), RegistryWriter(kafka)
    ensure_topics(kafka, node_topics())
    registry.start()
    app = make_app("bench")
    await app.start()
    app.flow_control.resume()  # as `topologies.node` does
    wiring = Wiring(settings, app, kafka, registry, files, SystemClock())
    stages = []

    async def start(dapp: str, binary: bytes) -> None:
        manifest, _ = load_manifest(PROGRAM)
        section = manifest.dapp.model_copy(update={"name": dapp})
        changed = manifest.model_copy(update={"dapp": section})
        entry = Dapp(changed, files.put(binary))
        registry.wait_for(writer.put(entry))
        stages.append(execute(wiring, entry, slot="0"))
        await stages[-1].start()

    try:
        if neighbour is not None:
            await start(neighbour, bytes(wasmtime.wat2wasm(LOOPING)))
            await asyncio.wait_for(_until(neighbour, 1, "dead"), _LIMIT_S)
        await start(name, safe_driving())
        return await asyncio.wait_for(_watch(name, count), _LIMIT_S)
    finally:
        await asyncio.gather(*(stage.stop() for stage in stages))
        await app.stop()
        registry.close()


async def _watch(name: str, count: int) -> float:
    first = await _until(name, 1)
    last = await _until(name, count)
    return (last.messages - first.messages) / (last.at_s - first.at_s)


async def _until(name: str, count: int, outcome: str = "processed") -> _Committed:
    labels = {"dapp": name, "outcome": outcome}
    while True:
        seen = REGISTRY.get_sample_value("w3b_execute_messages_total", labels) or 0
        if seen >= count:
            return _Committed(seen, time.perf_counter())
        await asyncio.sleep(_POLL_S)
