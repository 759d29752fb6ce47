"""W3bStream's event API: its own client, and requests as other clients make them."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import mqtt5
import pytest
import pytest_asyncio

from streams import limits
from streams.clock import SystemClock
from streams.endpoint.bodies import CBOR_SEQUENCE, NDJSON, derived_id
from streams.endpoint.rpc.event_pb2 import Event, Header
from streams.endpoint.rpc.messages_pb2 import Message, SendBatchRequest
from streams.endpoint.w3bstream import DATA_PUSH, PATH, message_id
from streams.registry.entries import Dapp, DeviceStatus, Publisher
from streams.registry.manifest import parse_manifest
from tests.endpoint.mqtt.dialogue import Dialogue, publish
from tests.endpoint.rpc.calling import Calls
from tests.endpoint.rpc.calling import send as grpc_send
from tests.endpoint.setting import PARTITIONS, Client, Node, Opened, make_node
from tests.execution.guests import ACTOR, program
from tests.execution.worker_process import Fed

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def node(kafka: str) -> Iterator[Node]:
    """The first Dapp's program runs: see ACTOR. The second's does not, as if it were paused."""
    node = make_node(kafka)
    manifest = parse_manifest(
        {"dapp": {"name": node.first, "partitions": PARTITIONS}, "program": {"file": "a.wasm"}},
        "test",
    )
    node.add(Dapp(manifest, "0" * 64))
    worker = Fed(kafka, node.first, "0", program(ACTOR)).start()
    yield node
    worker.stop()
    node.close()


@pytest_asyncio.fixture
async def client(node: Node, tmp_path: Path) -> AsyncIterator[Client]:
    opened = Opened(node.kafka, node.registry, tmp_path, SystemClock(), grpc_port=0)
    async with opened as client:
        yield client


def publisher(node: Node, dapp: str, key: str, **more: Any) -> dict[str, str]:
    """The header that a publisher's client sends."""
    token = f"w3b_{uuid4().hex}"
    digest = hashlib.sha256(token.encode()).hexdigest()
    node.add(Publisher(dapp, key, node.owner, digest, **more))
    return {"Authorization": f"Bearer {token}"}


