"""The player against a real endpoint on a real Kafka, also over a connection that breaks."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.clock import SystemClock
from streams.delivery.admin import ensure_topics
from streams.endpoint.server import Endpoint
from streams.records import Message, decode_message
from streams.registry.entries import Dapp, Device, DeviceStatus
from streams.registry.manifest import parse_manifest
from streams.registry.view import Registry
from streams.registry.writer import RegistryWriter
from streams.topics import dapp_topics, messages, node_topics
from topologies.fleet.drives import Drive
from topologies.fleet.enrolment import EnrolmentError, enrol
from topologies.fleet.keyring import Keyring
from topologies.fleet.player import Player, Tally
from topologies.fleet.simulator import fleet

pytestmark = [pytest.mark.services, pytest.mark.slow]

PARTITIONS = 4
OWNER = "fleet-test"
_numbers = count()


@pytest.fixture
def config(kafka: str) -> dict[str, Any]:
    return {"bootstrap.servers": kafka}


@pytest.fixture
def dapp(config: dict[str, Any]) -> str:
    """A Dapp of this test's own."""
    name = f"fleet_{SystemClock().now_ms()}_{next(_numbers)}"
    ensure_topics(config, [*node_topics(), *dapp_topics(name, PARTITIONS)])
    manifest = parse_manifest(
        {"dapp": {"name": name, "partitions": PARTITIONS}, "program": {"file": "p.wasm"}}, name
    )
    RegistryWriter(config).put(Dapp(manifest, "0" * 64))
    return name


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "fleet.secret")


@pytest.fixture
def registry(config: dict[str, Any], dapp: str) -> Iterator[Registry]:
    """The endpoint's view; ``dapp`` is there already."""
    view = Registry(config)
    view.start()
    yield view
    view.close()


@pytest.fixture
async def url(config: dict[str, Any], registry: Registry, tmp_path: Path) -> AsyncIterator[str]:
    """An open endpoint."""
    endpoint = Endpoint(
        config, registry, host="127.0.0.1", port=0, token_secrets=lambda: [bytes(32)]
    )
    await endpoint.start()
    yield f"http://127.0.0.1:{endpoint.port}"
    await endpoint.stop()


def log_of(config: dict[str, Any], dapp: str) -> list[Message]:
    """Every message in the Dapp's topic, partition by partition."""
    consumer = Consumer(
        {**config, "group.id": dapp, "auto.offset.reset": "earliest",
         "isolation.level": "read_committed", "enable.partition.eof": True}
    )  # fmt: skip
    consumer.assign([TopicPartition(messages(dapp), p, 0) for p in range(PARTITIONS)])
    found: list[Message] = []
    ends = 0
    while ends < PARTITIONS:
        for record in consumer.consume(5000, 0.2):
            if (error := record.error()) is None:
                found.append(decode_message(record.value() or b""))
            else:
                assert error.code() == KafkaError._PARTITION_EOF
                ends += 1
    consumer.close()
    return found


async def last_of(plays: AsyncIterator[Tally]) -> Tally:
    tallies = [tally async for tally in plays]
    assert [tally.is_done for tally in tallies] == [False] * (len(tallies) - 1) + [True]
    return tallies[-1]


def enrol_all(config: dict[str, Any], dapp: str, keyring: Keyring, cars: list[Drive]) -> None:
    dids = [keyring.key(car.name).did for car in cars]
    enrol(config, dids, OWNER, dapp, SystemClock())


def cars_of(devices: int, seconds: int, bad_share: float = 0.0) -> list[Drive]:
    return [*fleet(devices, seconds, 7, bad_share)]


async def test_every_message_arrives_once_and_in_order(
    config: dict[str, Any], dapp: str, keyring: Keyring, url: str
) -> None:
    cars = cars_of(6, 400, bad_share=0.02)
    enrol_all(config, dapp, keyring, cars)
    tally = await last_of(Player(url, keyring.key, dapp).play(cars))
    assert (tally.devices_done, tally.acknowledged) == (6, tally.sent)
    assert tally.adds_up
    assert tally.faulty > 0

    arrived = log_of(config, dapp)
    assert len(arrived) == tally.sent
    for car in cars_of(6, 400, bad_share=0.02):
        did = keyring.key(car.name).did
        sent = [payload for stretch in car.stretches() for payload in stretch.payloads]
        mine = [message for message in arrived if message.device == did]
        assert [message.payload for message in mine] == sent  # raw rows with their bytes
        times = [message.time_ms for message in mine]
        assert times == sorted(times)


