"""The MQTT door, from a client's side, on a real Kafka."""

import asyncio
import shutil
import subprocess
from hashlib import sha256
from uuid import uuid4

import aiomqtt
import mqtt5
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from streams import limits
from streams.clock import ManualClock
from streams.endpoint.w3bstream import message_id
from streams.records import Message
from streams.registry.entries import PUBLISHER_TOKEN, Device, DeviceStatus, Hold, Publisher
from streams.wallet.credentials.evidence import Evidence
from streams.wallet.did import KeyKind
from streams.wallet.keys import SigningKey, generate
from tests.endpoint.mqtt.dialogue import Dialogue, as_3_1_1, connect, publish
from tests.endpoint.setting import Client, Node
from tests.waiting import wait_until

pytestmark = pytest.mark.services

SUCCESS = mqtt5.PubAckReasonCode.SUCCESS


async def token_of(client: Client, key: SigningKey) -> str:
    return (await client.token(key))["Authorization"].removeprefix("Bearer ")


# --- real clients ---------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="no mosquitto_pub is installed")
@pytest.mark.parametrize("version", ["311", "5"])
async def test_mosquitto_pub(client: Client, node: Node, version: str) -> None:
    key = node.add_device()
    id_ = uuid4()
    more = ["-D", "publish", "user-property", "id", str(id_)] if version == "5" else []
    topic = f"v1/dapps/{node.first}/messages/drive"
    done = await asyncio.to_thread(
        subprocess.run,
        ["mosquitto_pub", "-p", str(client.mqtt_port), "-V", f"mqttv{version}", "-q", "1", "-u",
         key.did, "-P", await token_of(client, key), "-t", topic, "-m", "17 km", *more],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    (message,) = node.read(node.first, key.did)
    assert (message.payload, message.event_type) == (b"17 km", "drive")
    assert version == "311" or message.message_id == id_.bytes


@pytest.mark.parametrize("version", [paho.MQTTv311, paho.MQTTv5])
async def test_paho_publishes_with_each_quality(
    client: Client, node: Node, version: paho.MQTTProtocolVersion
) -> None:
    key = node.add_device()
    token = await token_of(client, key)

    def talk() -> None:
        it = paho.Client(CallbackAPIVersion.VERSION2, protocol=version)
        it.username_pw_set(key.did, token)
        it.connect("127.0.0.1", client.mqtt_port)
        it.loop_start()
        for qos in (0, 1, 2):
            it.publish(f"v1/dapps/{node.first}/messages", b"%d" % qos, qos).wait_for_publish(60)
        it.disconnect()
        it.loop_stop()

    await asyncio.to_thread(talk)
    assert [one.payload for one in node.read(node.first, key.did)] == [b"0", b"1", b"2"]


async def test_aiomqtt_says_id_time_and_type(client: Client, node: Node) -> None:
    key = node.add_device()
    properties = paho.Properties(paho.PacketTypes.PUBLISH)
    id_ = uuid4()
    properties.UserProperty = [("id", str(id_)), ("time_ms", "17"), ("colour", "blue")]
    async with aiomqtt.Client(
        "127.0.0.1", client.mqtt_port, username=key.did, password=await token_of(client, key),
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as it:  # fmt: skip
        # To every granted Dapp, in one transaction.
        await it.publish("v1/messages/drive", b"\x00\xff", qos=1, properties=properties)
    expected = Message(key.did, b"\x00\xff", id_.bytes, 17, "drive")
    assert node.read(node.first, key.did) == [expected]
    assert node.read(node.second, key.did) == [expected]


# --- answers --------------------------------------------------------------------------------------


async def test_lines_are_messages_and_answers_come_in_order(client: Client, node: Node) -> None:
    key = node.add_device()
    one, two = f"v1/dapps/{node.first}/messages", "v1/messages"
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, await token_of(client, key))
        lines = b'{"n": 1}\n{"n": 2}\n'
        it.send(publish(two, lines, 1, content_type="application/x-ndjson; charset=utf-8"))
        for number in range(2, 20):
            it.send(publish(one, b"%d" % number, number))
        answers = [await it.hear() for _ in range(1, 20)]
    assert [(one.packet_id, one.reason_code) for one in answers] == [
        (number, SUCCESS) for number in range(1, 20)
    ]
    payloads = [message.payload for message in node.read(node.first, key.did)]
    assert sorted(payloads[-20:]) == sorted(
        [b'{"n": 1}', b'{"n": 2}', *(b"%d" % number for number in range(2, 20))]
    )


async def test_a_message_sent_again_has_its_id(client: Client, node: Node) -> None:
    key = node.add_device()
    token = await token_of(client, key)
    topic = f"v1/dapps/{node.first}/messages"
    for again in (False, True):
        async with Dialogue(client.mqtt_port) as it:
            await it.connect(key.did, token, clean_start=not again)
            it.send(publish(topic, b"one", 5, duplicate=again))
            assert (await it.hear()).packet_id == 5
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, token)
        it.send(publish(topic, b"two", 5))  # the packet id is free again
        await it.hear()
    first, again_, other = node.read(node.first, key.did)
    assert first.message_id == again_.message_id  # execute drops it
    assert other.message_id != first.message_id


