"""What an owner granted by event types, at every door, and what the audit log says of refusals."""

import base64
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import mqtt5
import pytest
import pytest_asyncio

from streams.clock import ManualClock
from streams.endpoint.bodies import ENVELOPES
from streams.endpoint.rpc import messages_pb2 as pb
from streams.records import Message
from streams.registry.entries import PUBLISHER_TOKEN, Device, Grant, Owner, Publisher
from streams.wallet.did import KeyKind
from streams.wallet.keys import SigningKey, generate
from tests.audit.told import told
from tests.endpoint.ethereum_wallet import Wallet
from tests.endpoint.mqtt.dialogue import Dialogue, publish
from tests.endpoint.rpc.calling import Calls, RefusalError, send
from tests.endpoint.setting import Client, Node, Opened

pytestmark = pytest.mark.services

SUCCESS = mqtt5.PubAckReasonCode.SUCCESS
NOT_AUTHORIZED = mqtt5.PubAckReasonCode.NOT_AUTHORIZED


@pytest.fixture
def key(node: Node) -> SigningKey:
    """A device whose owner has granted the first Dapp its trips, and the second all."""
    owner, key = uuid4().hex, generate(KeyKind.ED25519)
    trips = Grant(owner, node.first, 0, event_types=frozenset({"TRIP"}))
    node.add(Owner(owner, 0), Device(key.did, owner), trips, Grant(owner, node.second, 0))
    return key


@pytest_asyncio.fixture
async def client(node: Node, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Client]:
    async with Opened(node.kafka, node.registry, tmp_path, clock, grpc_port=0) as client:
        yield client


def types(messages: list[Message]) -> list[str]:
    return [message.event_type for message in messages]


async def test_over_http(client: Client, node: Node, key: SigningKey) -> None:
    headers = await client.token(key)

    async def post(path: str, **more: Any) -> tuple[int, Any]:
        status, answer = await client.ask("POST", path, headers=headers, **more)
        return status, answer.get("dapps", answer.get("error"))

    one, all_ = f"/v1/dapps/{node.first}/messages", "/v1/messages"
    trip = {"params": {"event_type": "TRIP"}, "data": b"x"}
    assert await post(one, **trip) == (202, [node.first])
    assert await post(one, data=b"x") == (403, "not_granted")
    assert await post(all_, **trip) == (202, [node.first, node.second])
    assert await post(all_, data=b"x") == (202, [node.second])  # who may not have it is left out
    lines = b'{"payload": 1, "event_type": "TRIP"}\n{"payload": 2, "event_type": "FUEL"}'
    headers["Content-Type"] = ENVELOPES
    for path in (one, all_):  # some of them for a Dapp: none is sent
        assert await post(path, data=lines) == (403, "not_granted")
    assert types(node.read(node.first, key.did)) == ["TRIP", "TRIP"]
    assert types(node.read(node.second, key.did)) == ["TRIP", "DEFAULT"]


async def test_over_mqtt_one_by_one_and_many_at_once(
    client: Client, node: Node, key: SigningKey
) -> None:
    token = (await client.token(key))["Authorization"].removeprefix("Bearer ")
    topic = f"v1/dapps/{node.first}/messages"
    async with Dialogue(client.mqtt_port) as it:
        await it.connect(key.did, token)
        for name, expected in (("/TRIP", SUCCESS), ("", NOT_AUTHORIZED), ("/FUEL", NOT_AUTHORIZED)):
            it.send(publish(topic + name, b"1"))
            answer = await it.hear()
            assert (type(answer), answer.reason_code) == (mqtt5.PubAckPacket, expected)
        assert answer.reason_str.startswith("not_granted: ")
        it.send_bytes(b"".join(publish(topic, b"1", number).write() for number in (1, 2, 3)))
        heard = [(await it.hear()).reason_code for _ in range(3)]
        assert heard == [NOT_AUTHORIZED] * 3
        it.send(publish("v1/messages", b"1"))
        assert (await it.hear()).reason_code == SUCCESS
    assert types(node.read(node.first, key.did)) == ["TRIP"]
    assert types(node.read(node.second, key.did)) == ["DEFAULT"]


