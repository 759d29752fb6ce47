"""The MQTT door beside mosquitto, in one run; and what connections cost that say nothing.

The same loads go to both, QoS 1 over MQTT 3.1.1: few connections with 20 messages under way each,
as clients have by default, and many that wait for each PUBACK, as a fleet's devices do. mosquitto,
with persistence as brokers are run, acknowledges what it has in memory, for nobody to read; the
door what Kafka has (acks=all), of devices that have proved who they are. Without a mosquitto on
the PATH (Debian's package of that name) there is no ratio.
"""

import asyncio
import gc
import multiprocessing
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import uvloop

from streams import limits
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
from tests.benchmarks.figures import RUNS, Row, Spread
from tests.benchmarks.http_messages import PAYLOAD, RUN_S
from tests.benchmarks.serving import PARTITIONS
from tests.local_components import LocalComponents, free_port

SHAPES: Final = ((64, 20), (512, 1))  # connections, and messages that each has under way
IDLE: Final = 10_000
_CONNECTED: Final = b"\x20\x02\x00\x00"
_PINGREQ: Final = b"\xc0\x00"
_MB: Final = 1_000_000


@dataclass(frozen=True)
class Client:
    """Who connects: user name and password, or nobody."""

    name: str = ""
    token: str = ""

    def connect(self) -> bytes:
        """Its CONNECT [3.1.1 section 3.1], with a clean session and no keep-alive."""
        flags = 0xC2 if self.name else 0x02
        texts = [uuid4().hex, *([self.name, self.token] if self.name else [])]
        body = b"\x00\x04MQTT\x04" + bytes([flags, 0, 0]) + b"".join(map(_text, texts))
        return b"\x10" + _length(len(body)) + body


@dataclass(frozen=True)
class Load:
    """What the load process does."""

    port: int
    topic: str
    clients: Sequence[Client]
    window: int
    seconds: float


def _text(text: str) -> bytes:
    return len(text).to_bytes(2) + text.encode()


def _length(size: int) -> bytes:
    return bytes([size & 0x7F | 0x80, size >> 7]) if size > 0x7F else bytes([size])


class _Publisher(asyncio.Protocol):
    """Keeps its window full; a PUBACK, in order, lets the next one go."""

    def __init__(self, client: Client, topic: str, window: int) -> None:
        self._client = client
        self._window = window
        self._frames = []
        for packet_id in range(1, window + 1):
            body = _text(topic) + packet_id.to_bytes(2) + PAYLOAD
            self._frames.append(b"\x32" + _length(len(body)) + body)
        self._next = 0
        self._bytes = -len(_CONNECTED)
        self.acknowledged = 0
        self.connected = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(self._client.connect())

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if not self.connected.done():
            if data != _CONNECTED:
                self.connected.set_exception(RuntimeError(f"refused: {data.hex()}"))
                return
            self.connected.set_result(None)
            return
        done = self._bytes // 4 - self.acknowledged
        self.acknowledged += done
        self.publish(done)

    def publish(self, count: int) -> None:
        frames = [self._frames[(self._next + n) % self._window] for n in range(count)]
        self._next += count
        self._transport.write(b"".join(frames))


async def _publish(load: Load) -> float:
    """Messages a second that were acknowledged."""
    loop = asyncio.get_running_loop()
    publishers = []
    for client in load.clients:
        _, publisher = await loop.create_connection(
            lambda client=client: _Publisher(client, load.topic, load.window),
            "127.0.0.1",
            load.port,
        )
        publishers.append(publisher)
    await asyncio.gather(*(one.connected for one in publishers))
    started_s = time.monotonic()
    for one in publishers:
        one.publish(load.window)
    await asyncio.sleep(load.seconds)
    acknowledged = sum(one.acknowledged for one in publishers)
    return acknowledged / (time.monotonic() - started_s)


def _load_process(load: Load, answer: Any) -> None:
    answer.send(uvloop.run(_publish(load)))


def messages_per_s(load: Load) -> float:
    """What a load process of its own reaches."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_load_process, args=(load, theirs))
    process.start()
    try:
        return float(ours.recv())
    finally:
        process.join()


# --- the two servers ------------------------------------------------------------------------------


def _secrets() -> list[bytes]:
    return [bytes(32)]  # of the tokens: the clients' process and the endpoint's share it


async def _serve(kafka: dict[str, Any], offset: int, pipe: Any) -> None:
    registry = Registry(kafka)
    registry.start()
    registry.wait_for(offset)
    endpoint = Endpoint(
        kafka, registry, host="127.0.0.1", port=0, mqtt_port=0, token_secrets=_secrets,
        instance=uuid4().hex,
    )  # fmt: skip
    await endpoint.start()
    pipe.send(endpoint.mqtt_port)
    await asyncio.to_thread(pipe.recv)
    await endpoint.stop()
    registry.close()


def _endpoint_process(kafka: dict[str, Any], offset: int, pipe: Any) -> None:
    _raise_descriptors()
    gc.set_threshold(limits.COLLECTED_OBJECTS, 10, 10)  # as a node's processes
    uvloop.run(_serve(kafka, offset, pipe))


@contextmanager
def _endpoint(kafka: dict[str, Any], offset: int) -> Iterator[tuple[int, int]]:
    """An endpoint in a process of its own: its port, and its pid."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_endpoint_process, args=(kafka, offset, theirs))
    process.start()
    try:
        assert process.pid is not None
        yield ours.recv(), process.pid
    finally:
        ours.send(None)
        process.join()


@contextmanager
def _mosquitto(folder: Path, binary: str) -> Iterator[int]:
    port = free_port()
    file = folder / "mosquitto.conf"
    file.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\n"
        f"persistence true\npersistence_location {folder}/\n"
    )
    with subprocess.Popen([binary, "-c", str(file)], stderr=subprocess.DEVNULL) as process:
        deadline_s = time.monotonic() + 10
        while time.monotonic() < deadline_s:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        try:
            yield port
        finally:
            process.kill()


def _raise_descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# --- what is measured -----------------------------------------------------------------------------


def _loop_cpu_s(pid: int) -> float:
    """CPU that a process's main thread has used."""
    main = next(one for one in psutil.Process(pid).threads() if one.id == pid)
    return float(main.user_time + main.system_time)


def _idle_memory_mb(port: int, pid: int, clients: Sequence[Client]) -> float:
    """The endpoint's memory while so many clients are connected and say nothing."""
    _raise_descriptors()
    sockets = []
    for client in clients:
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(client.connect())
        sockets.append(one)
    for one in sockets:
        one.settimeout(60)
        assert one.recv(4) == _CONNECTED
    for one in sockets:  # and each is still there
        one.sendall(_PINGREQ)
        assert one.recv(2) == b"\xd0\x00"
    memory_mb = float(psutil.Process(pid).memory_info().rss / _MB)
    for one in sockets:
        one.close()
    return memory_mb


def run(components: LocalComponents) -> list[Row]:
    """Rows of the harness."""
    kafka = {"bootstrap.servers": components.kafka}
    dapp = f"bench_{uuid4().hex[:12]}"
    ensure_topics(kafka, [*node_topics(), *dapp_topics(dapp, PARTITIONS)])
    manifest = parse_manifest({"dapp": {"name": dapp}, "program": {"file": "none.wasm"}}, dapp)
    dids = [generate(KeyKind.ED25519).did for _ in range(IDLE)]
    devices = [Device(did, dapp) for did in dids]
    offset = RegistryWriter(kafka).put_all(
        [Dapp(manifest, "0" * 64), Grant(dapp, dapp, 0), *devices]
    )
    binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    door: dict[tuple[int, int], list[float]] = {shape: [] for shape in SHAPES}
    broker: dict[tuple[int, int], list[float]] = {shape: [] for shape in SHAPES}
    cpu_us: dict[tuple[int, int], list[float]] = {shape: [] for shape in SHAPES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokens = Tokens(_secrets, SystemClock())
        clients = [Client(did, tokens.issue(did)[0]) for did in dids]
        topic = f"v1/dapps/{dapp}/messages"
        for shape in SHAPES * RUNS:
            connections, window = shape
            with _endpoint(kafka, offset) as (port, pid):
                load = Load(port, topic, clients[:connections], window, RUN_S)
                before_s = _loop_cpu_s(pid)
                door[shape].append(messages_per_s(load))
                used_s = _loop_cpu_s(pid) - before_s
                cpu_us[shape].append(used_s / (door[shape][-1] * RUN_S) * 1e6)
            if binary is not None:
                with _mosquitto(folder, binary) as port:
                    load = Load(port, topic, [Client()] * connections, window, RUN_S)
                    broker[shape].append(messages_per_s(load))
        with _endpoint(kafka, offset) as (port, pid):
            memory_mb = _idle_memory_mb(port, pid, clients)
    many, alone = SHAPES
    return [
        Row(
            "MQTT, QoS 1, a PUBACK once Kafka has it", "messages/s", Spread.of(door[many]),
            baseline="mosquitto, for no subscriber" if binary else None,
            baseline_figure=Spread.of(broker[many]) if binary else None,
            ratio_min=0.6 if binary else None, aim=True,
            note=None if binary else "no mosquitto on the PATH, so no ratio",
        ),
        Row(
            f"the same, {alone[0]} connections that wait for each PUBACK", "messages/s",
            Spread.of(door[alone]),
            baseline="mosquitto, for no subscriber" if binary else None,
            baseline_figure=Spread.of(broker[alone]) if binary else None,
        ),
        Row("MQTT: CPU of the door's thread a message", "µs", Spread.of(cpu_us[many])),
        Row("the same, of those that wait for each PUBACK", "µs", Spread.of(cpu_us[alone])),
        Row(
            f"memory of the endpoint with {IDLE:,} idle MQTT connections", "MB",
            Spread.of([memory_mb]), figure_max=400,
        ),
    ]  # fmt: skip
