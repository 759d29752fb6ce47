"""The HTTP door, from a client's side, on a real Kafka."""

import asyncio
import base64
import contextlib
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from streams import limits
from streams.clock import ManualClock
from streams.endpoint.bodies import ENVELOPES, NDJSON, derived_id
from streams.endpoint.w3bstream import PATH
from streams.records import Message
from streams.registry.entries import Device, DeviceStatus, Grant, Kind
from streams.wallet.did import KeyKind
from streams.wallet.did_web import WELL_KNOWN
from streams.wallet.keys import generate
from tests.endpoint.rpc.calling import Calls, RefusalError
from tests.endpoint.setting import PARTITIONS, Client, Node, Opened

pytestmark = pytest.mark.services


@pytest.mark.slow
async def test_one_message_reaches_the_dapp_with_its_id(client: Client, node: Node) -> None:
    key = node.add_device()
    headers = await client.token(key)
    path = f"/v1/dapps/{node.first}/messages"
    id_ = str(uuid4())
    query = {"id": id_, "time_ms": "17", "event_type": "drive"}
    status, answer = await client.ask("POST", path, params=query, data=b"\x00\xff", headers=headers)
    assert (status, answer) == (202, {"ids": [id_], "dapps": [node.first]})
    status, answer = await client.ask("POST", path, json={"speed": 1}, headers=headers)
    assert status == 202
    first, second = node.read(node.first, key.did)
    assert first == Message(key.did, b"\x00\xff", UUID(id_).bytes, 17, "drive")
    assert second.payload == b'{"speed": 1}'
    assert str(UUID(bytes=second.message_id)) == answer["ids"][0]
    assert second.event_type == "DEFAULT"
    assert node.read(node.second, key.did) == []


async def test_ndjson_and_envelopes_keep_their_order(client: Client, node: Node) -> None:
    key = node.add_device()
    headers = await client.token(key)
    path = f"/v1/dapps/{node.first}/messages"
    id_ = uuid4()
    lines = [b'{"n": %d}' % n for n in range(1000)]
    for body, type_ in [
        (b"\n".join(lines), NDJSON),
        (
            b"\n".join(b'{"payload":%s,"time_ms":%d}' % (x, n) for n, x in enumerate(lines)),
            ENVELOPES,
        ),
    ]:
        status, answer = await client.ask(
            "POST", path, params={"id": str(id_)}, data=body,
            headers=headers | {"Content-Type": f"{type_}; charset=utf-8"},
        )  # fmt: skip
        assert status == 202
        assert answer["ids"] == [str(derived_id(id_, n)) for n in range(1000)]
    found = node.read(node.first, key.did)
    assert [message.payload for message in found] == lines * 2
    assert [message.time_ms for message in found[1000:]] == list(range(1000))


@pytest.mark.slow
async def test_messages_go_to_every_granted_dapp_or_to_none(client: Client, node: Node) -> None:
    key = node.add_device()
    headers = await client.token(key)
    status, answer = await client.ask("POST", "/v1/messages", data=b"hello", headers=headers)
    assert status == 202
    assert answer["dapps"] == [node.first, node.second]
    copies = [node.read(dapp, key.did) for dapp in answer["dapps"]]
    assert copies[0] == copies[1]
    assert [str(UUID(bytes=message.message_id)) for message in copies[0]] == answer["ids"]
    assert node.read(node.ungranted, key.did) == []

    many = await asyncio.gather(
        *(client.ask("POST", "/v1/messages", data=b"%d" % n, headers=headers) for n in range(100))
    )
    assert {status for status, _ in many} == {202}
    payloads = [sorted(m.payload for m in node.read(d, key.did)) for d in answer["dapps"]]
    assert payloads[0] == payloads[1] == sorted([b"hello", *(b"%d" % n for n in range(100))])


async def test_a_bad_line_leaves_nothing_behind(client: Client, node: Node) -> None:
    key = node.add_device()
    headers = await client.token(key) | {"Content-Type": NDJSON}
    for path in (f"/v1/dapps/{node.first}/messages", "/v1/messages"):
        status, answer = await client.ask("POST", path, data=b'{}\n{"a"\n{}', headers=headers)
        assert (status, answer["error"]) == (400, "malformed_json")
        assert "line 2" in answer["message"]
    assert node.read(node.first, key.did) == []


