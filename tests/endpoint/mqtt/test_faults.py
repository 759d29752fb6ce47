"""What the MQTT door acknowledged is in Kafka, whatever happened to Kafka."""

import asyncio
from pathlib import Path

import mqtt5
import pytest

from streams.clock import SystemClock
from tests.endpoint.mqtt.dialogue import Dialogue, publish
from tests.endpoint.setting import Opened, make_node
from tests.local_components import LocalComponents

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(180)]


async def _publish_all(
    port: int, did: str, token: str, topic: str, stop: asyncio.Event, acknowledged: list[bytes]
) -> int:
    """One message after the other, each again on a new connection until it is acknowledged; how
    many connections that took."""
    connections, number, is_again = 0, 0, False
    while True:
        async with Dialogue(port) as it:
            connections += 1
            await it.connect(did, token, session_expiry_interval=600)
            while not stop.is_set():
                payload = b"%d" % number
                it.send(publish(topic, payload, number % 100 + 1, duplicate=is_again))
                answer = await it.hear()
                if not isinstance(answer, mqtt5.PubAckPacket):
                    is_again = True
                    break
                assert answer.reason_code == mqtt5.PubAckReasonCode.SUCCESS
                acknowledged.append(payload)
                number += 1
                is_again = False
            else:
                return connections


async def test_nothing_acknowledged_is_lost_and_nothing_counts_twice(
    local_components: LocalComponents, tmp_path: Path
) -> None:
    node = make_node(local_components.kafka)
    async with Opened(node.kafka, node.registry, tmp_path, SystemClock()) as client:
        key = node.add_device()
        token = (await client.token(key))["Authorization"].removeprefix("Bearer ")
        stop, acknowledged = asyncio.Event(), list[bytes]()
        topic = f"v1/dapps/{node.first}/messages"
        task = asyncio.create_task(
            _publish_all(client.mqtt_port, key.did, token, topic, stop, acknowledged)
        )

        async def until(more: int) -> None:
            goal = len(acknowledged) + more
            while len(acknowledged) < goal:
                assert not task.done()
                await asyncio.sleep(0.02)

        await until(20)
        local_components.kill("kafka")
        await asyncio.to_thread(local_components.start, "kafka")
        await until(20)
        stop.set()
        await task
    node.registry.close()
    found = {one.message_id: one.payload for one in node.read(node.first, key.did)}
    # Each once: what was written twice has its id both times.
    assert sorted(found.values()) == sorted(acknowledged)
