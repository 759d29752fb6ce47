"""The wiring of a node, on one page and in the order of a message's path.

Each function is a stage: where its batches come from, what deals with them, where what comes
out goes. `topologies.stage` gives each a Faust agent; `topologies.node` decides which run where.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from streams import topics
from streams.chain.deployment import Deployment
from streams.chain.submit import Submit
from streams.clock import Clock
from streams.consensus.agree import Agree
from streams.consensus.worker import AgreeWorker
from streams.database.sink import Store
from streams.database.sources import dapp_sources
from streams.delivery.batch import Batch, Position
from streams.delivery.reader import BatchReader
from streams.execution.program import Program, load
from streams.execution.worker import Worker
from streams.filesystem.store import FileStore
from streams.registry.entries import Dapp
from streams.registry.view import Registry
from topologies.programs import specification_of
from topologies.stage import Emit, NodeApp, OnFailure, Part, Stage


@dataclass(frozen=True, slots=True)
class Wiring:
    """What all stages of a process share."""

    app: NodeApp
    kafka: dict[str, Any]
    registry: Registry
    files: FileStore
    clock: Clock

    def dapps(self) -> list[str]:
        """The names of the Dapps that the node serves."""
        return [dapp.name for dapp in self.registry.dapps()]

    def partitions(self, dapp: str) -> int:
        """How many partitions a Dapp's topics have.

        Raises:
            LookupError: the node does not serve it.
        """
        found = self.registry.dapp(dapp)
        if found is None:
            raise LookupError(f"the node does not serve {dapp}")
        return found.manifest.dapp.partitions


def execute(wiring: Wiring, dapp: Dapp, slot: str) -> Stage:
    """messages.<dapp> → its program → results, state, claims, effects, dead letters."""

    def make(emit: Emit) -> Part:
        program = load_program(wiring.files, dapp)
        return _InThreads(Worker(wiring.kafka, dapp.name, program, slot, emit))

    return Stage(wiring.app, f"execute.{dapp.name}", make)


def store(wiring: Wiring, clickhouse_url: str) -> Stage:
    """messages, results, claims, dead letters of all Dapps, and proofs → ClickHouse."""
    return Stage(wiring.app, "store", lambda emit: _Storing(wiring, clickhouse_url, emit))


def agree(wiring: Wiring, secret: bytes, deployment: Deployment) -> Stage:
    """claims of all Dapps → what the authorities sign → proofs."""

    def make(emit: Emit) -> Part:
        protocol = Agree(secret, deployment.domain(), wiring.partitions, wiring.clock)
        return _Agreeing(AgreeWorker(wiring.kafka, wiring.dapps(), protocol, emit))

    return Stage(wiring.app, "agree", make)


def submit(wiring: Wiring, make_submit: Any) -> Stage:
    """proofs → transactions on the chain."""
    return Stage(wiring.app, "submit", lambda emit: _Submitting(wiring, make_submit(), emit))


def load_program(files: FileStore, dapp: Dapp) -> Program:
    """A Dapp's program from the file store, compiled as its manifest says.

    Raises:
        BlobError: it is not there. ProgramError: it cannot be served.
    """
    return load(files.get(dapp.program_sha256), specification_of(dapp.manifest))


@runtime_checkable
class OfAllDapps(Protocol):
    """A part that reads the topics of all Dapps."""

    async def subscribe(self, dapps: Sequence[str]) -> None:
        """Read these Dapps' topics from now on."""
        ...


class _InThreads:
    """A part whose work blocks."""

    def __init__(self, part: Worker | AgreeWorker) -> None:
        self._part = part

    async def start(self, on_failure: OnFailure) -> None:
        await asyncio.to_thread(self._part.start, on_failure)

    async def process(self, batch: Batch) -> None:
        await asyncio.to_thread(self._part.process, batch)

    async def stop(self) -> None:
        await asyncio.to_thread(self._part.stop)


class _Agreeing(_InThreads):
    """Agreement over the claims of all Dapps."""

    def __init__(self, part: AgreeWorker) -> None:
        super().__init__(part)
        self._worker = part

    async def subscribe(self, dapps: Sequence[str]) -> None:
        self._worker.subscribe(dapps)


class _Storing:
    """The sink and its reader."""

    def __init__(self, wiring: Wiring, clickhouse_url: str, emit: Emit) -> None:
        self._wiring = wiring
        self._store = Store(wiring.kafka, clickhouse_url, clock=wiring.clock)
        self._reader = BatchReader(
            wiring.kafka, "store", self._topics(wiring.dapps()), emit, self._store,
            instance_id="store",
        )  # fmt: skip
        self._store.bind(self._reader)

    async def start(self, on_failure: OnFailure) -> None:
        await self._store.start()
        await self._ensure_views()
        self._reader.on_failure = on_failure
        self._reader.start()

    async def process(self, batch: Batch) -> None:
        try:
            await self._store.write(batch)
        finally:
            self._reader.release()

    async def stop(self) -> None:
        await self._store.close()
        await asyncio.to_thread(self._reader.stop)

    async def subscribe(self, dapps: Sequence[str]) -> None:
        """Store what these Dapps have from now on."""
        await self._ensure_views()
        self._reader.subscribe(self._topics(dapps))

    async def _ensure_views(self) -> None:
        for dapp in self._wiring.registry.dapps():
            await self._store.ensure_view(dapp.name, dapp.manifest.results.columns)

    @staticmethod
    def _topics(dapps: Sequence[str]) -> list[str]:
        return [topics.PROOFS, *(topic for dapp in dapps for topic in dapp_sources(dapp))]


class _Submitting:
    """The submitter, whose journal remembers how far it has read, and its reader."""

    def __init__(self, wiring: Wiring, submitting: Submit, emit: Emit) -> None:
        self._submit = submitting
        self._reader = BatchReader(
            wiring.kafka, "submit", [topics.PROOFS], emit, self, instance_id="submit"
        )
        self._work: asyncio.Task[None] | None = None

    async def start(self, on_failure: OnFailure) -> None:
        self._reader.on_failure = on_failure
        self._work = asyncio.create_task(self._submit.run())
        self._work.add_done_callback(lambda work: _report(work, on_failure))
        self._reader.start()

    async def process(self, batch: Batch) -> None:
        try:
            await self._submit.take(batch.slices)
        finally:
            self._reader.release()

    async def stop(self) -> None:
        await asyncio.to_thread(self._reader.stop)
        await asyncio.to_thread(self._submit.close)
        if self._work is not None:
            await asyncio.gather(self._work, return_exceptions=True)

    def assigned(self, committed: Sequence[Position]) -> Sequence[Position]:
        """The journal knows better than Kafka: it has what was taken."""
        return [Position(one.topic, one.partition, self._submit.position) for one in committed]

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        """What was taken is on disk."""


def _report(work: "asyncio.Task[None]", on_failure: OnFailure) -> None:
    if not work.cancelled() and (error := work.exception()) is not None:
        on_failure(error)