async def test_over_grpc(client: Client, node: Node, key: SigningKey) -> None:
    async with Calls(client.grpc_port) as calls:
        token = await calls.log_in(key)
        accepted = await calls.call("Send", send(event_type="DEFAULT"), token)
        assert list(accepted.dapps) == [node.second]
        await calls.call("Send", send(node.first, event_type="TRIP"), token)
        batch = pb.SendBatchRequest(
            dapp=node.first,
            messages=[pb.Message(payload=b"1", event_type=one) for one in ("TRIP", "FUEL")],
        )
        for name, asked in (("Send", send(node.first)), ("SendBatch", batch)):
            with pytest.raises(RefusalError) as error:
                await calls.call(name, asked, token)
            assert error.value.name == "not_granted"

        async def requests() -> AsyncIterator[pb.SendRequest]:
            yield send(node.first, event_type="TRIP")
            yield send(node.first)

        acknowledged, refused = [], []
        async for outcomes in calls.stream(requests(), token):
            acknowledged += outcomes.acknowledged
            refused += [(one.number, one.name) for one in outcomes.refused]
        assert (acknowledged, refused) == ([0], [(1, "not_granted")])
    assert types(node.read(node.first, key.did)) == ["TRIP", "TRIP"]


async def test_a_publishers_events_too(client: Client, node: Node) -> None:
    owner, token = uuid4().hex, PUBLISHER_TOKEN + uuid4().hex
    trips = Grant(owner, node.first, 0, event_types=frozenset({"TRIP"}))
    digest = hashlib.sha256(token.encode()).hexdigest()
    node.add(trips, Publisher(node.first, owner, owner, digest))
    path, headers = f"/srv-applet-mgr/v0/event/{node.first}", {"Authorization": f"Bearer {token}"}
    status, answer = await client.ask("POST", path, data=b"x", headers=headers)
    assert (status, answer["error"]) == (403, "not_granted")


async def test_an_owner_grants_types_until_a_time(
    client: Client, node: Node, clock: ManualClock
) -> None:
    wallet = Wallet(clock)
    node.add(Owner(wallet.did, 1))
    headers, path = await wallet.log_in(client), f"/v1/owners/me/grants/{node.first}"
    until_ms = clock.now_ms() + 60_000
    said = {"event_types": ["TRIP"], "until_ms": until_ms}
    status, granted = await client.ask("PUT", path, json=said, headers=headers)
    assert (status, granted["event_types"], granted["devices"]) == (200, ["TRIP"], None)
    for wrong in ([], ["x" * 65], [""], "TRIP"):
        _, answer = await client.ask("PUT", path, json={"event_types": wrong}, headers=headers)
        assert answer["error"] == "malformed_request"
    grant = node.registry.grants(wallet.did)[node.first]
    assert (grant.event_types, grant.until_ms) == (frozenset({"TRIP"}), until_ms)
    (record,) = told(node.kafka["bootstrap.servers"], owner=wallet.did, kind="grant")
    assert (record.author.who, record.author.door, record.action) == (wallet.did, "http", "add")
    assert record.after is not None
    assert record.after["event_types"] == ["TRIP"]


async def test_refusals_have_one_name_at_every_door_and_in_the_audit_log(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    key, dapp = node.add_device(), node.ungranted
    async with Opened(node.kafka, node.registry, tmp_path, clock, grpc_port=0) as client:
        headers = await client.token(key)
        token = headers["Authorization"].removeprefix("Bearer ")
        for _ in range(40):
            _, answer = await client.ask("POST", f"/v1/dapps/{dapp}/messages", headers=headers)
            assert answer["error"] == "not_granted"
        async with Calls(client.grpc_port) as calls:
            with pytest.raises(RefusalError) as error:
                await calls.call("Send", send(dapp), token)
        assert error.value.name == "not_granted"
        async with Dialogue(client.mqtt_port) as it:
            await it.connect(key.did, token)
            it.send(publish(f"v1/dapps/{dapp}/messages", b"1"))
            assert (await it.hear()).reason_str.startswith("not_granted: ")
        _, said = await client.ask("POST", "/v1/challenges", json={"device": key.did})
        body = {"device": key.did, "challenge": said["challenge"],
                "signature": base64.urlsafe_b64encode(bytes(64)).decode()}  # fmt: skip
        assert (await client.ask("POST", "/v1/tokens", json=body))[1][
            "error"
        ] == "signature_invalid"

    # It has closed: what it counted is told.
    records = told(node.kafka["bootstrap.servers"], action="refuse", device=key.did)
    counts = Counter({(one.author.door, one.reason, one.dapp): one.times for one in records})
    assert counts == {
        ("http", "not_granted", dapp): 40,
        ("grpc", "not_granted", dapp): 1,
        ("mqtt", "not_granted", dapp): 1,
        ("http", "signature_invalid", ""): 1,
    }
    assert {one.owner for one in records} == {node.owner, ""}
