"""The gRPC door beside a bare ``produce_batch`` loop, in one run on one broker.

The load comes from a process of its own, as bytes that were made before: what a client costs is
not what is measured.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import uvloop
from grpc import aio

from streams.endpoint.rpc.door import SERVICE
from streams.endpoint.rpc.messages_pb2 import Message, Outcomes, SendBatchRequest, SendRequest
from streams.topics import messages
from tests.benchmarks.figures import RUNS, Row, Spread
from tests.benchmarks.http_messages import PAYLOAD, RUN_S, bare_produce_batch
from tests.benchmarks.serving import from_own_process, serving
from tests.local_components import LocalComponents
from topologies.node import collect_seldom

BATCH: Final = 100
_BATCHES_UNDER_WAY: Final = 32
_SINGLES_UNDER_WAY: Final = 256
_STREAMS: Final = 8
_WINDOW: Final = 500  # messages of a stream under way


async def _calls_per_s(port: int, name: str, token: str, request: bytes, under_way: int) -> float:
    """Calls a second, each worker's one after the other."""
    until_s = time.monotonic() + RUN_S
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{SERVICE}/{name}")

        async def work() -> int:
            done = 0
            while time.monotonic() < until_s:
                await call(request, metadata=_metadata(token))
                done += 1
            return done

        started_s = time.monotonic()
        done = sum(await asyncio.gather(*(work() for _ in range(under_way))))
        return done / (time.monotonic() - started_s)


async def _streamed_per_s(port: int, token: str, request: bytes) -> float:
    """Messages a second that were acknowledged one by one."""
    until_s = time.monotonic() + RUN_S
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:

        async def stream() -> int:
            call = channel.stream_stream(f"/{SERVICE}/SendStream")
            room = asyncio.Semaphore(_WINDOW)

            async def requests() -> AsyncIterator[bytes]:
                while time.monotonic() < until_s:
                    await room.acquire()
                    yield request

            acknowledged = 0
            async for data in call(requests(), metadata=_metadata(token)):
                outcomes = Outcomes.FromString(data)
                assert not outcomes.refused
                acknowledged += len(outcomes.acknowledged)
                for _ in outcomes.acknowledged:
                    room.release()
            return acknowledged

        started_s = time.monotonic()
        done = sum(await asyncio.gather(*(stream() for _ in range(_STREAMS))))
        return done / (time.monotonic() - started_s)


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def _measure(kafka: dict[str, Any]) -> tuple[float, float, float, float]:
    """Messages a second: in batches, one by one, streamed, and of the bare loop."""
    async with serving(kafka, grpc_port=0) as it:
        port, (dapp, _) = it.endpoint.grpc_port, it.dapps
        message = Message(payload=PAYLOAD)
        batch = SendBatchRequest(dapp=dapp, messages=[message] * BATCH).SerializeToString()
        single = SendRequest(dapp=dapp, message=message).SerializeToString()
        batches = await from_own_process(
            _calls_per_s, port, "SendBatch", it.token, batch, _BATCHES_UNDER_WAY
        )
        singles = await from_own_process(
            _calls_per_s, port, "Send", it.token, single, _SINGLES_UNDER_WAY
        )
        streamed = await from_own_process(_streamed_per_s, port, it.token, single)
    bare = bare_produce_batch(kafka, messages(dapp), RUN_S, BATCH)
    return BATCH * batches, singles, streamed, bare


def run(components: LocalComponents) -> list[Row]:
    """Rows of the harness."""
    kafka = {"bootstrap.servers": components.kafka}
    collect_seldom()  # as a node's processes do
    runs = [uvloop.run(_measure(kafka)) for _ in range(RUNS)]
    batches, singles, streamed, bare = (Spread.of(some) for some in zip(*runs, strict=True))
    beside: dict[str, Any] = {"baseline": "bare produce_batch of 100", "baseline_figure": bare}
    unit = "messages/s"
    return [
        Row(
            "gRPC, batches of 100",
            unit,
            batches,
            ratio_min=0.5,
            figure_min=100_000,
            aim=True,
            **beside,
        ),
        Row("gRPC, streams, acknowledged one by one", unit, streamed, **beside),
        Row("gRPC, single messages", unit, singles, **beside),
    ]