async def test_a_last_will_is_a_message(client: Client, node: Node) -> None:
    key = node.add_device()
    token = await token_of(client, key)
    will = mqtt5.Will(f"v1/dapps/{node.first}/messages/gone", payload=b"bye")
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, token, will=will)
        it.send(mqtt5.DisconnectPacket())  # it goes with a word, so the will is void
        assert await it.hear() is None
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, token, will=will)
    await asyncio.to_thread(wait_until, lambda: node.read(node.first, key.did), "the will")
    (said,) = node.read(node.first, key.did)
    assert (said.payload, said.event_type) == (b"bye", "gone")


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "name", "code", "code_3"),
    [
        ("nothing", "token_missing", 0x86, 4),
        ("garbage", "token_forged", 0x86, 4),
        ("another's", "token_forged", 0x86, 4),
        ("old", "token_expired", 0x86, 4),
        ("revoked", "device_revoked", 0x87, 5),
        ("will", "not_found", 0x90, 5),
        ("retained will", "malformed_request", 0x9A, 5),
    ],
)
async def test_a_refused_connection_says_why(
    client: Client, node: Node, clock: ManualClock, case: str, name: str, code: int, code_3: int
) -> None:
    key = node.add_device()
    token = {"nothing": "", "garbage": "abc"}.get(case) or await token_of(client, key)
    did = node.add_device().did if case == "another's" else key.did
    token = "" if case == "nothing" else token
    if case == "old":
        clock.advance_ms(limits.TOKEN_LIFE_S * 1000)
    if case == "revoked":
        node.add(Device(key.did, node.owner, DeviceStatus.REVOKED))
    wills = {
        "will": mqtt5.Will("else/where"), "retained will": mqtt5.Will("v1/messages", retain=True),
    }  # fmt: skip
    will = wills.get(case)
    async with Dialogue(client.mqtt_port) as it:
        answer = await it.connect(did, token, will=will)
        assert int(answer.reason_code) == code
        assert answer.reason_str.startswith(f"{name}: ")
        assert await it.hear() is None
    if will is None:
        async with Dialogue(client.mqtt_port) as it:
            it.send(as_3_1_1(connect(did, token).write()))
            assert await it.hear_bytes(9) == bytes([0x20, 2, 0, code_3])


