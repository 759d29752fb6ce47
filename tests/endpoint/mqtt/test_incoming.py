"""A client's messages and the answers that they get, on a real Kafka."""

import mqtt5
import pytest

from streams import limits
from tests.endpoint.mqtt.dialogue import Dialogue, publish
from tests.endpoint.mqtt.test_door import SUCCESS, token_of
from tests.endpoint.setting import Client, Node

pytestmark = pytest.mark.services


async def test_who_wants_no_texts_in_acknowledgements_gets_none(client: Client, node: Node) -> None:
    key = node.add_device()
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, await token_of(client, key), request_problem_info=False)
        for qos in (1, 2):
            it.send(publish("else/where", b"", qos, qos))
            answer = await it.hear()
            assert (int(answer.reason_code), answer.reason_str) == (0x90, None)


async def test_more_of_quality_0_than_is_under_way_at_once(client: Client, node: Node) -> None:
    key = node.add_device()
    count = 2 * limits.MQTT_UNASKED_MAX
    topic = f"v1/dapps/{node.first}/messages"
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, await token_of(client, key))
        for number in range(count):
            it.send(publish(topic, b"%d" % number, None, qos=0))
        it.send(publish(topic, b"last"))
        assert (await it.hear()).reason_code == SUCCESS
    payloads = [one.payload for one in node.read(node.first, key.did)]
    assert payloads == [*(b"%d" % number for number in range(count)), b"last"]


async def test_who_sends_more_than_it_was_told_is_read_later(client: Client, node: Node) -> None:
    key = node.add_device()
    count = 4 * limits.MQTT_RECEIVE_MAX
    async with Dialogue(client.mqtt_port) as it:
        answer = await it.connect(key.did, await token_of(client, key))
        assert answer.receive_max == limits.MQTT_RECEIVE_MAX
        for number in range(1, count):
            it.send(publish(f"v1/dapps/{node.first}/messages", b"%d" % number, number))
        acknowledged = [(await it.hear()).packet_id for _ in range(1, count)]
        assert acknowledged == list(range(1, count))
    payloads = [one.payload for one in node.read(node.first, key.did)]
    assert payloads == [b"%d" % number for number in range(1, count)]


async def test_who_never_releases_quality_2_is_let_go(
    client: Client, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MQTT_HELD_IDS_MAX", 3)
    key = node.add_device()
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, await token_of(client, key))
        for number in range(1, 4):
            it.send(publish("v1/messages", b"", number, qos=2))
            await it.hear()
        it.send(publish("v1/messages", b"", 4, qos=2))
        answer = await it.hear()
        assert answer.reason_code == mqtt5.DisconnectReasonCode.RECEIVE_MAX_EXCEEDED


async def test_quality_2_writes_once_until_it_is_released(client: Client, node: Node) -> None:
    key = node.add_device()
    token = await token_of(client, key)
    topic = f"v1/dapps/{node.first}/messages"
    async with Dialogue(client.mqtt_port) as it:
        answer = await it.connect(key.did, token, session_expiry_interval=60)
        assert not answer.session_present
        it.send(publish(topic, b"one", 9, qos=2))
        assert isinstance(await it.hear(), mqtt5.PubRecPacket)
    async with Dialogue(client.mqtt_port) as it:
        answer = await it.connect(key.did, token, session_expiry_interval=60)
        assert answer.session_present
        it.send(publish(topic, b"one", 9, qos=2, duplicate=True))
        assert isinstance(await it.hear(), mqtt5.PubRecPacket)
        it.send(mqtt5.PubRelPacket(9))
        assert (await it.hear()).reason_code == mqtt5.PubCompReasonCode.SUCCESS
        it.send(mqtt5.PubRelPacket(9))
        assert (await it.hear()).reason_code == mqtt5.PubCompReasonCode.PACKET_ID_NOT_FOUND
    assert len(node.read(node.first, key.did)) == 1
