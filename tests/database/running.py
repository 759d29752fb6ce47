"""A sink at work: within a test, or as a process of its own that can be killed.

python -m tests.database.running KAFKA CLICKHOUSE_URL GROUP BLOCK_ROWS TOPIC…
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from streams.clock import SystemClock
from streams.database.sink import Store
from streams.delivery.batch import Batch
from streams.delivery.reader import BatchReader

DEADLINE_S = 60.0


class RunningSink:
    """A store and the reader that feeds it."""

    def __init__(self, store: Store, reader: BatchReader) -> None:
        self.store = store
        self.reader = reader
        self.failure: BaseException | None = None
        self.failed = asyncio.Event()

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Return when the condition holds; raises what stopped the sink, if something did."""
        clock = SystemClock()
        end_s = clock.monotonic_s() + DEADLINE_S
        while not await asyncio.to_thread(condition):
            if self.failure is not None:
                raise self.failure
            assert clock.monotonic_s() < end_s, f"waited {DEADLINE_S:.0f} s for {what}"
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running_sink(
    kafka: str,
    url: str,
    group: str,
    topics: Sequence[str],
    *,
    instance_id: str | None = None,
    block_rows_max: int = 1_000,
    repeat_window_messages: int = 1_000,
) -> AsyncIterator[RunningSink]:
    """A sink that stores these topics until the block is left."""
    config = {"bootstrap.servers": kafka}
    batches: asyncio.Queue[Batch] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    store = Store(
        config,
        url,
        block_rows_max=block_rows_max,
        block_wait_ms=50,
        repeat_window_messages=repeat_window_messages,
    )

    def emit(batch: Batch) -> None:
        loop.call_soon_threadsafe(batches.put_nowait, batch)

    def failed(error: BaseException) -> None:
        running.failure = error
        loop.call_soon_threadsafe(running.failed.set)
        print(f"the sink failed: {error!r}", file=sys.stderr)

    reader = BatchReader(config, group, topics, emit, store, instance_id=instance_id)
    running = RunningSink(store, reader)
    store.bind(reader)

    async def pump() -> None:
        while True:
            batch = await batches.get()
            try:
                await store.write(batch)
            except Exception as error:
                failed(error)
                return
            reader.release()

    await store.start()
    reader.start(failed)
    pumping = asyncio.create_task(pump())
    try:
        yield running
    finally:
        pumping.cancel()
        await store.close()
        await asyncio.to_thread(reader.stop)


async def _serve(
    kafka: str, url: str, group: str, instance_id: str, block_rows: str, *topics: str
) -> None:
    while True:  # until killed; a sink that fails is made anew, as a node does
        async with running_sink(
            kafka,
            url,
            group,
            topics,
            instance_id=instance_id or None,
            block_rows_max=int(block_rows),
        ) as running:
            await running.failed.wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
