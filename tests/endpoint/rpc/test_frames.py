"""Bytes that no client should send: nothing raises, and the door stays open."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.clock import SystemClock
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.rpc import messages_pb2 as pb
from streams.endpoint.rpc.door import SERVICE
from streams.endpoint.rpc.reading import decode, options_of, read_batch
from streams.endpoint.rpc.statuses import REFUSAL
from streams.metrics import ENDPOINT_REFUSALS
from tests.endpoint.rpc.calling import Calls, send
from tests.endpoint.setting import Node, Opened

FUZZ = settings(
    max_examples=40, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

_TEXTS = st.text(max_size=80) | st.sampled_from(["", "e", "01" * 16])
MESSAGES = st.builds(
    pb.Message, payload=st.binary(max_size=20), event_type=_TEXTS, device=_TEXTS, id=_TEXTS,
    time_ms=st.integers(0, 2**64 - 1) | st.just(0),
)  # fmt: skip
SINGLES = st.builds(pb.SendRequest, dapp=_TEXTS, message=MESSAGES)
BATCHES = st.builds(
    pb.SendBatchRequest, dapp=_TEXTS, id=_TEXTS, messages=st.lists(MESSAGES, max_size=4)
)
REQUESTS = st.one_of(SINGLES, BATCHES).map(lambda one: one.SerializeToString())


@st.composite
def nearly_requests(draw: Callable[..., Any]) -> bytes:
    """A valid request with some bytes changed, inserted or left out."""
    data = bytearray(draw(REQUESTS))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(data)


@given(nearly_requests() | st.binary(max_size=200))
def test_no_bytes_make_reading_raise_anything_else(data: bytes) -> None:
    def admit(device: str) -> None:
        if device.startswith("e"):
            raise RefusedError(Refusal.NOT_GRANTED, "another's")

    for read in (
        lambda: options_of(decode(pb.SendRequest, data).message, 7),
        lambda: read_batch(decode(pb.SendBatchRequest, data), "did:key:z6Mk", 7, admit),
    ):
        with contextlib.suppress(RefusedError):
            read()


@pytest.mark.services
async def test_no_bytes_fail_a_call_or_the_server(node: Node, tmp_path: Path) -> None:
    failures = ENDPOINT_REFUSALS.labels("grpc", Refusal.INTERNAL)._value
    before = failures.get()
    async with (
        Opened(node.kafka, node.registry, tmp_path, SystemClock(), grpc_port=0) as client,
        Calls(client.grpc_port) as calls,
    ):
        token = await calls.log_in(node.add_device())
        await asyncio.to_thread(_fuzz_calls, client.grpc_port, token)
        await asyncio.to_thread(_fuzz_sockets, client.grpc_port)
        await calls.call("Send", send(node.first), token)
    assert failures.get() == before


def _fuzz_calls(port: int, token: str) -> None:
    metadata = [("authorization", f"Bearer {token}")]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:

        @FUZZ
        @given(st.sampled_from(["Challenge", "LogIn", "Send", "SendBatch"]),
               nearly_requests() | st.binary(max_size=100))  # fmt: skip
        def calls(name: str, data: bytes) -> None:
            call = channel.unary_unary(f"/{SERVICE}/{name}")
            answer = call.future(data, metadata=metadata, timeout=60)
            refused = answer.code() is not grpc.StatusCode.OK
            assert refused == (REFUSAL in dict(answer.trailing_metadata()))

        @FUZZ
        @given(st.lists(nearly_requests() | st.binary(max_size=60), max_size=4))
        def streams(requests: list[bytes]) -> None:
            call = channel.stream_stream(f"/{SERVICE}/SendStream")
            told = 0
            for data in call(iter(requests), metadata=metadata, timeout=60):
                outcomes = pb.Outcomes.FromString(data)
                told += len(outcomes.acknowledged) + len(outcomes.refused)
            assert told == len(requests)

        calls()
        streams()


_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS = bytes.fromhex("000000040000000000")


def _fuzz_sockets(port: int) -> None:
    @FUZZ
    @given(st.sampled_from([b"", _PREFACE, _PREFACE + _SETTINGS]), st.binary(max_size=60))
    def frames(before: bytes, data: bytes) -> None:
        with socket.create_connection(("127.0.0.1", port)) as one:
            one.sendall(before + data)

    frames()
