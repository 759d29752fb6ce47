"""A door with somebody to send through it, and loads from processes of their own."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import uvloop

from streams.clock import SystemClock
from streams.delivery.admin import ensure_topics
from streams.endpoint.server import Endpoint
from streams.endpoint.tokens import Tokens
from streams.registry.entries import Dapp, Device, Grant
from streams.registry.manifest import parse_manifest
from streams.registry.view import Registry
from streams.registry.writer import RegistryWriter
from streams.topics import dapp_topics, node_topics
from streams.wallet.did import KeyKind
from streams.wallet.keys import generate

PARTITIONS: Final = 4


@dataclass(frozen=True)
class Serving:
    """An open endpoint, a device's token, and the two Dapps that its owner granted."""

    endpoint: Endpoint
    dapps: list[str]
    token: str


@asynccontextmanager
async def serving(kafka: dict[str, Any], **doors: int) -> AsyncIterator[Serving]:
    """Opened in this process; ``doors``: ports of doors besides HTTP."""
    dapps = [f"bench_{uuid4().hex[:12]}" for _ in range(2)]
    ensure_topics(kafka, node_topics())
    device = generate(KeyKind.ED25519).did
    entries: list[Any] = [Device(device, dapps[0])]
    for dapp in dapps:
        ensure_topics(kafka, dapp_topics(dapp, PARTITIONS))
        manifest = parse_manifest({"dapp": {"name": dapp}, "program": {"file": "none.wasm"}}, dapp)
        entries += [Dapp(manifest, "0" * 64), Grant(dapps[0], dapp, 0)]
    offset = RegistryWriter(kafka).put_all(entries)
    registry = Registry(kafka)
    registry.start()
    registry.wait_for(offset)
    endpoint = Endpoint(
        kafka, registry, host="127.0.0.1", port=0, token_secrets=_secrets, instance=uuid4().hex,
        **doors,
    )  # fmt: skip
    await endpoint.start()
    try:
        yield Serving(endpoint, dapps, Tokens(_secrets, SystemClock()).issue(device)[0])
    finally:
        await endpoint.stop()
        registry.close()


def _secrets() -> list[bytes]:
    return [bytes(32)]


async def from_own_process(load: Callable[..., Coroutine[Any, Any, float]], *given: Any) -> float:
    """What ``load`` answers in a process of its own; it and what it is given can be pickled."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_load_process, args=(theirs, load, *given)
    )
    process.start()
    try:
        return float(await asyncio.to_thread(ours.recv))
    finally:
        process.join()


def _load_process(
    answer: Any, load: Callable[..., Coroutine[Any, Any, float]], *given: Any
) -> None:
    answer.send(uvloop.run(load(*given)))
