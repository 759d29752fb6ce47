"""Streams: every message is told of, once Kafka has it, and nobody fills the node's memory."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import pytest

from streams import limits
from streams.clock import SystemClock
from streams.endpoint.admission import RefusedError
from streams.endpoint.answers import AnswerReader
from streams.endpoint.append import Appender
from streams.endpoint.intake import Intake
from streams.endpoint.rates import Rates
from streams.endpoint.rpc import messages_pb2 as pb
from streams.endpoint.rpc.stream import Stream
from streams.endpoint.tokens import Challenges, Tokens
from streams.endpoint.transactions import TransactionalAppender
from streams.registry.entries import Device, DeviceStatus
from tests.endpoint.rpc.calling import Calls, RefusalError, send
from tests.endpoint.setting import Node

pytestmark = pytest.mark.services


async def test_each_message_is_acknowledged_and_the_order_is_kept(calls: Calls, node: Node) -> None:
    key = node.add_device()
    token = await calls.log_in(key)

    async def requests() -> AsyncIterator[pb.SendRequest]:
        for n in range(3_000):
            yield send(node.first, b"%d" % n)
        yield send("", b"all")

    answers = [one async for one in calls.stream(requests(), token)]
    acknowledged = [number for one in answers for number in one.acknowledged]
    assert sorted(acknowledged) == list(range(3_001))
    assert [one.payload for one in node.read(node.first, key.did)] == [
        *(b"%d" % n for n in range(3_000)), b"all",
    ]  # fmt: skip


async def test_a_bad_message_is_refused_and_the_stream_goes_on(calls: Calls, node: Node) -> None:
    key = node.add_device()
    token = await calls.log_in(key)
    id_ = str(uuid4())
    large = bytes(limits.PAYLOAD_BYTES_MAX + 1)
    bad = {
        0: b"\xff", 2: send("nowhere"), 4: send(node.first, id="x"),
        6: send(node.ungranted), 8: send(node.first, large, id=id_),
    }  # fmt: skip

    async def requests() -> AsyncIterator[pb.SendRequest | bytes]:
        for n in range(10):
            yield bad.get(n, send(node.first, b"%d" % n))

    answers = [one async for one in calls.stream(requests(), token)]
    acknowledged = {number for one in answers for number in one.acknowledged}
    refused = {each.number: each for one in answers for each in one.refused}
    assert acknowledged == set(range(1, 10, 2))
    assert {number: each.name for number, each in refused.items()} == {
        0: "malformed_request", 2: "unknown_dapp", 4: "malformed_request", 6: "not_granted",
        8: "too_large",
    }  # fmt: skip
    assert all(each.text and not each.retry_after_s for each in refused.values())
    assert len(node.read(node.first, key.did)) == 5


async def test_a_revoked_device_s_stream_ends(calls: Calls, node: Node) -> None:
    key = node.add_device()
    token = await calls.log_in(key)
    is_told = asyncio.Event()

    async def requests() -> AsyncIterator[pb.SendRequest]:
        yield send(node.first, b"before")
        await is_told.wait()
        node.add(Device(key.did, node.owner, DeviceStatus.REVOKED))
        yield send(node.first, b"after")
        await asyncio.Event().wait()

    told: list[int] = []

    async def listen() -> None:
        async for outcomes in calls.stream(requests(), token):
            told.extend(outcomes.acknowledged)
            is_told.set()

    with pytest.raises(RefusalError) as refused:
        await listen()
    assert (refused.value.code, refused.value.name, told) == (
        grpc.StatusCode.PERMISSION_DENIED, "device_revoked", [0],
    )  # fmt: skip
    assert [one.payload for one in node.read(node.first, key.did)] == [b"before"]


async def test_a_stream_of_nobody_s_is_refused(calls: Calls) -> None:
    async def requests() -> AsyncIterator[pb.SendRequest]:
        yield send("", b"x")
        await asyncio.Event().wait()

    for token, name in ((None, "token_missing"), ("x", "token_forged")):
        with pytest.raises(RefusalError) as refused:
            _ = [one async for one in calls.stream(requests(), token)]
        assert (refused.value.code, refused.value.name) == (
            grpc.StatusCode.UNAUTHENTICATED, name,
        )  # fmt: skip


# --- without a socket -----------------------------------------------------------------------------


class Talk:
    """A stream of a registered device's, whose answers are held until the test lets them go."""

    def __init__(self, node: Node) -> None:
        clock = SystemClock()
        self.device = node.add_device().did
        tokens = Tokens(_secrets, clock)
        self.intake = Intake(
            node.registry, Challenges(_secrets, clock), tokens, Appender(node.kafka),
            TransactionalAppender(node.kafka, uuid4().hex, clock),
            AnswerReader(node.kafka), Rates(clock), clock,
        )  # fmt: skip
        self.told = 0
        self.wants_to_tell = asyncio.Event()
        self.is_read = asyncio.Event()
        self.token = tokens.issue(self.device)[0]
        self.stream = Stream(
            self.intake, clock, lambda: self.intake.sender(self.token), self._write
        )

    async def _write(self, data: bytes) -> None:
        self.wants_to_tell.set()
        await self.is_read.wait()
        self.told += len(pb.Outcomes.FromString(data).acknowledged)


def _secrets() -> list[bytes]:
    return [b"s" * 32]


async def test_who_reads_no_outcome_is_not_read_either(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GRPC_STREAM_UNTOLD_MAX", 50)
    talk = Talk(node)
    taken = 0

    async def requests() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(200):
            taken += 1
            yield send(node.first).SerializeToString()

    run = asyncio.create_task(talk.stream.run(requests()))
    await asyncio.wait_for(talk.wants_to_tell.wait(), 60)
    await talk.intake._appender._idle.wait()  # Kafka has all that were taken
    assert (taken, talk.told) == (50, 0)
    talk.is_read.set()
    await asyncio.wait_for(run, 60)
    assert (taken, talk.told) == (200, 200)
    await talk.intake.close()


async def test_a_sender_that_goes_leaves_nothing_behind(node: Node) -> None:
    talk = Talk(node)

    async def requests() -> AsyncIterator[bytes]:
        yield send(node.first).SerializeToString()
        await asyncio.Event().wait()

    run = asyncio.create_task(talk.stream.run(requests()))
    await asyncio.wait_for(talk.wants_to_tell.wait(), 60)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await talk.intake.close()
    assert len(node.read(node.first, talk.device)) == 1


async def test_the_end_of_a_token_ends_a_stream(node: Node) -> None:
    talk = Talk(node)
    talk.is_read.set()
    talk.token = "forged"

    async def requests() -> AsyncIterator[bytes]:
        yield send(node.first).SerializeToString()

    with pytest.raises(RefusedError, match="token_forged"):
        await talk.stream.run(requests())
    await talk.intake.close()