@pytest.mark.parametrize(
    ("topic", "payload", "more", "name", "code"),
    [
        ("v1/dapps/{ungranted}/messages", b"", {}, "not_granted", 0x87),
        ("v1/dapps/none/messages", b"", {}, "unknown_dapp", 0x90),
        ("somewhere/else", b"", {}, "not_found", 0x90),
        ("{first}/push/abc/DEFAULT", b"", {}, "token_forged", 0x87),
        ("v1/messages/" + 65 * "a", b"", {}, "malformed_request", 0x99),
        ("v1/messages", b"", {"user_properties": [("id", "7")]}, "malformed_request", 0x99),
        ("v1/messages", b"{", {"content_type": "application/json"}, "malformed_json", 0x99),
        ("v1/messages", b"\n", {"content_type": "application/x-ndjson"}, "no_messages", 0x99),
        ("v1/messages", bytes(limits.PAYLOAD_BYTES_MAX + 1), {}, "too_large", 0x97),
    ],
)
async def test_a_refused_message_says_why(
    client: Client, node: Node, topic: str, payload: bytes, more: dict[str, object], name: str,
    code: int,
) -> None:  # fmt: skip
    key = node.add_device()
    topic = topic.format(ungranted=node.ungranted, first=node.first)
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, await token_of(client, key))
        it.send(publish(topic, payload, 3, **more))
        answer = await it.hear()
        assert (answer.packet_id, int(answer.reason_code)) == (3, code)
        assert answer.reason_str.startswith(f"{name}: ")
        # The connection goes on.
        it.send(publish(f"v1/dapps/{node.first}/messages", b"fine", 4))
        assert (await it.hear()).reason_code == SUCCESS
    assert [one.payload for one in node.read(node.first, key.did)] == [b"fine"]


async def test_mqtt_3_1_1_has_no_word_for_a_refused_message(client: Client, node: Node) -> None:
    key = node.add_device()
    async with Dialogue(client.mqtt_port) as it:
        it.send(as_3_1_1(connect(key.did, await token_of(client, key)).write()))
        assert await it.hear_bytes(4) == b"\x20\x02\x00\x00"
        it.send(as_3_1_1(publish("v1/dapps/none/messages", b"").write()))
        assert await it.hear_bytes(1) == b""


@pytest.mark.parametrize("why", ["device_revoked", "credential_refused"])
async def test_a_device_that_is_revoked_or_held_is_let_go_at_once(
    client: Client, node: Node, why: str
) -> None:
    key = generate(KeyKind.ED25519)
    evidence = Evidence("ab" * 32, (f"{key.did}#key",))
    node.add(Device(key.did, node.owner, credential=evidence))
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, await token_of(client, key))
        if why == "device_revoked":
            node.add(Device(key.did, node.owner, DeviceStatus.REVOKED))
        else:
            node.add(Hold(key.did, "expired", evidence.sha256, 1))
        answer = await it.hear()
        assert answer.reason_code == mqtt5.DisconnectReasonCode.NOT_AUTHORIZED
        assert answer.reason_str.startswith(f"{why}: ")
        assert await it.hear() is None


# --- what a client may not do ---------------------------------------------------------------------


async def test_who_says_nothing_is_let_go(client: Client, node: Node, clock: ManualClock) -> None:
    key = node.add_device()
    token = await token_of(client, key)
    async with Dialogue(client.mqtt_port) as mute, Dialogue(client.mqtt_port) as silent:
        await silent.connect(key.did, token, keep_alive=100)
        clock.advance_ms(1000 * limits.MQTT_CONNECT_WAIT_S + 1)
        assert await mute.hear() is None
        silent.send(mqtt5.PingReqPacket())
        assert isinstance(await silent.hear(), mqtt5.PingRespPacket)
        clock.advance_ms(150_001)
        answer = await silent.hear()
        assert answer.reason_code == mqtt5.DisconnectReasonCode.KEEP_ALIVE_TIMEOUT


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"\x30\xff\xff\xff\x7f", mqtt5.DisconnectReasonCode.PACKET_TOO_LARGE),
        (b"\x30\xff\xff\xff\xff\x7f", mqtt5.DisconnectReasonCode.MALFORMED_PACKET),
        (b"\x00\x00", mqtt5.DisconnectReasonCode.MALFORMED_PACKET),
        (b"\xd0\x00", mqtt5.DisconnectReasonCode.PROTOCOL_ERROR),
        (connect("", "").write(), mqtt5.DisconnectReasonCode.PROTOCOL_ERROR),
        (publish("v1/messages", b"", retain=True).write(),
         mqtt5.DisconnectReasonCode.RETAIN_NOT_SUPPORTED),
        (publish("v1/messages", b"", topic_alias=1).write(),
         mqtt5.DisconnectReasonCode.TOPIC_ALIAS_INVALID),
        (mqtt5.DisconnectPacket(session_expiry_interval=5).write(),
         mqtt5.DisconnectReasonCode.PROTOCOL_ERROR),
    ],
)  # fmt: skip
async def test_who_breaks_the_protocol_is_told_how(
    client: Client, node: Node, frame: bytes, reason: mqtt5.DisconnectReasonCode
) -> None:
    key = node.add_device()
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, await token_of(client, key))
        it.send(frame)
        answer = await it.hear()
        assert answer.reason_code == reason
        assert await it.hear() is None


