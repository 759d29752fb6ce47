"""A stage of the path: one part of a room, fed by one Faust agent.

Faust is what starts, supervises and stops agents; Kafka it does not touch here. Its own consumer
acknowledges what failed and commits past what is in flight, and its tables change state outside
the transaction (ARCHITECTURE.md); so a part reads Kafka in batches on a thread of its own, and
the agent iterates over a channel of batches.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, runtime_checkable

import faust
from faust.app.base import BootStrategy
from mode import Service

from streams import metrics
from streams.delivery.batch import Batch
from topologies.back_off import BackOff

log = logging.getLogger(__name__)

_PAUSE_S_MAX: Final = 2.0  # before a part is made anew: Kafka may be back long before

Emit = Callable[[Batch], None]
OnFailure = Callable[[BaseException], None]


class Part(Protocol):
    """What a stage runs. Batches are emitted on a thread of its own and processed one by one."""

    @property
    def trouble(self) -> str | None:
        """Why it waits, or None while all is well."""
        ...

    async def start(self, on_failure: OnFailure) -> None:
        """Begin to emit; ``on_failure`` is told, on any thread, when emitting ends."""
        ...

    async def process(self, batch: Batch) -> None:
        """Deal with one batch. An exception means: make a new part."""
        ...

    async def stop(self) -> None:
        """Finish what is at work and let go. Also called when `start` failed."""
        ...


@runtime_checkable
class OfAllDapps(Protocol):
    """A part that reads the topics of all Dapps."""

    async def subscribe(self, dapps: Sequence[str]) -> None:
        """Read these Dapps' topics from now on."""
        ...


class Blocking(Protocol):
    """A part whose work blocks, as most of `streams` does."""

    def start(self, on_failure: OnFailure) -> None:
        """As `Part.start`."""
        ...

    def process(self, batch: Batch) -> None:
        """As `Part.process`."""
        ...

    def stop(self) -> None:
        """As `Part.stop`."""
        ...


class InThreads:
    """A part whose work blocks, on threads of its own: one that is stuck holds up no other."""

    def __init__(self, part: Blocking) -> None:
        self._part = part
        self._threads = ThreadPoolExecutor(2)  # one to work, one to stop it

    @property
    def trouble(self) -> str | None:
        """Why it waits, or None."""
        return None

    async def start(self, on_failure: OnFailure) -> None:
        """Begin to emit."""
        await self._run(self._part.start, on_failure)

    async def process(self, batch: Batch) -> None:
        """Deal with one batch."""
        await self._run(self._part.process, batch)

    async def stop(self) -> None:
        """Finish what is at work and let go."""
        await self._run(self._part.stop)
        self._threads.shutdown(wait=False)

    async def _run(self, call: Callable[..., None], *arguments: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)


class _WithoutKafka(BootStrategy):  # type: ignore[misc]
    enable_kafka = False


class NodeApp(faust.App):  # type: ignore[misc]
    """Faust for agents only; this module's docstring says why Kafka is not its business."""

    BootStrategy = _WithoutKafka


def make_app(name: str) -> NodeApp:
    """An app whose agents read channels; no broker is contacted."""
    return NodeApp(name, broker="kafka://", web_enabled=False, topic_disable_leader=True)


class Stage(Service):  # type: ignore[misc]
    """Runs a part; when it fails, makes a new one after a pause, for as long as it is wanted."""

    def __init__(self, app: NodeApp, name: str, make: Callable[[Emit], Part]) -> None:
        """``make`` builds the part, which is handed where its batches go. It may block."""
        super().__init__()
        self.name = name
        self.part: Part | None = None  # while it is well
        self._trouble: str | None = "starting"
        self._app = app
        self._make = make
        self._attempts = 0
        stage, _, dapp = name.partition(".")
        self._failures = metrics.STAGE_FAILURES.labels(stage, dapp)
        self._well_at_s: float | None = None  # by the loop's clock; None until its part has started

    @property
    def label(self) -> str:
        """What Faust's logs call it."""
        return f"stage {self.name}"

    @property
    def trouble(self) -> str | None:
        """Why it is not well, or None."""
        return self._trouble or (self.part.trouble if self.part is not None else None)

    async def on_start(self) -> None:
        """Run in the background."""
        self._runner = asyncio.create_task(self._keep_running())

    async def on_stop(self) -> None:
        """Let the part finish."""
        self._runner.cancel()
        await asyncio.gather(self._runner, return_exceptions=True)

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        back_off = BackOff(_PAUSE_S_MAX)
        while True:
            self._well_at_s = None
            try:
                await self._run_once()
            except Exception as error:
                log.error("%s failed, starting it anew: %s", self.name, error, exc_info=error)
                self._failures.inc()
                self._trouble = f"{type(error).__name__}: {error}"
            well_s = 0.0 if self._well_at_s is None else loop.time() - self._well_at_s
            await asyncio.sleep(back_off.pause_s(well_s))

    async def _run_once(self) -> None:
        """From a part's making to its failure, which is raised."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()
        channel = self._app.channel()

        def fail(error: BaseException) -> None:
            if not failed.done():
                failed.set_exception(error)

        def fail_soon(error: BaseException) -> None:
            loop.call_soon_threadsafe(fail, error)

        def emit(batch: Batch) -> None:
            asyncio.run_coroutine_threadsafe(channel.put(batch), loop)

        self._attempts += 1
        part = await asyncio.to_thread(self._make, emit)
        agent = self._app.agent(channel, name=f"{self.name}.{self._attempts}")(_body(part, fail))
        await agent.maybe_start()
        try:
            await part.start(fail_soon)
            self.part, self._trouble, self._well_at_s = part, None, loop.time()
            await failed
        finally:
            self.part = None
            await part.stop()
            await agent.stop()
            self._app.agents.pop(agent.name, None)


def _body(part: Part, fail: OnFailure) -> Any:
    async def body(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            try:
                await part.process(batch)
            except Exception as error:
                # Faust would restart the agent and lose the batch; the stage starts anew from
                # what is committed.
                fail(error)
                return

    return body