async def test_the_published_client_works_unchanged(client: Client, node: Node) -> None:
    token = publisher(node, node.first, "gateway", is_gateway=True)["Authorization"][7:]
    url = str(client.session._base_url).rstrip("/") + PATH + node.first
    script = Path(__file__).with_name("publishes.mjs")
    process = await asyncio.create_subprocess_exec(
        "node", str(script), url, token,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    single, binary, *several = json.loads(out)
    (first,) = single["data"]
    assert (single["status"], first["index"]) == (201, 0)
    (result,) = first["results"]
    assert (result["appletName"], result["handler"], result["code"]) == (node.first, "start", 0)
    assert binary["data"][0]["results"][0]["code"] == -7  # "not a number" begins with n
    assert "returned -7" in binary["data"][0]["results"][0]["error"]
    assert [len(one["data"]) for one in several] == [100, 100, 50]
    codes = [
        result["code"] for one in several for each in one["data"] for result in each["results"]
    ]
    assert codes == [0] * 250
    sent = [message for n in range(7) for message in node.read(node.first, f"device_{n}")]
    assert sorted(json.loads(message.payload)["n"] for message in sent) == list(range(250))
    alarm = node.read(node.first, "device_001")[1]
    assert (alarm.event_type, alarm.payload) == ("ALARM", b"not a number")


async def test_a_single_event_is_answered_with_its_result(client: Client, node: Node) -> None:
    headers = publisher(node, node.first, "imei-1")
    path = PATH + node.first
    query = {"eventType": "DRIVE", "eventID": "Trip 17", "timestamp": "1"}
    status, answer = await client.ask("POST", path, params=query, data=b"\x00\xff", headers=headers)
    assert status == 201
    assert answer["channel"] == node.first
    assert (answer["publisherKey"], answer["eventID"]) == ("imei-1", "Trip 17")
    assert answer["publisherID"].isdecimal()
    (result,) = answer["results"]
    assert result["returnValue"] is None
    assert (result["handler"], result["code"]) == ("start", 0)
    (message,) = node.read(node.first, "imei-1")
    assert (message.payload, message.event_type) == (b"\x00\xff", "DRIVE")
    assert message.message_id == message_id("trip 17").bytes
    assert message.time_ms == answer["timestamp"] > 1  # too far off: the node's own clock

    # The same event again is not run again; the token may come in the query.
    token = headers["Authorization"][7:]
    status, again = await client.ask(
        "POST", path, params=query | {"authorization": token}, data=b"\x00\xff"
    )
    assert (status, again["results"]) == (201, [])
    # A program that traps: its code is -1, as W3bStream's is, and the error says why.
    _, trapped = await client.ask("POST", path, data=b"t", headers=headers)
    assert trapped["results"][0]["code"] == -1
    assert "unreachable" in trapped["results"][0]["error"]
    assert trapped["eventID"].endswith("_w3b")


async def test_a_retry_by_another_door_counts_once(client: Client, node: Node) -> None:
    headers = publisher(node, node.first, "many-doors")
    path, one, request = f"/v1/dapps/{node.first}/messages", uuid4(), uuid4()

    async def send(body: bytes, type_: str, id_: UUID) -> None:
        typed = headers | {"Content-Type": type_}
        status, _ = await client.ask(
            "POST", path, params={"id": str(id_)}, data=body, headers=typed
        )
        assert status == 202

    async def repeated(id_: UUID) -> bool:
        _, answer = await client.ask(
            "POST", PATH + node.first, params={"eventID": str(id_)}, data=b"x", headers=headers
        )
        assert "error" not in answer
        return answer["results"] == []

    await send(b"x", "text/plain", one)
    assert await repeated(one)
    token = headers["Authorization"].removeprefix("Bearer ")
    by_mqtt, by_grpc = uuid4(), uuid4()
    async with Dialogue(client.mqtt_port) as mqtt, Calls(client.grpc_port) as grpc:
        await mqtt.connect("many-doors", token)
        for id_ in (one, by_mqtt):
            topic = f"v1/dapps/{node.first}/messages"
            mqtt.send(publish(topic, b"x", user_properties=[("id", str(id_))]))
            await mqtt.hear()
        for id_ in (one, by_mqtt, by_grpc):
            await grpc.call("Send", grpc_send(node.first, b"x", id=str(id_)), token)
        batch = SendBatchRequest(messages=[Message(payload=b"1")], id=str(request))
        await grpc.call("SendBatch", batch, token)
    assert await repeated(by_mqtt)
    assert await repeated(by_grpc)
    await send(b"1\n2\n", NDJSON, request)
    await send(b"\x01\x02", CBOR_SEQUENCE, request)
    assert await repeated(derived_id(request, 0))
    assert await repeated(derived_id(request, 1))
    assert not await repeated(derived_id(request, 2))
    assert len(node.read(node.first, "many-doors")) == 17  # they are there, and ran once


async def _acknowledged(it: Dialogue) -> dict[str, Any]:
    """What the next message tells of an event; PUBACKs are passed over."""
    while not isinstance(packet := await it.hear(), mqtt5.PublishPacket):
        assert isinstance(packet, mqtt5.PubAckPacket)
        assert packet.reason_code == mqtt5.PubAckReasonCode.SUCCESS
    assert packet.packet_id is not None
    it.send(mqtt5.PubAckPacket(packet.packet_id))
    said: dict[str, Any] = json.loads(packet.payload)
    assert packet.topic == f"ack/{said['publisherKey']}"
    return said


def _as_json(token: str, payload: bytes, event_id: str) -> dict[str, Any]:
    header = {"token": token, "event_type": "DRIVE", "event_id": event_id, "timestamp": 17}
    return {"header": header, "payload": base64.b64encode(payload).decode()}


async def test_events_over_mqtt_are_told_of_their_results(client: Client, node: Node) -> None:
    token = publisher(node, node.first, "imei-9")["Authorization"][7:]
    gate = publisher(node, node.first, "gate-9", is_gateway=True)["Authorization"][7:]
    header = Header(event_type="DRIVE", token=token, event_id="One", pub_time=10**15)
    told = [
        (node.first, Event(header=header, payload=b"\x00\xff").SerializeToString(), ["One"]),
        (node.first, json.dumps(_as_json(token, b"x", "Two")).encode(), ["Two"]),
        (
            node.first,
            json.dumps({"events": [_as_json(token, b"x", n) for n in ("Three", "Four")]}).encode(),
            ["Three", "Four"],
        ),
        (f"{node.first}/push/{token}/DRIVE/id=Five", b"x", ["Five"]),
    ]
    async with Dialogue(client.mqtt_port) as device, Dialogue(client.mqtt_port) as gateway:
        for it, name, secret in ((device, "imei-9", token), (gateway, "gate-9", gate)):
            await it.connect(name, secret)
            it.send(mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("ack/imei-9")]))
            assert isinstance(await it.hear(), mqtt5.SubAckPacket)
        for qos, (topic, payload, names) in zip((0, 1, 1, 1), told, strict=True):
            gateway.send(publish(topic, payload, 3, qos))
            for it in (device, gateway):  # whose it is, and who has shown its token
                said = [await _acknowledged(it) for _ in names]
                assert {one["eventID"] for one in said} == set(names)
                results = [(r["handler"], r["code"]) for one in said for r in one["results"]]
                assert results == [("start", 0)] * len(names)
        # The same again is not run again; a token that the event leaves out is the connection's.
        device.send(publish(told[-1][0], b"x", 4))
        assert (await _acknowledged(device))["results"] == []
        device.send(publish(node.first, Event(payload=b"t").SerializeToString(), 5))
        (result,) = (await _acknowledged(device))["results"]
        assert result["code"] == -1
        assert "unreachable" in result["error"]

        forged = Event(header=Header(token="w3b_nobody")).SerializeToString()
        for payload, name in [
            (b"\xff", "malformed_request"), (b"{", "malformed_json"), (forged, "token_forged"),
            (b'{"payload": 1}', "malformed_request"), (b'{"events": []}', "no_messages"),
        ]:  # fmt: skip
            device.send(publish(node.first, payload, 6))
            answer = await device.hear()
            assert isinstance(answer, mqtt5.PubAckPacket)
            assert (answer.reason_str or "").startswith(f"{name}: ")
    messages = node.read(node.first, "imei-9")
    assert [one.payload for one in messages] == [b"\x00\xff", b"x", b"x", b"x", b"x", b"x", b"t"]
    assert {one.event_type for one in messages[:-1]} == {"DRIVE"}
    assert messages[0].message_id == message_id("one").bytes
    assert abs(messages[0].time_ms - SystemClock().now_ms()) < 600_000  # its own is too far off


