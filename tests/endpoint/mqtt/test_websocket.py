"""MQTT over WebSockets, at the HTTP door."""

import asyncio

import aiohttp
import aiomqtt
import pytest

from streams import limits
from streams.clock import ManualClock
from tests.endpoint.mqtt.dialogue import connect, publish
from tests.endpoint.mqtt.test_door import token_of
from tests.endpoint.mqtt.test_downlinks import send
from tests.endpoint.setting import Client, Node

pytestmark = pytest.mark.services


async def test_aiomqtt_over_a_websocket(client: Client, node: Node) -> None:
    key = node.add_device()
    url = client.session._base_url
    assert url is not None
    assert url.port is not None
    async with aiomqtt.Client(
        "127.0.0.1", url.port, username=key.did, password=await token_of(client, key),
        transport="websockets", websocket_path="/mqtt",
    ) as it:  # fmt: skip
        await it.subscribe("ack/#", qos=1)
        large = bytes(limits.PAYLOAD_BYTES_MAX)
        await it.publish(f"v1/dapps/{node.first}/messages", large, qos=1)
        send(node, node.first, key.did, f"ack/{key.did}", b"done")
        async with asyncio.timeout(30):
            message = await anext(aiter(it.messages))
    assert message.payload == b"done"
    assert [one.payload for one in node.read(node.first, key.did)] == [large]


async def test_packets_may_be_cut_anywhere(client: Client, node: Node) -> None:
    key = node.add_device()
    topic = f"v1/dapps/{node.first}/messages"
    data = connect(key.did, await token_of(client, key)).write() + b"".join(
        publish(topic, b"%d" % number, number + 1).write() for number in range(3)
    )
    async with client.session.ws_connect("/mqtt", protocols=["mqtt"]) as it:
        assert it.protocol == "mqtt"
        for piece in (data[:3], data[3:-50], data[-50:]):
            await it.send_bytes(piece)
        heard = b""
        while heard.count(b"\x40\x02") < 3:
            heard += await it.receive_bytes(timeout=30)
    assert [one.payload for one in node.read(node.first, key.did)] == [b"0", b"1", b"2"]


async def test_what_is_not_mqtt_is_refused(client: Client, node: Node, clock: ManualClock) -> None:
    status, answer = await client.ask("GET", "/mqtt")
    assert (status, answer["error"]) == (400, "malformed_request")
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.session.ws_connect("/mqtt", protocols=["other"])
    async with client.session.ws_connect("/mqtt", protocols=["mqtt"]) as it:
        await it.send_str("hello")
        assert (await it.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE
        assert it.close_code == aiohttp.WSCloseCode.UNSUPPORTED_DATA
    async with client.session.ws_connect("/mqtt", protocols=["mqtt"]) as it:
        await it.send_bytes(b"\xc0\x00")  # before a CONNECT
        assert (await it.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE
    async with client.session.ws_connect("/mqtt", protocols=["mqtt"]) as it:
        clock.advance_ms(1000 * limits.MQTT_CONNECT_WAIT_S + 1)  # and it says nothing
        assert (await it.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE
