"""What programs send by MQTT reaches the devices that subscribe to it, on a real Kafka."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiomqtt
import mqtt5
import paho.mqtt.client as paho
import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from streams import limits, topics
from streams.clock import ManualClock
from streams.endpoint.mqtt.filters import FilterError, check_filter, matches
from streams.endpoint.mqtt.outbox import Downlink, Outbox, Room
from streams.records import Kind, Output
from streams.registry.entries import Publisher
from tests.endpoint.mqtt.dialogue import Dialogue, as_3_1_1, connect
from tests.endpoint.mqtt.test_door import token_of
from tests.endpoint.setting import Client, Node, Opened

GRANTED = [
    mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE,
    mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE,
]


def send(node: Node, dapp: str, device: str, topic: str, payload: bytes) -> None:
    """What execute writes when an event of a device asked for a message."""
    record = Output(
        Kind.EFFECT, "mqtt", device.encode(), 0, uuid4().bytes, 1, bytes(8), 0, topic.encode(),
        payload,
    )  # fmt: skip
    producer = Producer({**node.kafka, "acks": "all"})
    producer.produce(topics.effects(dapp), record.encode(), device.encode())
    assert producer.flush(30) == 0


def subscribe(*patterns: str, qos: int = 1, packet_id: int = 1) -> mqtt5.SubscribePacket:
    filters = [mqtt5.TopicFilter(one, max_qos=mqtt5.QoS(qos)) for one in patterns]
    return mqtt5.SubscribePacket(packet_id, filters)


async def subscribed(it: Dialogue, *patterns: str, qos: int = 1) -> None:
    it.send(subscribe(*patterns, qos=qos))
    answer = await it.hear()
    assert answer.reason_codes == [GRANTED[qos]] * len(patterns), answer


async def told(it: Dialogue) -> tuple[str, bytes]:
    """The next message, which is acknowledged."""
    packet = await it.hear()
    assert isinstance(packet, mqtt5.PublishPacket), packet
    if packet.packet_id is not None:
        it.send(mqtt5.PubAckPacket(packet.packet_id))
    return packet.topic, packet.payload


# --- who hears what -------------------------------------------------------------------------------


@pytest.mark.services
async def test_a_device_hears_what_is_its_own(client: Client, node: Node) -> None:
    one, other = node.add_device(), node.add_device()
    stranger = node.add_device(owner="somebody")
    key = f"meter-{uuid4().hex}"
    node.add(Publisher(node.first, key, node.owner, 2 * uuid4().hex))
    async with Dialogue(client.mqtt_port) as it, Dialogue(client.mqtt_port) as it_too:
        await it.connect(one.did, await token_of(client, one))
        await it_too.connect(stranger.did, await token_of(client, stranger))
        await subscribed(it, "#")
        await subscribed(it_too, "#", "+/+")
        send(node, node.first, one.did, f"ack/{other.did}", b"the other's")
        send(node, node.first, one.did, f"ack/{key}", b"the publisher's")
        send(node, node.first, other.did, "answers", b"the other's too")
        send(node, node.ungranted, one.did, f"ack/{one.did}", b"of a Dapp that is not granted")
        send(node, node.first, stranger.did, f"ack/{stranger.did}", b"not granted by its owner")
        send(node, node.first, other.did, f"ack/{one.did}", b"one")
        send(node, node.first, one.did, "answers", b"two")
        assert {await told(it), await told(it)} == {(f"ack/{one.did}", b"one"), ("answers", b"two")}
        it_too.send(mqtt5.PingReqPacket())
        assert isinstance(await it_too.hear(), mqtt5.PingRespPacket)


@pytest.mark.services
async def test_a_subscription_chooses_and_ends(client: Client, node: Node) -> None:
    key = node.add_device()
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, await token_of(client, key))
        await subscribed(it, "a/+", "b")
        await subscribed(it, "c", qos=0)
        for topic in ("a", "a/1", "b/2", "c", "b"):
            send(node, node.first, key.did, topic, b"")
        assert [(await told(it))[0] for _ in range(3)] == ["a/1", "c", "b"]
        it.send(mqtt5.UnsubscribePacket(2, ["b", "d"]))
        assert [int(code) for code in (await it.hear()).reason_codes] == [0, 0x11]
        for topic in ("b", "a/2"):
            send(node, node.first, key.did, topic, b"")
        assert (await told(it))[0] == "a/2"


@pytest.mark.services
@pytest.mark.parametrize(
    ("pattern", "code"),
    [("a/#/b", 0x8F), ("a+", 0x8F), ("$share/a/b", 0x9E), (2_000 * "a", 0x97)],
)
async def test_a_refused_subscription(client: Client, node: Node, pattern: str, code: int) -> None:
    key = node.add_device()
    token = await token_of(client, key)
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, token)
        frame = subscribe("fine", len(pattern) * "@").write()
        it.send(frame.replace(len(pattern) * b"@", pattern.encode()))
        assert [int(one) for one in (await it.hear()).reason_codes] == [1, code]
        it.send(mqtt5.SubscribePacket(2, [mqtt5.TopicFilter("a")], subscription_id=7))
        answer = await it.hear()
        assert answer.reason_code == mqtt5.DisconnectReasonCode.SUBSCRIPTION_IDS_NOT_SUPPORTED


# --- kept while it is away ------------------------------------------------------------------------


@asynccontextmanager
async def opened(node: Node, folder: Path, clock: ManualClock) -> AsyncIterator[Client]:
    async with Opened(node.kafka, node.registry, folder, clock, instance="the same") as client:
        yield client


@pytest.mark.services
async def test_messages_wait_for_who_is_away_and_outlive_the_endpoint(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    key = node.add_device()
    topic = f"ack/{key.did}"
    later: dict[str, Any] = {"session_expiry_interval": 600}
    async with opened(node, tmp_path, clock) as client:
        token = await token_of(client, key)
        async with Dialogue(client.mqtt_port) as it:
            await it.connect(key.did, token, **later)
            await subscribed(it, "ack/#")
            send(node, node.first, key.did, topic, b"never acknowledged")
            assert (await it.hear()).payload == b"never acknowledged"
        send(node, node.first, key.did, topic, b"two")
        async with Dialogue(client.mqtt_port) as it:
            assert (await it.connect(key.did, token, **later)).session_present
            packet = await it.hear()
            assert (packet.payload, packet.duplicate) == (b"never acknowledged", True)
            assert (await told(it))[1] == b"two"
            it.send(mqtt5.PingReqPacket())  # it has been heard
            assert isinstance(await it.hear(), mqtt5.PingRespPacket)
    send(node, node.first, key.did, topic, b"three")
    async with opened(node, tmp_path, clock) as client:
        async with Dialogue(client.mqtt_port) as it:
            assert (await it.connect(key.did, token, **later)).session_present
            heard = [(await told(it))[1] for _ in range(2)]
            assert heard == [b"never acknowledged", b"three"]
            it.send(mqtt5.PingReqPacket())
            await it.hear()
        async with Dialogue(client.mqtt_port) as it:  # a clean start forgets
            send(node, node.first, key.did, topic, b"four")
            assert not (await it.connect(key.did, token, clean_start=True)).session_present
            it.send(mqtt5.PingReqPacket())
            assert isinstance(await it.hear(), mqtt5.PingRespPacket)
    clock.advance_ms(1000)
    async with opened(node, tmp_path, clock) as client, Dialogue(client.mqtt_port) as it:
        assert not (await it.connect(key.did, token, **later)).session_present


@pytest.mark.services
async def test_a_session_expires_while_the_endpoint_is_away(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    key = node.add_device()
    async with opened(node, tmp_path, clock) as client:
        token = await token_of(client, key)
        async with Dialogue(client.mqtt_port) as it:
            await it.connect(key.did, token, session_expiry_interval=60)
            await subscribed(it, "ack/#")
            it.send(mqtt5.DisconnectPacket())
            assert await it.hear() is None
    clock.advance_ms(60_001)
    async with opened(node, tmp_path, clock) as client, Dialogue(client.mqtt_port) as it:
        answer = await it.connect(key.did, token, session_expiry_interval=60)
        assert not answer.session_present


@pytest.mark.services
async def test_so_many_are_under_way_and_none_is_too_large(client: Client, node: Node) -> None:
    key = node.add_device()
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, await token_of(client, key), receive_max=2, max_packet_size=300)
        await subscribed(it, "#")
        for payload in (bytes(300), b"1", b"2", b"3"):
            send(node, node.first, key.did, "a", payload)
        first, second = await it.hear(), await it.hear()
        assert (first.payload, second.payload) == (b"1", b"2")
        it.send(mqtt5.PingReqPacket())
        assert isinstance(await it.hear(), mqtt5.PingRespPacket)
        it.send(mqtt5.PubAckPacket(second.packet_id))
        assert (await told(it))[1] == b"3"


# --- real clients ---------------------------------------------------------------------------------


@pytest.mark.services
@pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="no mosquitto_sub is installed")
@pytest.mark.parametrize("version", ["311", "5"])
async def test_mosquitto_sub(client: Client, node: Node, version: str) -> None:
    key = node.add_device()
    process = await asyncio.create_subprocess_exec(
        "mosquitto_sub", "-p", str(client.mqtt_port), "-V", f"mqttv{version}", "-q", "1", "-u",
        key.did, "-P", await token_of(client, key), "-t", f"ack/{key.did}", "-C", "1",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    waited = asyncio.create_task(process.communicate())
    while not waited.done():  # it says nowhere that it has subscribed
        send(node, node.first, key.did, f"ack/{key.did}", b"go home")
        await asyncio.wait([waited], timeout=0.2)
    assert (process.returncode, waited.result()[0]) == (0, b"go home\n")


@pytest.mark.services
async def test_paho_comes_back_for_what_it_missed(client: Client, node: Node) -> None:
    key = node.add_device()
    token = await token_of(client, key)
    heard: list[bytes] = []

    def talk(until: int) -> None:
        it = paho.Client(CallbackAPIVersion.VERSION2, client_id="p", clean_session=False)
        it.username_pw_set(key.did, token)
        it.on_message = lambda client, data, message: heard.append(message.payload)
        is_subscribed: list[int] = []
        it.on_subscribe = lambda client, data, mid, codes, properties: is_subscribed.append(mid)
        it.connect("127.0.0.1", client.mqtt_port)
        it.subscribe("ack/#", 1)
        while len(heard) < until or not is_subscribed:
            assert it.loop(1) == paho.MQTT_ERR_SUCCESS
        it.disconnect()

    await asyncio.to_thread(talk, 0)
    for number in range(3):
        send(node, node.first, key.did, f"ack/{key.did}", b"%d" % number)
    await asyncio.to_thread(talk, 3)
    assert heard == [b"0", b"1", b"2"]


@pytest.mark.services
async def test_aiomqtt_subscribes(client: Client, node: Node) -> None:
    key = node.add_device()
    async with aiomqtt.Client(
        "127.0.0.1", client.mqtt_port, username=key.did, password=await token_of(client, key)
    ) as it:
        await it.subscribe("v1/devices/+/commands", qos=2)
        send(node, node.first, key.did, f"v1/devices/{key.did}/commands", b"stop")
        async with asyncio.timeout(30):
            message = await anext(aiter(it.messages))
    assert (message.payload, message.qos) == (b"stop", 1)


@pytest.mark.services
async def test_mqtt_3_1_1_has_one_code_for_a_refused_subscription(
    client: Client, node: Node
) -> None:
    key = node.add_device()
    async with Dialogue(client.mqtt_port) as it:
        it.send(as_3_1_1(connect(key.did, await token_of(client, key)).write()))
        assert await it.hear_bytes(4) == b"\x20\x02\x00\x00"
        it.send_bytes(b"\x82\x0c\x00\x07\x00\x01a\x02\x00\x03a/#\x00")
        assert await it.hear_bytes(6) == b"\x90\x04\x00\x07\x01\x00"
        it.send_bytes(b"\x82\x07\x00\x08\x00\x02a#\x00")
        assert await it.hear_bytes(5) == b"\x90\x03\x00\x08\x80"


# --- filters and outboxes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "topic", "is_match"),
    [
        ("#", "a/b", True), ("#", "$SYS/a", False), ("+/a", "$SYS/a", False),
        ("$SYS/+", "$SYS/a", True), ("a/#", "a", True), ("a/#", "ab", False),
        ("a/+", "a", False), ("a/+", "a/", True), ("+", "/a", False), ("/+", "/a", True),
        ("+/+/c", "a/b/c", True), ("a/b", "a/b/c", False), ("a/b/c", "a/b", False),
    ],
)  # fmt: skip
def test_filters_match_as_the_standard_says(pattern: str, topic: str, is_match: bool) -> None:
    check_filter(pattern)
    assert matches(pattern, topic) == is_match


@pytest.mark.parametrize("pattern", ["", "a\0", "#/a", "a#", "+a", "a/b#", "++"])
def test_what_is_no_filter(pattern: str) -> None:
    with pytest.raises(FilterError):
        check_filter(pattern)


@given(st.lists(st.sampled_from(["put", "take", "acknowledge", "again"]), max_size=40))
def test_an_outbox_tells_each_message_in_order_until_it_is_acknowledged(doings: list[str]) -> None:
    room = Room()
    outbox = Outbox(room)
    put = told_ = acknowledged = 0
    ids: list[int] = []
    for doing in doings:
        if doing == "put":
            assert outbox.put(Downlink(str(put), "t", b"12")) == []
            put += 1
        elif doing == "take":
            for packet_id, message in outbox.take(3):
                assert message.place == str(told_)
                told_ += 1
                ids.append(packet_id)
        elif doing == "acknowledge" and ids:
            message_ = outbox.acknowledge(ids.pop(0))
            assert message_ is not None
            assert message_.place == str(acknowledged)
            acknowledged += 1
        assert [packet_id for packet_id, _ in outbox.under_way()] == ids
        assert len(ids) == len(set(ids)) <= 3
        assert len(outbox) == put - acknowledged
        assert room.used_bytes == 2 * len(outbox)
    assert len(outbox.clear()) == put - acknowledged
    assert room.used_bytes == 0


def test_an_outbox_that_is_full_forgets_the_oldest_that_was_not_sent() -> None:
    outbox = Outbox(Room())
    messages = [Downlink(str(n), "t", b"") for n in range(limits.MQTT_OUTBOX_MESSAGES_MAX + 1)]
    assert outbox.put(messages[0]) == []
    assert outbox.put(messages[0]) == []  # once is enough
    outbox.take(1)
    for message in messages[1:-1]:
        assert outbox.put(message) == []
    assert outbox.put(messages[-1]) == [messages[1]]
    large = Downlink("large", "t", bytes(limits.MQTT_OUTBOX_BYTES_MAX + 1))
    assert large in outbox.put(large)
    assert Outbox(Room(limits.MQTT_OUTBOXES_BYTES_MAX)).put(large) == [large]