async def test_a_breaking_connection_loses_nothing(
    config: dict[str, Any], dapp: str, keyring: Keyring, url: str
) -> None:
    """Answers are cut off after the endpoint did its work: the player sends again, same ids."""
    cars = cars_of(4, 300)
    enrol_all(config, dapp, keyring, cars)
    async with breaking_proxy(url, every=5) as (broken_url, breaks):
        player = Player(broken_url, keyring.key, dapp, rows_max=40)
        tally = await last_of(player.play(cars))
    assert breaks.total() > 0
    assert tally.repeats >= breaks.total()
    assert tally.acknowledged == tally.sent

    ids = [message.message_id for message in log_of(config, dapp)]
    assert len(set(ids)) == tally.sent
    assert len(ids) > tally.sent  # repeats did reach the log, to be recognised by their ids


async def test_speedup_paces_a_drive(
    config: dict[str, Any], dapp: str, keyring: Keyring, url: str
) -> None:
    cars = cars_of(2, 60)
    enrol_all(config, dapp, keyring, cars)
    before_ms = SystemClock().now_ms()
    tally = await last_of(Player(url, keyring.key, dapp).play(cars, speedup=30))
    assert 1.8 < tally.elapsed_s < 10  # 60 s at 30 times real time
    assert tally.acknowledged == tally.sent
    newest_ms = max(message.time_ms for message in log_of(config, dapp))
    assert before_ms < newest_ms <= SystemClock().now_ms()


async def test_a_device_that_was_revoked_is_reported(
    config: dict[str, Any], dapp: str, keyring: Keyring, url: str, registry: Registry
) -> None:
    cars = cars_of(2, 60)
    enrol_all(config, dapp, keyring, cars)
    revoked = keyring.key(cars[0].name).did
    registry.wait_for(RegistryWriter(config).put(Device(revoked, OWNER, DeviceStatus.REVOKED)))
    tally = await last_of(Player(url, keyring.key, dapp).play(cars))
    assert tally.devices_refused == {"device_revoked": 1}
    assert (tally.devices_done, tally.acknowledged) == (2, tally.sent)
    with pytest.raises(EnrolmentError, match="revoked"):
        enrol_all(config, dapp, keyring, cars)


async def test_no_endpoint_is_no_end(keyring: Keyring) -> None:
    cars = cars_of(1, 10)
    player = Player("http://127.0.0.1:9", keyring.key, "none", patience_s=0.2)
    tally = await last_of(player.play(cars))
    assert tally.devices_refused == {"no_answer": 1}
    assert tally.sent == 0


def test_enrolment_names_what_is_missing(
    config: dict[str, Any], dapp: str, keyring: Keyring
) -> None:
    with pytest.raises(EnrolmentError, match="no Dapp 'nowhere'"):
        enrol(config, [keyring.key("a").did], OWNER, "nowhere", SystemClock())
    first = enrol(config, [keyring.key("a").did], OWNER, dapp, SystemClock())
    again = enrol(config, [keyring.key("a").did], OWNER, dapp, SystemClock())
    assert (first.devices, first.is_grant_new) == (1, True)
    assert (again.devices, again.is_grant_new) == (0, False)
    with pytest.raises(EnrolmentError, match="belongs to 'fleet-test'"):
        enrol(config, [keyring.key("a").did], "someone", dapp, SystemClock())


def test_a_keyring_gives_the_same_keys_again(tmp_path: Path) -> None:
    secret = tmp_path / "fleet.secret"
    first, again = Keyring(secret), Keyring(secret)
    assert first.key("car-00001").did == again.key("car-00001").did
    assert first.key("car-00001").did != first.key("car-00002").did
    assert first.key("a").did != Keyring(tmp_path / "other.secret").key("a").did


@asynccontextmanager
async def breaking_proxy(url: str, every: int) -> AsyncIterator[tuple[str, Counter[str]]]:
    """A TCP proxy that cuts the connection instead of passing on each ``every``-th answer."""
    host, port = url.removeprefix("http://").split(":")
    breaks: Counter[str] = Counter()
    answers = count(1)
    connections: set[asyncio.Task[None]] = set()

    async def pass_on(
        source: asyncio.StreamReader, target: asyncio.StreamWriter, may_break: bool
    ) -> None:
        try:
            while chunk := await source.read(65536):
                # An answer is small and comes in one piece; a request may come in many.
                if may_break and next(answers) % every == 0:
                    breaks["answers"] += 1
                    break
                target.write(chunk)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pass_on(reader, far_writer, False), pass_on(far_reader, writer, True))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", breaks
    finally:
        server.close()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()
