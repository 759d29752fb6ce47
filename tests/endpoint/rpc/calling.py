"""The gRPC door's calls, from a client's side."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import grpc
from grpc import aio

from streams.endpoint.rpc import messages_pb2 as pb
from streams.endpoint.rpc.door import SERVICE
from streams.wallet.keys import SigningKey

WAIT_S = 60

_ANSWERS = {
    "Challenge": pb.ChallengeAnswer,
    "LogIn": pb.Token,
    "Send": pb.Accepted,
    "SendBatch": pb.Accepted,
}


class RefusalError(Exception):
    """A call's status that is not OK."""

    def __init__(self, error: aio.AioRpcError) -> None:
        super().__init__(f"{error.code()}: {error.details()}")
        said = {str(name): str(value) for name, value in error.trailing_metadata() or ()}
        self.code: grpc.StatusCode = error.code()
        self.text: str = error.details() or ""
        self.name = said.get("w3b-refusal", "")
        self.id = said.get("w3b-id")
        self.retry_after = said.get("retry-after")


class Calls:
    """One connection."""

    def __init__(
        self, port: int, credentials: grpc.ChannelCredentials | None = None, **options: Any
    ) -> None:
        self.channel = (
            aio.insecure_channel(f"127.0.0.1:{port}", **options)
            if credentials is None
            else aio.secure_channel(f"localhost:{port}", credentials, **options)
        )

    async def __aenter__(self) -> "Calls":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    async def call(self, name: str, request: Any, token: str | None = None) -> Any:
        """``request``: a message, or bytes as they are."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        ask = self.channel.unary_unary(
            f"/{SERVICE}/{name}", response_deserializer=_ANSWERS[name].FromString
        )
        try:
            return await ask(data, metadata=_metadata(token), timeout=WAIT_S)
        except aio.AioRpcError as error:
            raise RefusalError(error) from None

    async def stream(
        self, requests: AsyncIterable[pb.SendRequest | bytes], token: str | None
    ) -> AsyncIterator[pb.Outcomes]:
        async def encoded() -> AsyncIterator[bytes]:
            async for one in requests:
                yield one if isinstance(one, bytes) else one.SerializeToString()

        open_ = self.channel.stream_stream(
            f"/{SERVICE}/SendStream", response_deserializer=pb.Outcomes.FromString
        )
        try:
            async for outcomes in open_(encoded(), metadata=_metadata(token), timeout=WAIT_S):
                yield outcomes
        except aio.AioRpcError as error:
            raise RefusalError(error) from None

    async def log_in(self, key: SigningKey) -> str:
        answer = await self.call("Challenge", pb.ChallengeRequest(device=key.did))
        signature = key.sign(answer.challenge.encode())
        asked = pb.LogInRequest(device=key.did, challenge=answer.challenge, signature=signature)
        return str((await self.call("LogIn", asked)).token)


def _metadata(token: str | None) -> list[tuple[str, str]]:
    return [] if token is None else [("authorization", f"Bearer {token}")]


def send(dapp: str = "", payload: bytes = b"{}", **more: Any) -> pb.SendRequest:
    return pb.SendRequest(dapp=dapp, message=pb.Message(payload=payload, **more))
