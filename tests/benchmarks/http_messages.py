"""The HTTP door against the bare ways of doing the same, in one run on one broker.

Two questions: what do authentication, admission and ids cost a single message, against the same
server that only produces what is posted; and what does the door cost a batch of 100, against a
bare ``produce_batch`` loop without any server. The load comes from a process of its own.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
import uvloop
from aiohttp import web
from confluent_kafka import Producer

from streams.endpoint.append import Appender, producer_config
from streams.topics import messages
from streams.wallet.did import KeyKind
from streams.wallet.keys import generate
from tests.benchmarks.figures import RUNS, Row, Spread
from tests.benchmarks.serving import from_own_process, serving
from tests.local_components import LocalComponents
from topologies.node import collect_seldom

RUN_S = 2.0  # of each measurement, in the harness
PAYLOAD = orjson.dumps(
    {"speed_kmh": 57.3, "rpm": 2100, "throttle": 18.4, "engine_load": 33.1, "coolant_c": 89,
     "ltft": -1.6, "stft": 0.8, "fuel": 61.2, "run_time_s": 4321, "lat": 47.3769, "lon": 8.5417,
     "gear": 4, "trip": "2f6b0d4e", "ambient_c": 21.5}
)  # fmt: skip


@dataclass(frozen=True)
class Load:
    """What the load process does."""

    url: str
    path: str
    connections: int
    seconds: float
    body: bytes
    content_type: str
    token: str | None


async def _connection(load: Load, head: bytes, until_s: float) -> int:
    """Posts one after the other on one connection; how many were answered 2xx.

    Raw bytes over a stream: a full client costs more than the server that is measured.
    """
    host, port = load.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    done = 0
    while time.monotonic() < until_s:
        writer.write(head + load.body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(answer.decode() + (await reader.read(500)).decode())
        length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        done += 1
    writer.close()
    return done


async def _run_load(load: Load) -> float:
    headers = [
        f"POST {load.path} HTTP/1.1",
        "Host: bench",
        f"Content-Type: {load.content_type}",
        f"Content-Length: {len(load.body)}",
    ]
    if load.token is not None:
        headers.append(f"Authorization: Bearer {load.token}")
    head = ("\r\n".join(headers) + "\r\n\r\n").encode()
    started_s = time.monotonic()
    until_s = started_s + load.seconds
    done = await asyncio.gather(
        *(_connection(load, head, until_s) for _ in range(load.connections))
    )
    return sum(done) / (time.monotonic() - started_s)


def bare_produce_batch(kafka: dict[str, Any], topic: str, seconds: float, batch: int) -> float:
    """Messages a second of a loop that does nothing but produce, delivery awaited at the end."""
    producer = Producer(producer_config(kafka))
    key = generate(KeyKind.ED25519).did.encode()
    started_s = time.monotonic()
    sent = 0
    while time.monotonic() < started_s + seconds:
        producer.produce_batch(topic, [{"key": key, "value": PAYLOAD} for _ in range(batch)])
        sent += batch
        while len(producer) > 50_000:
            producer.poll(0.001)
    producer.flush()
    return sent / (time.monotonic() - started_s)


async def _with_bare_server(
    kafka: dict[str, Any], topic: str, measure: Callable[[str], Awaitable[float]], log: bool
) -> float:
    """The same server and producer without identity, admission, ids or metrics."""
    appender = Appender(kafka)

    async def post(request: web.Request) -> web.Response:
        body = await request.read()
        if log:
            await appender.append(topic, {b"key": [body]})
        return web.Response(body=b"{}", content_type="application/json")

    app = web.Application(client_max_size=1 << 24)
    app.add_routes([web.post("/bare", post)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        return await measure(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()
        await appender.close()


async def measure(kafka: dict[str, Any], seconds: float) -> list[dict[str, Any]]:
    """Rows of figures: ``name``, ``per_s``, ``baseline``, ``baseline_per_s``, ``ratio``."""
    lines = b"\n".join([PAYLOAD] * 100)
    ndjson, json_type = "application/x-ndjson", "application/json"
    async with serving(kafka) as it:
        url, topic = f"http://127.0.0.1:{it.endpoint.port}", messages(it.dapps[0])

        async def per_s(
            path: str,
            connections: int,
            body: bytes,
            type_: str,
            url: str = url,
            who: Any = it.token,
        ) -> float:
            load = Load(url, path, connections, seconds, body, type_, who)
            return await from_own_process(_run_load, load)

        path = f"/v1/dapps/{it.dapps[0]}/messages"
        single = await per_s(path, 256, PAYLOAD, json_type)
        hundred = 100 * await per_s(path, 32, lines, ndjson)
        both = 100 * await per_s("/v1/messages", 32, lines, ndjson)
    bare_single = await _with_bare_server(
        kafka, topic, lambda url: per_s("/bare", 256, PAYLOAD, json_type, url, None), log=True
    )
    bare_hundred = bare_produce_batch(kafka, topic, seconds, 100)
    return [
        _row("HTTP, single messages", single, "same server, bare POST → Kafka", bare_single),
        _row("HTTP, NDJSON of 100", hundred, "bare produce_batch of 100", bare_hundred),
        _row("HTTP, NDJSON of 100, to 2 Dapps at once", both, "bare produce_batch", bare_hundred),
    ]


def _row(name: str, per_s: float, baseline: str, baseline_per_s: float) -> dict[str, Any]:
    return {
        "name": name,
        "per_s": round(per_s),
        "baseline": baseline,
        "baseline_per_s": round(baseline_per_s),
        "ratio": round(per_s / baseline_per_s, 3),
    }


def run(components: LocalComponents) -> list[Row]:
    """Rows of the harness: `measure` several times on its broker."""
    kafka = {"bootstrap.servers": components.kafka}
    collect_seldom()  # as a node's processes do
    runs = [uvloop.run(measure(kafka, RUN_S)) for _ in range(RUNS)]
    single, hundred, both = (
        Row(
            what=some[0]["name"],
            unit="messages/s",
            figure=Spread.of([one["per_s"] for one in some]),
            baseline=some[0]["baseline"],
            baseline_figure=Spread.of([one["baseline_per_s"] for one in some]),
        )
        for some in zip(*runs, strict=True)
    )
    return [
        replace(single, ratio_min=0.6, aim=True),
        replace(hundred, ratio_min=0.5, figure_min=100_000),
        both,
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table, or JSON with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", required=True, help="bootstrap servers")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    collect_seldom()
    rows = uvloop.run(measure({"bootstrap.servers": options.kafka}, options.seconds))
    if options.json:
        print(json.dumps(rows))
        return 0
    for row in rows:
        print(
            f"{row['name']:42} {row['per_s']:>9,}/s   {row['ratio']:6.1%} of "
            f"{row['baseline']} ({row['baseline_per_s']:,}/s)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
