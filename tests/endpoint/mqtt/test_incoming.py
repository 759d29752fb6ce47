"""A client's messages and the answers that they get, on a real Kafka."""

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
