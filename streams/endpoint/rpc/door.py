"""The gRPC door's calls, and where it listens."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from streams import limits, metrics
from streams.clock import Clock
from streams.endpoint import operators
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.bodies import read_messages
from streams.endpoint.intake import Intake
from streams.endpoint.operators import OperatorsApi
from streams.endpoint.rpc import messages_pb2 as pb
from streams.endpoint.rpc import operator_pb2
from streams.endpoint.rpc.reading import decode, options_of, read_batch
from streams.endpoint.rpc.statuses import STATUS, trailing
from streams.endpoint.rpc.stream import DOOR, Stream
from streams.endpoint.tls import Tls, grpc_certified_did
from streams.registry.entries import Device, Publisher
from streams.registry.view import Registry

log = logging.getLogger(__name__)

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Messages"].full_name
_HEALTH_S: Final = 1.0  # between two looks
_CLOSE_S: Final = 5.0  # how long calls under way may take when the endpoint stops
_IDENTITY_ONLY: Final = 1  # bit 0 of gRPC's compression algorithms
_OPTIONS: Final = (
    # The largest of any call; who may not upload is refused sooner (`decode`).
    ("grpc.max_receive_message_length", limits.GRPC_UPLOAD_BYTES_MAX),
    ("grpc.max_metadata_size", limits.GRPC_METADATA_BYTES_MAX),
    # The limit of a message's size is looked at before it is decompressed, not after.
    ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
    ("grpc.so_reuseport", 0),  # a port that is taken is said to be
    ("grpc.keepalive_time_ms", 1_000 * limits.KEEP_ALIVE_S),  # finds connections that are half open
    ("grpc.max_connection_idle_ms", 1_000 * limits.GRPC_IDLE_S),
)

_Call = Callable[[bytes, Any], Awaitable[Message]]


class GrpcDoor:
    """Listens for gRPC; made and used on one event loop."""

    def __init__(
        self, intake: Intake, operators: OperatorsApi, registry: Registry, clock: Clock
    ) -> None:
        self._intake = intake
        self._operators = operators
        self._registry = registry
        self._clock = clock
        self._health = health.aio.HealthServicer()
        self._looking: asyncio.Task[None] | None = None
        self._server: Any = None

    async def listen(
        self, host: str, port: int, tls: Tls | None = None, mutual_port: int | None = None
    ) -> tuple[int, int]:
        """Take calls there; the ports, which are free ones for 0.

        Args:
            host: the address.
            port: where clients need no certificate.
            tls: what the door shows.
            mutual_port: where they need one (with ``tls``); None: nowhere, then it is 0.

        Raises:
            OSError: the address is taken or not ours.
        """
        self._server = aio.server(options=_OPTIONS, maximum_concurrent_rpcs=limits.GRPC_CALLS_MAX)
        self._server.add_generic_rpc_handlers([self._handlers(), self._operators_handlers()])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, operators.SERVICE.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        opened = self._open(host, port, None if tls is None else tls.grpc_credentials())
        mutual = 0
        if tls is not None and mutual_port is not None:
            mutual = self._open(host, mutual_port, tls.grpc_credentials(is_mutual=True))
        await self._server.start()
        self._looking = asyncio.create_task(self._look())
        log.info("gRPC door open on %s:%d", host, opened)
        return opened, mutual

    def _open(self, host: str, port: int, credentials: grpc.ServerCredentials | None) -> int:
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if credentials is None:
                return int(self._server.add_insecure_port(address))
            return int(self._server.add_secure_port(address, credentials))
        except RuntimeError as error:
            raise OSError(f"gRPC cannot listen on {address}: {error}") from error

    async def stop(self) -> None:
        """Take no more, finish what is under way."""
        if self._looking is not None:
            self._looking.cancel()
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(_CLOSE_S)

    def _handlers(self) -> Any:
        unary = {
            "Challenge": self._challenge,
            "LogIn": self._log_in,
            "Send": self._send,
            "SendBatch": self._send_batch,
        }
        # Requests come as bytes: those that cannot be read are refused like any other.
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(self._refusing(call))
            for name, call in unary.items()
        }
        handlers["SendStream"] = grpc.stream_stream_rpc_method_handler(self._send_stream)
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _operators_handlers(self) -> Any:
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(self._refusing(partial(self._operate, name)))
            for name in operators.RULES
        }
        return grpc.method_handlers_generic_handler(operators.SERVICE.full_name, handlers)

    async def _look(self) -> None:
        """Keep the health service told."""
        states = health_pb2.HealthCheckResponse
        while True:
            state = states.SERVING if self._registry.is_live else states.NOT_SERVING
            for name in ("", SERVICE, operators.SERVICE.full_name):
                await self._health.set(name, state)
            await asyncio.sleep(_HEALTH_S)

    # --- calls -----------------------------------------------------------------------------------

    async def _challenge(self, data: bytes, context: Any) -> pb.ChallengeAnswer:
        self._intake.attempt(_address(context))
        asked = decode(pb.ChallengeRequest, data)
        challenge, expires_ms = self._intake.challenge(asked.device)
        return pb.ChallengeAnswer(challenge=challenge, expires_ms=expires_ms)

    async def _log_in(self, data: bytes, context: Any) -> pb.Token:
        self._intake.attempt(_address(context))
        asked = decode(pb.LogInRequest, data)
        token, expires_ms = self._intake.log_in(asked.device, asked.challenge, asked.signature)
        return pb.Token(token=token, expires_ms=expires_ms)

    async def _send(self, data: bytes, context: Any) -> pb.Accepted:
        sender = self._sender(context)()  # who is nobody has no request read
        asked = decode(pb.SendRequest, data)
        message = asked.message
        owner, device, dapps = self._intake.admit_named(sender, asked.dapp or None, message.device)
        options = options_of(message, self._clock.now_ms())
        taken = read_messages(message.payload, "", options, device)
        values = {device: taken.values}
        took = await self._intake.write(DOOR, owner, dapps, values, options.request_id)
        return pb.Accepted(ids=taken.ids, dapps=took)

    async def _send_batch(self, data: bytes, context: Any) -> pb.Accepted:
        sender = self._sender(context)()
        asked = decode(pb.SendBatchRequest, data)
        owner, device, dapps = self._intake.admit_named(sender, asked.dapp or None, "")
        batch = read_batch(
            asked, device, self._clock.now_ms(), lambda name: self._intake.admit_as(sender, name)
        )
        took = await self._intake.write(DOOR, owner, dapps, batch.values, batch.request_id)
        return pb.Accepted(ids=batch.ids, dapps=took)

    def _sender(self, context: Any) -> Callable[[], Device | Publisher]:
        """Who is calling, to be asked again while the call goes on: by a token, or else by the
        certificate that the connection has shown.

        Raises:
            RefusedError: TOKEN_MISSING. What it returns raises as `Intake.sender` or `certified`.
        """
        if (token := _token(context)) is not None:
            return partial(self._intake.sender, token)
        if (did := grpc_certified_did(context.auth_context())) is not None:
            return partial(self._intake.certified, did)
        raise _missing("LogIn")

    async def _operate(self, name: str, data: bytes, context: Any) -> Message:
        if (token := _token(context)) is None:
            raise _missing(operators.TOKEN_SOURCE)
        self._operators.check(token)  # who is nobody has no request read
        method = operators.SERVICE.methods_by_name[name]
        type_ = getattr(operator_pb2, method.input_type.name)
        asked = decode(type_, data, operators.RULES[name].body_bytes_max)
        said = await self._operators.call(DOOR, token, name, asked)
        answer: Message = getattr(operator_pb2, method.output_type.name)()
        json_format.ParseDict(said, answer)
        return answer

    async def _send_stream(self, requests: AsyncIterator[bytes], context: Any) -> None:
        try:
            sender = self._sender(context)
            sender()
            with metrics.ENDPOINT_GRPC_STREAMS.track_inprogress():
                await Stream(self._intake, self._clock, sender, context.write).run(requests)
        except RefusedError as refused:
            await self._abort(context, refused)
        except Exception:
            await self._fail(context)

    # --- refusals --------------------------------------------------------------------------------

    def _refusing(self, call: _Call) -> Callable[[bytes, Any], Awaitable[bytes]]:
        """The call; whatever is refused or fails leaves as a status, and is counted by its name."""

        async def answered(data: bytes, context: Any) -> bytes:
            try:
                answer = await call(data, context)
                return bytes(answer.SerializeToString())
            except RefusedError as refused:
                await self._abort(context, refused)
            except Exception:
                await self._fail(context)
            raise AssertionError("an aborted call does not come back")

        return answered

    async def _fail(self, context: Any) -> None:
        log.exception("a gRPC call failed")
        await self._abort(
            context, RefusedError(Refusal.INTERNAL, "the node failed; its log says more")
        )

    async def _abort(self, context: Any, refused: RefusedError) -> None:
        self._intake.refusals.count(DOOR, refused)
        await context.abort(STATUS[refused.refusal], str(refused), trailing(refused))


def _address(context: Any) -> str | None:
    """The peer's, of ``ipv4:1.2.3.4:5`` or ``ipv6:%5B::1%5D:5``."""
    kind, _, rest = unquote(context.peer()).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else None


def _token(context: Any) -> str | None:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization":
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer" and token.strip():
                return str(token.strip())
    return None


def _missing(source: str) -> RefusedError:
    return RefusedError(
        Refusal.TOKEN_MISSING,
        f"send metadata 'authorization: Bearer TOKEN' with a token from {source}",
    )