async def test_who_may_not_send_is_told_as_w3bstream_does(client: Client, node: Node) -> None:
    headers = publisher(node, node.first, "only-first")
    status, answer = await client.ask("POST", PATH + node.second, data=b"x", headers=headers)
    assert (status, answer["error"]) == (201, "InvalidEventChannel")
    status, answer = await client.ask("POST", PATH + node.first, data=b"x")
    assert (status, answer["error"], answer["key"]) == (401, "token_missing", "TokenMissing")
    forged = {"Authorization": "Bearer w3b_nobody"}
    status, answer = await client.ask("POST", PATH + node.first, data=b"x", headers=forged)
    assert (status, answer["error"]) == (401, "token_forged")
    gone = publisher(node, node.first, "gone", status=DeviceStatus.REVOKED)
    status, answer = await client.ask("POST", PATH + node.first, data=b"x", headers=gone)
    assert (status, answer["error"]) == (403, "device_revoked")


async def test_an_array_is_answered_one_by_one(client: Client, node: Node) -> None:
    headers = publisher(node, node.first, "gate", is_gateway=True)
    publisher(node, node.first, "gone-2", status=DeviceStatus.REVOKED)
    query = {"eventType": DATA_PUSH, "eventID": "11111111-1111-4111-8111-111111111111"}
    events = [
        {"device_id": "a-1", "payload": "x", "event_type": "E"},
        {"device_id": "gone-2", "payload": "x"},
        {"device_id": "schedule:0", "payload": "x"},
        {"device_id": "a-1", "payload": "n"},
    ]
    status, answer = await client.ask(
        "POST", PATH + node.first, params=query, json=events, headers=headers
    )
    assert status == 201
    assert [one["index"] for one in answer] == [0, 1, 2, 3]
    assert [one["results"][0]["code"] for one in answer] == [0, -1, -1, -7]
    assert "device_revoked" in answer[1]["results"][0]["error"]
    first, second = node.read(node.first, "a-1")
    assert (first.event_type, second.event_type) == ("E", "DEFAULT")
    assert second.message_id == derived_id(UUID(query["eventID"]), 3).bytes

    for body, said in [
        (b"[", (400, "malformed_json")),
        (b"{}", (400, "malformed_request")),
        (b'[{"payload": "x"}]', (400, "malformed_request")),
        (b"[]", (400, "no_messages")),
    ]:
        status, answer = await client.ask(
            "POST", PATH + node.first, params=query, data=body, headers=headers
        )
        assert (status, answer["error"]) == said


async def test_an_event_that_is_not_run_in_time_is_kept(
    client: Client, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ANSWER_WAIT_S", 0.2)
    headers = publisher(node, node.second, "patient")
    status, answer = await client.ask("POST", PATH + node.second, data=b"x", headers=headers)
    assert status == 201
    (result,) = answer["results"]
    assert (result["code"], result["error"]) == (-1, "wait timeout")
    assert [message.payload for message in node.read(node.second, "patient")] == [b"x"]
