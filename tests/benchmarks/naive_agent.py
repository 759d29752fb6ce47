"""The naive pipeline: a Faust agent that takes one event at a time.

Faust reads Kafka itself, as its documentation has it, and the agent runs the program on each
event and sends each result. It is spared what would slow it further: no Faust tables (state is a
dict that a crash forgets), no transactions (results may double), bare payloads instead of
records, uvloop, no web server.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import uuid4

import faust
import uvloop

from tests.benchmarks.naive import NaiveEngine

_WARM_EVENTS: Final = 200  # before the clock starts: joining the group is not measured
_LIMIT_S: Final = 60.0

Mode = Literal["fresh", "kept", "loop"]


@dataclass
class _Meter:
    """Notes when the first counted event came and when the last one was done."""

    count: int
    done: asyncio.Event
    seen: int = 0
    began_s: float = 0.0
    ended_s: float = 0.0

    def tick(self) -> None:
        self.seen += 1
        if self.seen == _WARM_EVENTS:
            self.began_s = time.perf_counter()
        elif self.seen == _WARM_EVENTS + self.count:
            self.ended_s = time.perf_counter()
            self.done.set()

    @property
    def per_s(self) -> float:
        return self.count / (self.ended_s - self.began_s)


def events_per_s(
    servers: str, source: str, target: str, binary: bytes, mode: Mode, count: int
) -> float:
    """Events a second over ``count`` events, the program's instance fresh or kept.

    ``loop``: the agent does nothing with an event but count it.

    Raises:
        TimeoutError: they did not come through.
    """
    return uvloop.run(_measure(servers, source, target, binary, mode, count))


async def _measure(
    servers: str, source: str, target: str, binary: bytes, mode: Mode, count: int
) -> float:
    meter = _Meter(count, asyncio.Event())
    app = faust.App(
        f"naive-{uuid4().hex}",
        broker=f"kafka://{servers}",
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        web_enabled=False,
    )
    messages = app.topic(source, value_serializer="raw", key_serializer="raw")
    results = app.topic(target, value_serializer="raw", key_serializer="raw")
    if mode == "loop":
        body = _counting(meter)
    else:
        engine = NaiveEngine(binary, kept=mode == "kept", host_logs=False)
        body = _running(meter, results, engine)
    app.agent(messages, name="naive")(body)
    await app.start()
    try:
        await asyncio.wait_for(meter.done.wait(), _LIMIT_S)
    finally:
        await app.stop()
    return meter.per_s


def _counting(meter: _Meter) -> Callable[..., Any]:
    async def count(events: AsyncIterable[bytes]) -> None:
        async for _ in events:
            meter.tick()

    return count


def _running(meter: _Meter, results: Any, engine: NaiveEngine) -> Callable[..., Any]:
    async def run(stream: Any) -> None:
        async for event in stream.events():
            key, message = event.key, event.message
            time_ms = int(message.timestamp * 1000)
            outcome = engine.handle("start", event.value, key.decode(), time_ms)
            for body in outcome.results:
                await results.send(key=key, value=body)
            meter.tick()

    return run