async def test_refusals_by_name(client: Client, node: Node, clock: ManualClock) -> None:
    key = node.add_device()
    token = await client.token(key)
    messages = f"/v1/dapps/{node.first}/messages"
    forged = {"Authorization": token["Authorization"][:-3] + "AAA"}

    async def refused(path: str, headers: dict[str, str], data: bytes = b"{}", **query: str) -> Any:
        status, answer = await client.ask("POST", path, data=data, headers=headers, params=query)
        assert answer["message"]
        return status, answer["error"]

    as_json = token | {"Content-Type": "application/json"}
    assert await refused(messages, {}) == (401, "token_missing")
    assert await refused(messages, {"Authorization": "Basic eA=="}) == (401, "token_missing")
    assert await refused(messages, forged) == (401, "token_forged")
    assert await refused("/v1/dapps/nowhere/messages", token) == (404, "unknown_dapp")
    assert await refused(f"/v1/dapps/{node.ungranted}/messages", token) == (403, "not_granted")
    assert await refused(messages, as_json, b"{") == (400, "malformed_json")
    assert await refused(messages, token, id="x") == (400, "malformed_request")
    assert await refused("/v1/nothing", token) == (404, "not_found")
    assert await refused("/healthz", token) == (405, "method_not_allowed")
    large = bytes(limits.PAYLOAD_BYTES_MAX + 1)
    assert await refused(messages, token, large) == (413, "too_large")
    clock.advance_ms(limits.TOKEN_LIFE_S * 1000)
    assert await refused(messages, token) == (401, "token_expired")
    assert node.read(node.first, key.did) == []

    loner = node.add_device(owner=uuid4().hex)
    assert await refused("/v1/messages", await client.token(loner)) == (403, "not_granted")


async def test_bodies_that_ask_for_tokens_are_checked(client: Client) -> None:
    for path, body, said in [
        ("/v1/challenges", b"{", (400, "malformed_json")),
        ("/v1/challenges", b"{}", (400, "malformed_request")),
        ("/v1/challenges", b'{"device": 7}', (400, "malformed_request")),
        ("/v1/challenges", b'{"device": "did:key:z1"}', (400, "malformed_request")),
        ("/v1/challenges", b'"%s"' % (b"x" * 20_000), (413, "too_large")),
        (
            "/v1/tokens",
            b'{"device": "x", "challenge": "x", "signature": "*"}',
            (400, "malformed_request"),
        ),
    ]:
        status, answer = await client.ask("POST", path, data=body)
        assert (status, answer["error"]) == said


async def test_a_stranger_learns_of_registration_only_with_the_key(
    client: Client, node: Node
) -> None:
    stranger = generate(KeyKind.P256)
    status, answer = await client.log_in(stranger)
    assert (status, answer["error"]) == (403, "device_unknown")
    known, thief = node.add_device(), generate(KeyKind.ED25519)
    _, answer = await client.ask("POST", "/v1/challenges", json={"device": known.did})
    signature = base64.urlsafe_b64encode(thief.sign(answer["challenge"].encode())).decode()
    body = {"device": known.did, "challenge": answer["challenge"], "signature": signature}
    status, answer = await client.ask("POST", "/v1/tokens", json=body)
    assert (status, answer["error"]) == (401, "signature_invalid")


async def test_revocation_and_the_end_of_a_grant_bite_at_once(client: Client, node: Node) -> None:
    owner = uuid4().hex
    key = node.add_device(owner)
    node.add(Grant(owner, node.first, 0))
    headers = await client.token(key)
    path = f"/v1/dapps/{node.first}/messages"
    assert (await client.ask("POST", path, data=b"1", headers=headers))[0] == 202
    node.registry.wait_for(node.writer.remove(Kind.GRANT, f"{owner}/{node.first}"), 1)
    status, answer = await client.ask("POST", path, data=b"2", headers=headers)
    assert (status, answer["error"]) == (403, "not_granted")
    node.add(Device(key.did, owner, DeviceStatus.REVOKED))
    status, answer = await client.ask("POST", path, data=b"3", headers=headers)
    assert (status, answer["error"]) == (403, "device_revoked")
    assert (await client.log_in(key))[1]["error"] == "device_revoked"
    assert [message.payload for message in node.read(node.first, key.did)] == [b"1"]


@pytest.mark.slow
async def test_a_body_without_end_is_cut_off_at_the_limit(client: Client, node: Node) -> None:
    headers = await client.token(node.add_device())
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield bytes(65_536)

    try:
        status, answer = await client.ask(
            "POST", f"/v1/dapps/{node.first}/messages", data=endless(), headers=headers
        )
        assert (status, answer["error"]) == (413, "too_large")
    except aiohttp.ClientConnectionError:
        pass  # the connection was closed while the client was still sending
    assert sent < 64 * limits.PAYLOAD_BYTES_MAX


async def test_a_compressed_body_is_read_up_to_the_limit(client: Client, node: Node) -> None:
    key = node.add_device()
    headers = await client.token(key) | {"Content-Encoding": "gzip"}
    path = f"/v1/dapps/{node.first}/messages"
    body = bytes(limits.PAYLOAD_BYTES_MAX)
    assert (await client.ask("POST", path, data=gzip.compress(body), headers=headers))[0] == 202
    bomb = gzip.compress(bytes(100 * limits.PAYLOAD_BYTES_MAX))
    status, answer = await client.ask("POST", path, data=bomb, headers=headers)
    assert (status, answer["error"]) == (413, "too_large")
    status, answer = await client.ask("POST", path, data=b"no gzip", headers=headers)
    assert (status, answer["error"]) == (400, "malformed_request")
    assert [message.payload for message in node.read(node.first, key.did)] == [body]


