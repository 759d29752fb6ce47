"""The gRPC door, from a client's side, on a real Kafka."""

import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from streams import limits
from streams.clock import ManualClock
from streams.endpoint import operators
from streams.endpoint.admission import Refusal
from streams.endpoint.bodies import derived_id
from streams.endpoint.rpc import build
from streams.endpoint.rpc import messages_pb2 as pb
from streams.endpoint.rpc.door import SERVICE
from streams.endpoint.rpc.statuses import STATUS
from streams.records import Message
from streams.registry.entries import Device, DeviceStatus, Publisher
from streams.wallet.did import KeyKind
from streams.wallet.keys import generate
from tests.endpoint.rpc.calling import Calls, RefusalError, send
from tests.endpoint.setting import Node, Opened

Code = grpc.StatusCode
OPERATOR = operators.SERVICE.full_name


def test_what_is_generated_is_what_the_source_says(tmp_path: Path) -> None:
    build.generate(tmp_path)
    made = sorted(file for file in tmp_path.rglob("*") if file.is_file())
    assert {file.stem for file in made} == {"event_pb2", "messages_pb2", "operator_pb2"}
    for file in made:
        assert file.read_text() == (build.HERE / file.name).read_text(), "make build"


def test_every_refusal_has_a_status() -> None:
    assert STATUS.keys() == set(Refusal)


# --- messages -------------------------------------------------------------------------------------


@pytest.mark.services
async def test_a_message_reaches_the_dapp_with_what_it_says(calls: Calls, node: Node) -> None:
    key = node.add_device()
    token = await calls.log_in(key)
    id_ = str(uuid4())
    said = send(node.first, b"\x00\xff", event_type="drive", time_ms=17, id=id_)
    answer = await calls.call("Send", said, token)
    assert (list(answer.ids), list(answer.dapps)) == ([id_], [node.first])
    # To every granted Dapp, in one transaction.
    answer = await calls.call("Send", send(payload=b"all"), token)
    assert list(answer.dapps) == [node.first, node.second]
    one, both = node.read(node.first, key.did)
    assert one == Message(key.did, b"\x00\xff", UUID(id_).bytes, 17, "drive")
    assert (both.event_type, str(UUID(bytes=both.message_id))) == ("DEFAULT", answer.ids[0])
    assert node.read(node.second, key.did) == [both]


@pytest.mark.services
async def test_a_batch_has_the_ids_that_http_gives_it(calls: Calls, node: Node) -> None:
    key = node.add_device()
    token = await calls.log_in(key)
    id_, own = uuid4(), uuid4()
    messages = [
        pb.Message(payload=b"%d" % n, time_ms=n, event_type="e" * (n % 3)) for n in range(9)
    ]
    messages.append(pb.Message(payload=b"own", id=str(own)))
    asked = pb.SendBatchRequest(dapp=node.first, messages=messages, id=str(id_))
    answer = await calls.call("SendBatch", asked, token)
    assert list(answer.ids) == [*(str(derived_id(id_, n)) for n in range(9)), str(own)]
    found = node.read(node.first, key.did)
    assert [one.payload for one in found] == [one.payload for one in messages]
    assert [str(UUID(bytes=one.message_id)) for one in found] == list(answer.ids)
    assert [one.time_ms for one in found[1:9]] == list(range(1, 9))
    assert [one.event_type for one in found[:4]] == ["DEFAULT", "e", "ee", "DEFAULT"]

    again = await calls.call("SendBatch", pb.SendBatchRequest(messages=messages), token)
    assert list(again.dapps) == [node.first, node.second]
    assert len(node.read(node.second, key.did)) == 10


