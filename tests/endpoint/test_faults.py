"""What a door acknowledged is in Kafka, whatever happened to Kafka."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import pytest

from streams import limits
from streams.clock import SystemClock
from streams.endpoint.bodies import NDJSON
from streams.endpoint.rpc import messages_pb2 as pb
from tests.endpoint.rpc.calling import Calls, RefusalError
from tests.endpoint.setting import Client, Node, Opened, make_node
from tests.local_components import LocalComponents

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(180)]

PAYLOADS = [b'{"n": %d}' % n for n in range(20)]

# Sends a body with an id: the ids of its messages, or none and the name of the refusal.
Post = Callable[[str], Awaitable[tuple[list[str], str]]]


def over_http(client: Client, path: str, headers: dict[str, str]) -> Post:
    async def post(id_: str) -> tuple[list[str], str]:
        status, answer = await client.ask(
            "POST", path, params={"id": id_}, data=b"\n".join(PAYLOADS),
            headers={**headers, "Content-Type": NDJSON},
        )  # fmt: skip
        if status == 202:
            return answer["ids"], ""
        assert (status, answer["id"]) == (503, id_)
        return [], answer["error"]

    return post


def over_grpc(calls: Calls, dapp: str, token: str) -> Post:
    messages = [pb.Message(payload=one) for one in PAYLOADS]

    async def post(id_: str) -> tuple[list[str], str]:
        asked = pb.SendBatchRequest(dapp=dapp, messages=messages, id=id_)
        try:
            return list((await calls.call("SendBatch", asked, token)).ids), ""
        except RefusalError as refused:
            told = refused.code, refused.id, refused.retry_after
            assert told == (grpc.StatusCode.UNAVAILABLE, id_, "1")
            return [], refused.name

    return post


@dataclass
class Sender:
    """Posts body after body and repeats each one, with its id, until it is acknowledged."""

    send: Post
    acknowledged: list[str] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            id_ = str(uuid4())
            while not await self.post(id_):  # noqa: ASYNC110 (retries, nothing to wait on)
                await asyncio.sleep(0.05)

    async def post(self, id_: str) -> bool:
        ids, refusal = await self.send(id_)
        self.acknowledged += ids
        if refusal:
            self.refusals[refusal] += 1
        return bool(ids)

    async def until(self, bodies: int) -> None:
        """Until so many more bodies are acknowledged."""
        goal = len(self.acknowledged) + 20 * bodies
        while len(self.acknowledged) < goal:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _ids(node: Node, dapp: str, device: str) -> set[str]:
    return {str(UUID(bytes=message.message_id)) for message in node.read(dapp, device)}


@dataclass
class Course:
    """An endpoint on a Kafka to which things happen, and who sends through it."""

    node: Node
    senders: Sequence[Sender]  # to one Dapp; to two, in a transaction; over gRPC
    devices: Sequence[str]  # of each

    def check(self) -> None:
        """What was acknowledged is there, and nothing else; in both Dapps alike."""
        self.node.registry.close()
        first, second = self.node.first, self.node.second
        for sender, device in zip(self.senders, self.devices, strict=True):
            assert set(sender.acknowledged) == _ids(self.node, first, device)
        assert _ids(self.node, second, self.devices[1]) == set(self.senders[1].acknowledged)


@asynccontextmanager
async def course(kafka: str, folder: Path) -> AsyncIterator[Course]:
    node = make_node(kafka)
    keys = [node.add_device() for _ in range(3)]
    async with (
        Opened(node.kafka, node.registry, folder, SystemClock(), grpc_port=0) as client,
        Calls(client.grpc_port) as calls,
    ):
        one, both, third = [await client.token(key) for key in keys]
        token = third["Authorization"].removeprefix("Bearer ")
        senders = [
            Sender(over_http(client, f"/v1/dapps/{node.first}/messages", one)),
            Sender(over_http(client, "/v1/messages", both)),
            Sender(over_grpc(calls, node.first, token)),
        ]
        yield Course(node, senders, [key.did for key in keys])


async def test_kafka_killed_again_and_again_loses_nothing_acknowledged(
    local_components: LocalComponents, tmp_path: Path
) -> None:
    async with course(local_components.kafka, tmp_path) as it:
        senders = it.senders
        stop = asyncio.Event()
        tasks = [asyncio.create_task(sender.run(stop)) for sender in senders]
        for _ in range(2):
            await asyncio.gather(*(sender.until(bodies=5) for sender in senders))
            local_components.kill("kafka")
            await asyncio.to_thread(local_components.start, "kafka")
        await asyncio.gather(*(sender.until(bodies=5) for sender in senders))
        stop.set()
        await asyncio.gather(*tasks)
    it.check()


async def test_a_kafka_that_hangs_is_answered_for_in_time(
    local_components: LocalComponents, tmp_path: Path
) -> None:
    async with course(local_components.kafka, tmp_path) as it:
        senders = it.senders
        ids = [str(uuid4()) for _ in senders]
        for sender in senders:  # transactions and connections are under way
            assert await sender.post(str(uuid4()))
        local_components.pause("kafka")
        try:
            async with asyncio.timeout(4 * limits.APPEND_TIMEOUT_MS / 1000):
                done = await asyncio.gather(
                    *(sender.post(id_) for sender, id_ in zip(senders, ids, strict=True))
                )
        finally:
            local_components.resume("kafka")
        assert not any(done)
        assert [sender.refusals for sender in senders] == [{"log_unavailable": 1}] * len(senders)
        for sender, id_ in zip(senders, ids, strict=True):
            while not await sender.post(id_):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    it.check()