async def test_dapps_health_and_metrics_are_public(client: Client, node: Node) -> None:
    status, answer = await client.ask("GET", "/v1/dapps")
    assert status == 200
    assert node.first in [dapp["name"] for dapp in answer["dapps"]]
    status, answer = await client.ask("GET", f"/v1/dapps/{node.first}")
    assert status == 200
    assert answer["partitions"] == PARTITIONS
    assert answer["event_types"] == ["DEFAULT"]
    status, answer = await client.ask("GET", "/v1/dapps/nowhere")
    assert (status, answer["error"]) == (404, "unknown_dapp")
    assert await client.ask("GET", "/healthz") == (200, {"healthy": True, "registry": "live"})
    await client.ask("POST", "/v1/messages")
    async with client.session.get("/metrics") as response:
        text = await response.text()
    assert 'w3b_endpoint_refusals_total{door="http",reason="token_missing"}' in text


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/dapps/{dapp}/messages"])
async def test_without_kafka_the_answer_comes_in_time_and_names_the_id(
    node: Node, tmp_path: Path, clock: ManualClock, path: str
) -> None:
    key = node.add_device()
    nowhere = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
    # The MQTT door does not open before it has read its sessions from Kafka.
    async with Opened(nowhere, node.registry, tmp_path, clock, mqtt_port=None) as client:
        headers = await client.token(key)
        id_ = str(uuid4())
        async with asyncio.timeout(3 * limits.APPEND_TIMEOUT_MS / 1000):
            async with client.session.post(
                path.format(dapp=node.first), params={"id": id_}, data=b"x", headers=headers
            ) as response:
                answer = json.loads(await response.read())
    assert (response.status, answer["error"]) == (503, "log_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert answer["id"] == id_


async def test_a_client_that_goes_away_harms_nobody(client: Client, node: Node) -> None:
    key = node.add_device()
    headers = await client.token(key)
    path = f"/v1/dapps/{node.first}/messages"
    for target in (path, "/v1/messages"):
        for _ in range(20):
            with contextlib.suppress(TimeoutError):  # or it was answered in time: as good
                async with asyncio.timeout(0.002):
                    await client.ask("POST", target, data=b"gone", headers=headers)
    assert (await client.ask("POST", path, data=b"here", headers=headers))[0] == 202
    assert (await client.ask("POST", "/v1/messages", data=b"too", headers=headers))[0] == 202
    assert node.read(node.first, key.did)[-1].payload == b"too"


async def test_too_many_messages_a_second_are_refused_for_a_while(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    key = node.add_device()
    path = f"/v1/dapps/{node.first}/messages"
    async with Opened(node.kafka, node.registry, tmp_path, clock, device_per_s=1) as client:
        headers = await client.token(key)
        as_lines = headers | {"Content-Type": NDJSON}
        body = b"\n".join([b"{}"] * (limits.RATE_BURST_S + 3))
        assert (await client.ask("POST", path, data=body, headers=as_lines))[0] == 202
        async with client.session.post(path, data=b"{}", headers=headers) as response:
            answer = await response.json()
        assert (response.status, answer["error"]) == (429, "device_rate_exceeded")
        assert response.headers["Retry-After"] == "3"
        async with client.session.post(PATH + node.first, data=b"{}", headers=headers) as response:
            answer = await response.json()
        assert (response.status, answer["results"][0]["code"]) == (429, -1)
        clock.advance_ms(3_000)
        assert (await client.ask("POST", path, data=b"{}", headers=headers))[0] == 202
    assert len(node.read(node.first, key.did)) == limits.RATE_BURST_S + 4


async def test_too_many_log_ins_from_an_address_are_refused_for_a_while(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    key, asked = node.add_device(), {"device": "did:key:x"}
    async with (
        Opened(node.kafka, node.registry, tmp_path, clock, address_per_s=1, grpc_port=0) as client,
        Calls(client.grpc_port) as calls,
    ):
        headers = await client.token(key)
        while (await client.ask("POST", "/v1/challenges", json=asked))[0] != 429:
            pass
        for path in ("/v1/challenges", "/v1/tokens", "/v1/registrations", "/v1/owners/session"):
            async with client.session.post(path, json=asked) as response:
                answer = await response.json()
            assert (response.status, answer["error"]) == (429, "address_rate_exceeded")
            assert response.headers["Retry-After"] == "1"
        with pytest.raises(RefusalError) as error:
            await calls.log_in(key)
        assert (error.value.name, error.value.retry_after) == ("address_rate_exceeded", "1")
        # Who has a token is not held up by who tries for one.
        assert (await client.ask("POST", "/v1/messages", data=b"x", headers=headers))[0] == 202
        clock.advance_ms(1_000)
        assert (await client.ask("GET", "/v1/owners/nonce"))[0] == 200


async def test_who_the_node_is_can_be_looked_up_if_it_has_a_name(
    client: Client, node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    status, answer = await client.ask("GET", WELL_KNOWN)
    assert (status, answer["error"]) == (404, "not_found")
    documents = {WELL_KNOWN: lambda: b'{"id": "did:web:node.example"}'}
    opened = Opened(node.kafka, node.registry, tmp_path, clock, published=documents)
    async with opened as named:
        assert await named.ask("GET", WELL_KNOWN) == (200, {"id": "did:web:node.example"})