@pytest.mark.services
async def test_a_gateway_sends_for_the_devices_that_it_names(calls: Calls, node: Node) -> None:
    token = f"w3b_{uuid4().hex}"
    digest = hashlib.sha256(token.encode()).hexdigest()
    name, gate = uuid4().hex, uuid4().hex
    node.add(Publisher(node.first, gate, node.owner, digest, is_gateway=True))
    named = [pb.Message(payload=b"%d" % n, device=name if n % 2 else "") for n in range(6)]
    await calls.call("SendBatch", pb.SendBatchRequest(messages=named), token)
    await calls.call("Send", send(payload=b"6", device=name), token)
    assert [one.payload for one in node.read(node.first, name)] == [b"1", b"3", b"5", b"6"]
    assert [one.payload for one in node.read(node.first, gate)] == [b"0", b"2", b"4"]

    stranger = node.add_device(owner=uuid4().hex).did
    for asked in (
        send(device=stranger),
        pb.SendBatchRequest(messages=[pb.Message(device=stranger)]),
    ):
        with pytest.raises(RefusalError) as refused:
            await calls.call(type(asked).__name__.removesuffix("Request"), asked, token)
        assert refused.value.name == "not_granted"


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.services
async def test_refusals_by_name(calls: Calls, node: Node, clock: ManualClock) -> None:
    key = node.add_device()
    token = await calls.log_in(key)

    async def refused(request: Any, token: str | None = token, name: str = "Send") -> Any:
        with pytest.raises(RefusalError) as found:
            await calls.call(name, request, token)
        assert found.value.text.startswith(f"{found.value.name}: ")
        return found.value.code, found.value.name

    good, batch = send(node.first), pb.SendBatchRequest
    assert await refused(good, None) == (Code.UNAUTHENTICATED, "token_missing")
    assert await refused(good, token[:-3] + "AAA") == (Code.UNAUTHENTICATED, "token_forged")
    assert await refused(send("nowhere")) == (Code.NOT_FOUND, "unknown_dapp")
    assert await refused(send(node.ungranted)) == (Code.PERMISSION_DENIED, "not_granted")
    other = node.add_device()
    assert await refused(send(device=other.did)) == (Code.PERMISSION_DENIED, "not_granted")
    for wrong in (
        b"\xff", send(id="x"), send(event_type="e" * 65), send(time_ms=limits.TIME_MS_MAX + 1),
    ):  # fmt: skip
        assert await refused(wrong) == (Code.INVALID_ARGUMENT, "malformed_request")
    large = bytes(limits.PAYLOAD_BYTES_MAX + 1)
    assert await refused(send(payload=large)) == (Code.INVALID_ARGUMENT, "too_large")
    for asked, name in [
        (batch(), "no_messages"),
        (batch(messages=[pb.Message()] * (limits.REQUEST_MESSAGES_MAX + 1)), "too_many_messages"),
        (batch(messages=[pb.Message(), pb.Message(payload=large)]), "too_large"),
        (batch(messages=[pb.Message(), pb.Message(id="x")]), "malformed_request"),
        (b"\x00", "malformed_request"),
    ]:
        assert await refused(asked, name="SendBatch") == (Code.INVALID_ARGUMENT, name)
    answer = await calls.call("Challenge", pb.ChallengeRequest(device=key.did))
    forged = pb.LogInRequest(device=key.did, challenge=answer.challenge, signature=bytes(64))
    assert await refused(forged, None, "LogIn") == (Code.UNAUTHENTICATED, "signature_invalid")
    nobody = pb.ChallengeRequest(device="did:key:z1")
    assert await refused(nobody, None, "Challenge") == (Code.INVALID_ARGUMENT, "malformed_request")
    with pytest.raises(RefusalError) as unknown:
        await calls.log_in(generate(KeyKind.P256))
    assert (unknown.value.code, unknown.value.name) == (Code.PERMISSION_DENIED, "device_unknown")
    node.add(Device(other.did, node.owner, DeviceStatus.REVOKED))
    with pytest.raises(RefusalError) as revoked:
        await calls.log_in(other)
    assert (revoked.value.code, revoked.value.name) == (Code.PERMISSION_DENIED, "device_revoked")
    clock.advance_ms(limits.TOKEN_LIFE_S * 1000)
    assert await refused(good) == (Code.UNAUTHENTICATED, "token_expired")
    assert node.read(node.first, key.did) == []


@pytest.mark.services
async def test_too_many_messages_a_second_are_told_when_to_come_again(
    node: Node, tmp_path: Path, clock: ManualClock
) -> None:
    async with (
        Opened(node.kafka, node.registry, tmp_path, clock, grpc_port=0, device_per_s=1) as client,
        Calls(client.grpc_port) as calls,
    ):
        token = await calls.log_in(node.add_device())
        burst = [pb.Message()] * (limits.RATE_BURST_S + 3)
        await calls.call("SendBatch", pb.SendBatchRequest(messages=burst, dapp=node.first), token)
        with pytest.raises(RefusalError) as refused:
            await calls.call("Send", send(node.first), token)
        assert (refused.value.code, refused.value.name, refused.value.retry_after) == (
            Code.RESOURCE_EXHAUSTED, "device_rate_exceeded", "3",
        )  # fmt: skip


@pytest.mark.services
async def test_a_compressed_request_is_not_taken(calls: Calls, node: Node) -> None:
    """Its size would be known only once it is in memory."""
    token = await calls.log_in(node.add_device())
    bomb = pb.SendRequest(message=pb.Message(payload=bytes(50 * limits.MIB))).SerializeToString()
    call = calls.channel.unary_unary(f"/{SERVICE}/Send")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(
            bomb, metadata=[("authorization", f"Bearer {token}")],
            compression=grpc.Compression.Gzip,
        )  # fmt: skip
    assert refused.value.code() is Code.UNIMPLEMENTED
    await calls.call("Send", send(node.first), token)


# --- what the door says of itself -----------------------------------------------------------------


@pytest.mark.services
async def test_health_and_reflection(calls: Calls) -> None:
    health = health_pb2_grpc.HealthStub(calls.channel)
    for name in ("", SERVICE, OPERATOR):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    ask = reflection_pb2.ServerReflectionRequest
    stub = reflection_pb2_grpc.ServerReflectionStub(calls.channel)
    asked = [ask(list_services=""), ask(file_containing_symbol=SERVICE)]
    listed, described = [one async for one in stub.ServerReflectionInfo(iter(asked))]
    names = {one.name for one in listed.list_services_response.service}
    of_all = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert names == {SERVICE, OPERATOR} | of_all
    (source,) = described.file_descriptor_response.file_descriptor_proto
    (service,) = descriptor_pb2.FileDescriptorProto.FromString(source).service
    assert [one.name for one in service.method] == [
        "Challenge", "LogIn", "Send", "SendBatch", "SendStream",
    ]  # fmt: skip