@pytest.mark.parametrize(
    ("level", "answer"), [(3, b"\x20\x02\x00\x01"), (6, b"\x20\x03\x00\x84\x00")]
)
async def test_other_versions_are_refused(client: Client, level: int, answer: bytes) -> None:
    frame = bytearray(connect("", "").write())
    frame[8] = level
    async with Dialogue(client.mqtt_port) as it:
        it.send(bytes(frame))
        assert await it.hear_bytes(9) == answer


async def test_an_older_connection_of_the_same_client_ends(client: Client, node: Node) -> None:
    key = node.add_device()
    token = await token_of(client, key)
    async with Dialogue(client.mqtt_port) as old, Dialogue(client.mqtt_port) as new:
        await old.connect(key.did, token)
        await new.connect(key.did, token)
        answer = await old.hear()
        assert answer.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
        # Another device with the same client id has a session of its own.
        other = node.add_device()
        async with Dialogue(client.mqtt_port) as stranger:
            await stranger.connect(other.did, await token_of(client, other))
            new.send(mqtt5.PingReqPacket())
            assert isinstance(await new.hear(), mqtt5.PingRespPacket)


async def test_a_device_has_so_many_connections(client: Client, node: Node) -> None:
    key = node.add_device()
    token = await token_of(client, key)
    open_ = []
    for number in range(limits.MQTT_DEVICE_CONNECTIONS_MAX):
        it = await Dialogue(client.mqtt_port).__aenter__()
        assert int((await it.connect(key.did, token, client_id=f"{number}")).reason_code) == 0
        open_.append(it)
    async with Dialogue(client.mqtt_port) as it:
        answer = await it.connect(key.did, token, client_id="more")
        assert answer.reason_str.startswith("overloaded: ")
    for it in open_:
        await it.__aexit__()


# --- W3bStream ------------------------------------------------------------------------------------


async def test_publishers_and_w3bstreams_topics(client: Client, node: Node) -> None:
    token = f"{PUBLISHER_TOKEN}{uuid4().hex}"
    digest = sha256(token.encode()).hexdigest()
    key = f"meter-{uuid4().hex}"
    node.add(Publisher(node.first, key, node.owner, digest))
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key, token)
        it.send(publish("v1/messages", b"one", 1))
        it.send(publish(f"{node.first}/push/{token}/drive/ts=17&id=trip-9", b"two", 2))
        assert [(await it.hear()).reason_code for _ in range(2)] == [SUCCESS, SUCCESS]
        it.send(publish(f"v1/dapps/{node.second}/messages", b"", 3))
        assert (await it.hear()).reason_str.startswith("not_granted: ")
        node.add(Publisher(node.first, key, node.owner, digest, status=DeviceStatus.REVOKED))
        assert (await it.hear()).reason_code == mqtt5.DisconnectReasonCode.NOT_AUTHORIZED
    one, two = node.read(node.first, key)
    assert one.payload == b"one"
    assert two == Message(key, b"two", message_id("trip-9").bytes, 17, "drive")
