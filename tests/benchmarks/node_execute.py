"""The node's execute stage as `topologies.agents` wires it: in a Faust agent over batches."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from typing import Final, Literal

import uvloop
from prometheus_client import REGISTRY

from streams.clock import SystemClock
from streams.delivery.admin import ensure_topics
from streams.filesystem.store import FileStore
from streams.registry.entries import Dapp
from streams.registry.manifest import parse_manifest
from streams.registry.view import Registry
from streams.registry.writer import RegistryWriter
from streams.topics import node_topics
from topologies.agents import execute
from topologies.config import Settings
from topologies.node import collect_seldom
from topologies.stage import make_app
from topologies.wiring import Wiring

_POLL_S: Final = 0.02
_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """A program with handler ``start``, and how a manifest says it is run."""

    binary: bytes
    instance: Literal["fresh", "kept"]
    consensus: Literal["poa", "none"]
    partitions: int

    def dapp(self, name: str, files: FileStore) -> Dapp:
        """As the registry has it, its program in the file store."""
        manifest = parse_manifest(
            {
                "dapp": {
                    "name": name,
                    "consensus": self.consensus,
                    "partitions": self.partitions,
                },
                "program": {"file": "program.wasm", "instance": self.instance},
            },
            "benchmark",
        )
        return Dapp(manifest, files.put(self.binary))


@dataclass(frozen=True, slots=True)
class _Committed:
    """A look at the counters, which count what has been committed."""

    messages: float
    at_s: float


def messages_per_s(
    servers: str, name: str, work: Work, count: int, neighbour: tuple[str, Work] | None = None
) -> float:
    """Messages a second through ``messages.<name>``, which holds ``count`` of them: from the
    first transaction that committed to the last.

    ``neighbour``: a Dapp with messages of its own, all of which fail, that runs in the same
    process from before to after.

    Raises:
        TimeoutError: they did not come through.
    """

    async def measure() -> float:
        async with _stages(servers) as start:
            if neighbour is not None:
                await start(*neighbour, "0")
                await asyncio.wait_for(_until(neighbour[0], 1, "dead"), _LIMIT_S)
            await start(name, work, "0")
            return await asyncio.wait_for(_watch(name, count), _LIMIT_S)

    collect_seldom()
    return uvloop.run(measure())


def serve(servers: str, name: str, work: Work, slot: str, stop: Event) -> None:
    """Run messages through the program until ``stop`` is set."""

    async def wait() -> None:
        async with _stages(servers) as start:
            await start(name, work, slot)
            await asyncio.to_thread(stop.wait)

    collect_seldom()
    uvloop.run(wait())


@asynccontextmanager
async def _stages(servers: str) -> AsyncIterator[Callable[[str, Work, str], Awaitable[None]]]:
    """What starts the stage of a Dapp; all are stopped at the end."""
    with tempfile.TemporaryDirectory() as data:
        settings = Settings.load(data=data, kafka_bootstrap_servers=servers).with_local_addresses()
        kafka, files = dict(settings.kafka_config()), FileStore(settings.files_url)
        registry, writer = Registry(kafka), RegistryWriter(kafka)
        ensure_topics(kafka, node_topics())
        registry.start()
        app = make_app("bench")
        await app.start()
        app.flow_control.resume()  # as `topologies.node` does
        wiring = Wiring(settings, app, kafka, registry, files, SystemClock())
        stages = []

        async def start(name: str, work: Work, slot: str) -> None:
            dapp = work.dapp(name, files)
            registry.wait_for(writer.put(dapp))
            stages.append(execute(wiring, dapp, slot=slot))
            await stages[-1].start()

        try:
            yield start
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
