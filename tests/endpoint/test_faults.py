"""What a door acknowledged is in Kafka, whatever happened to Kafka."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from streams import limits
from streams.clock import SystemClock
from streams.endpoint.bodies import NDJSON
from tests.endpoint.setting import Client, Node, Opened, make_node
from tests.local_components import LocalComponents

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(180)]

LINES = b"\n".join(b'{"n": %d}' % n for n in range(20))


@dataclass
class Sender:
    """Posts body after body and repeats each one, with its id, until it is acknowledged."""

    client: Client
    path: str
    headers: dict[str, str]
    acknowledged: list[str] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            id_ = str(uuid4())
            while not await self._post(id_):  # noqa: ASYNC110 (retries, nothing to wait on)
                await asyncio.sleep(0.05)

    async def _post(self, id_: str) -> bool:
        status, answer = await self.client.ask(
            "POST", self.path, params={"id": id_}, data=LINES, headers=self.headers
        )
        if status == 202:
            self.acknowledged += answer["ids"]
            return True
        assert (status, answer["id"]) == (503, id_)
        self.refusals[answer["error"]] += 1
        return False

    async def until(self, bodies: int) -> None:
        """Until so many more bodies are acknowledged."""
        goal = len(self.acknowledged) + 20 * bodies
        while len(self.acknowledged) < goal:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _ids(node: Node, dapp: str, device: str) -> set[str]:
    return {str(UUID(bytes=message.message_id)) for message in node.read(dapp, device)}


async def _senders(client: Client, node: Node) -> tuple[Sequence[Sender], Sequence[str]]:
    """One that sends to one Dapp, one that sends to two; and their devices."""
    one, both = node.add_device(), node.add_device()
    type_ = {"Content-Type": NDJSON}
    path = f"/v1/dapps/{node.first}/messages"
    senders = [
        Sender(client, path, await client.token(one) | type_),
        Sender(client, "/v1/messages", await client.token(both) | type_),
    ]
    return senders, [one.did, both.did]


async def test_kafka_killed_again_and_again_loses_nothing_acknowledged(
    local_components: LocalComponents, tmp_path: Path
) -> None:
    node = make_node(local_components.kafka)
    async with Opened(node.kafka, node.registry, tmp_path, SystemClock()) as client:
        senders, (one, both) = await _senders(client, node)
        stop = asyncio.Event()
        tasks = [asyncio.create_task(sender.run(stop)) for sender in senders]
        for _ in range(2):
            await asyncio.gather(*(sender.until(bodies=5) for sender in senders))
            local_components.kill("kafka")
            await asyncio.to_thread(local_components.start, "kafka")
        await asyncio.gather(*(sender.until(bodies=5) for sender in senders))
        stop.set()
        await asyncio.gather(*tasks)
    node.registry.close()
    assert set(senders[0].acknowledged) <= _ids(node, node.first, one)
    assert set(senders[1].acknowledged) <= _ids(node, node.first, both)
    assert _ids(node, node.first, both) == _ids(node, node.second, both)


async def test_a_kafka_that_hangs_is_answered_for_in_time(
    local_components: LocalComponents, tmp_path: Path
) -> None:
    node = make_node(local_components.kafka)
    async with Opened(node.kafka, node.registry, tmp_path, SystemClock()) as client:
        senders, (one, both) = await _senders(client, node)
        ids = [str(uuid4()), str(uuid4())]
        assert await senders[1]._post(str(uuid4()))  # its transactions are under way
        local_components.pause("kafka")
        try:
            async with asyncio.timeout(4 * limits.APPEND_TIMEOUT_MS / 1000):
                done = await asyncio.gather(
                    *(sender._post(id_) for sender, id_ in zip(senders, ids, strict=True))
                )
        finally:
            local_components.resume("kafka")
        assert done == [False, False]
        assert [sender.refusals for sender in senders] == [{"log_unavailable": 1}] * 2
        for sender, id_ in zip(senders, ids, strict=True):
            while not await sender._post(id_):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    node.registry.close()
    assert set(senders[0].acknowledged) == _ids(node, node.first, one)
    assert set(senders[1].acknowledged) == _ids(node, node.second, both)
