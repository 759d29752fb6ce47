"""Every door over TLS, and devices that show certificates, on a real Kafka."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import aiomqtt
import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from streams.clock import SystemClock
from streams.endpoint.rpc import messages_pb2 as pb
from streams.endpoint.tls import Tls, TlsError, certified_did
from streams.endpoint.tokens import Tokens
from tests.certificate import Authority, self_signed
from tests.endpoint.rpc.calling import Calls, RefusalError, send
from tests.endpoint.setting import Client, Node, Opened


@dataclass
class Files:
    """What the endpoint shows, and who signs for devices."""

    folder: Path
    tls: Tls
    authority: Authority

    def context(self, did: str | None = None, authority: Authority | None = None) -> ssl.SSLContext:
        """A client's; with a certificate in which a DID is, if there is one."""
        context = ssl.create_default_context(cafile=self.tls.certificate)
        if did is not None:
            context.load_cert_chain(*self.device(did, authority))
        return context

    def device(self, did: str, authority: Authority | None = None) -> tuple[Path, Path]:
        folder = self.folder / uuid4().hex
        folder.mkdir()
        names = [x509.UniformResourceIdentifier(did)]
        return (authority or self.authority).issue(folder, "a device", names)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder, authority = tmp_path_factory.mktemp("tls"), Authority()
    return Files(folder, Tls(*self_signed(folder), authority.certificate(folder)), authority)


def opened(node: Node, files: Files, **more: int) -> Opened:
    return Opened(node.kafka, node.registry, files.folder, SystemClock(), tls=files.tls, **more)


def https(client: Client) -> str:
    return str(client.session._base_url).replace("http:", "https:")


def mqtt(client: Client, context: ssl.SSLContext, **more: object) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", client.mqtt_port, tls_context=context, **more)  # type: ignore[arg-type]


@pytest.mark.services
async def test_a_token_over_tls_at_each_door(node: Node, files: Files) -> None:
    did = node.add_device().did
    token, _ = Tokens(lambda: [b"s" * 32], SystemClock()).issue(did)
    async with opened(node, files) as client:
        context = files.context()
        async with aiohttp.ClientSession(https(client)) as session:
            answer = await session.post(
                f"/v1/dapps/{node.first}/messages", data=b"https", ssl=context,
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
            assert answer.status == 202
            with pytest.raises(aiohttp.ClientError):  # without TLS there is nothing
                await client.session.get("/healthz")
        topic = f"v1/dapps/{node.first}/messages"
        async with mqtt(client, context, username=did, password=token) as it:
            await it.publish(topic, b"mqtts", qos=1)
        port = int(https(client).rpartition(":")[2].rstrip("/"))
        async with aiomqtt.Client(
            "127.0.0.1", port, username=did, password=token, tls_context=context,
            transport="websockets", websocket_path="/mqtt",
        ) as it:  # fmt: skip
            await it.publish(topic, b"wss", qos=1)
    assert [one.payload for one in node.read(node.first, did)] == [b"https", b"mqtts", b"wss"]


@pytest.mark.services
async def test_grpc_shows_a_renewed_certificate(node: Node, tmp_path: Path) -> None:
    tls = Tls(*self_signed(tmp_path))

    async def is_trusted(port: int) -> bool:
        credentials = grpc.ssl_channel_credentials(tls.certificate.read_bytes())
        # A pool of its own: gRPC would go on with the connection from before.
        options = [("grpc.use_local_subchannel_pool", 1)]
        address = f"localhost:{port}"
        async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            call = stub.Check(health_pb2.HealthCheckRequest())
            code = await call.code()
            assert code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
            return bool(code is grpc.StatusCode.OK)

    opened = Opened(node.kafka, node.registry, tmp_path, SystemClock(), tls=tls, grpc_port=0)
    async with opened as client:
        assert await is_trusted(client.grpc_port)
        before = tls.key.read_bytes()
        self_signed(tmp_path)
        after = tls.key.read_bytes()
        tls.key.write_bytes(before)  # the key has not been renewed yet
        assert not await is_trusted(client.grpc_port)
        tls.key.write_bytes(after)
        assert await is_trusted(client.grpc_port)


@pytest.mark.services
async def test_grpc_with_a_certificate_instead_of_a_token(node: Node, files: Files) -> None:
    did, other = node.add_device().did, node.add_device().did
    stranger = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    token, _ = Tokens(lambda: [b"s" * 32], SystemClock()).issue(other)
    async with opened(node, files, grpc_port=0, grpc_mutual_port=0) as client:

        def calls(did: str | None, authority: Authority | None = None) -> Calls:
            pair = (None, None)
            if did is not None:
                certificate, key = files.device(did, authority)
                pair = (key.read_bytes(), certificate.read_bytes())
            return Calls(
                client.grpc_mutual_port,
                credentials=grpc.ssl_channel_credentials(files.tls.certificate.read_bytes(), *pair),
            )

        async with calls(did) as it:
            await it.call("Send", send(node.first, b"1"))
            await it.call("SendBatch", pb.SendBatchRequest(messages=[pb.Message(payload=b"2")]))

            async def one() -> AsyncIterator[pb.SendRequest]:
                yield send(node.first, b"3")

            assert [list(told.acknowledged) async for told in it.stream(one(), None)] == [[0]]
            await it.call("Send", send(node.first, b"a token goes before"), token)
        async with calls(stranger) as it:
            with pytest.raises(RefusalError) as refused:
                await it.call("Send", send(node.first))
            assert refused.value.name == "device_unknown"
        for nobody in (calls(None), calls(did, Authority())):
            async with nobody as it:
                with pytest.raises(RefusalError) as refused:
                    await it.call("Send", send(node.first))
                assert refused.value.code is grpc.StatusCode.UNAVAILABLE
    assert [one.payload for one in node.read(node.first, did)] == [b"1", b"2", b"3"]
    assert [one.payload for one in node.read(node.first, other)] == [b"a token goes before"]


@pytest.mark.services
async def test_a_certificate_instead_of_a_token(node: Node, files: Files) -> None:
    did, stranger = (
        node.add_device().did,
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    )
    path = f"/v1/dapps/{node.first}/messages"
    async with opened(node, files) as client, aiohttp.ClientSession(https(client)) as session:
        context = files.context(did)
        assert (await session.post(path, data=b"1", ssl=context)).status == 202
        from_a_page = {"Origin": "https://elsewhere.example"}
        answer = await session.post(path, data=b"", ssl=context, headers=from_a_page)
        assert (await answer.json())["error"] == "token_missing"
        answer = await session.post(path, data=b"", ssl=files.context(stranger))
        assert (await answer.json())["error"] == "device_unknown"
        answer = await session.post(path, data=b"", ssl=files.context())
        assert (await answer.json())["error"] == "token_missing"
        with pytest.raises(aiohttp.ClientError):  # another authority signed it
            await session.post(path, data=b"", ssl=files.context(did, Authority()))
        async with mqtt(client, context) as it:
            await it.publish(path[1:], b"2", qos=1)
        with pytest.raises(aiomqtt.MqttError):
            async with mqtt(client, files.context(stranger)):
                pass
        with pytest.raises(aiomqtt.MqttError):  # it is not that of the user name
            async with mqtt(client, context, username=stranger):
                pass
    assert [one.payload for one in node.read(node.first, did)] == [b"1", b"2"]


@pytest.mark.services
@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="no mosquitto_pub is installed")
async def test_mosquitto_pub_with_a_certificate(node: Node, files: Files) -> None:
    did = node.add_device().did
    certificate, key = files.device(did)
    async with opened(node, files) as client:
        process = await asyncio.create_subprocess_exec(
            "mosquitto_pub", "-p", str(client.mqtt_port), "-q", "1", "-m", "17 km",
            "-t", f"v1/dapps/{node.first}/messages", "--cafile", str(files.tls.certificate),
            "--cert", str(certificate), "--key", str(key),
        )  # fmt: skip
        assert await process.wait() == 0
    assert [one.payload for one in node.read(node.first, did)] == [b"17 km"]


def test_whose_a_certificate_is() -> None:
    subject = ((("countryName", "CH"),), (("commonName", "did:web:a.example"),))
    assert certified_did(None) is None
    assert certified_did({"subject": ((("commonName", "car"),),)}) is None
    assert certified_did({"subject": subject}) == "did:web:a.example"
    names = (("DNS", "did:key:dns"), ("URI", "https://a"), ("URI", "did:key:z6Mk"))
    assert certified_did({"subject": subject, "subjectAltName": names}) == "did:key:z6Mk"


async def test_a_renewed_certificate_is_shown_from_then_on(tmp_path: Path) -> None:
    tls = Tls(*self_signed(tmp_path))
    context = tls.context()
    server = await asyncio.start_server(lambda _, to: to.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    async def connect() -> None:
        trusting = ssl.create_default_context(cafile=tls.certificate)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.close()

    await connect()
    before = tls.key.read_bytes()
    self_signed(tmp_path)
    after = tls.key.read_bytes()
    tls.key.write_bytes(before)  # the key has not been renewed yet
    with pytest.raises(TlsError):
        tls.renew(context)
    tls.key.write_bytes(after)
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect()
    tls.renew(context)
    await connect()
    server.close()


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with pytest.raises(TlsError, match=r"key\.pem"):
        Tls(key, key).context()
    with pytest.raises(TlsError, match=r"nothing\.pem"):
        Tls(certificate, key, tmp_path / "nothing.pem").context()
