"""Schedules and monitors of a node: each tick, log, transaction and height once, over kill -9."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from streams import topics
from streams.clock import SystemClock
from streams.endpoint.schedule import identity
from streams.records import Message
from streams.registry.sources import ScheduleSection
from tests.chain.conftest import Anvil
from tests.topologies.part_node import PARTITIONS, PartNode, until
from topologies.components import chain

pytestmark = pytest.mark.services

TOPIC = "0x" + "01" * 32
HOURLY = ScheduleSection(cron="0 * * * *", event_type="TICK")


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Anvil]:
    made = Anvil(tmp_path / "chain")
    made.start()
    yield made
    made.kill()


def test_ticks_and_happenings_become_messages_once(
    nodes: Callable[..., PartNode], kafka: str, anvil: Anvil, tmp_path: Path
) -> None:
    node = nodes(kafka, tmp_path, chain_rpc_url=anvil.rpc_url)
    sent = anvil.log(TOPIC)
    logs = {"kind": "contract_log", "address": anvil.LOGGER, "topics": [TOPIC], "from_block": 0}
    node.serve(
        schedule=[HOURLY.model_dump()],
        monitor=[
            logs | {"confirmations": 2, "chain": chain.CHAIN_ID},
            {"kind": "chain_tx", "hash": sent, "confirmations": 1, "event_type": "PAID"},
            {"kind": "chain_height", "height": 2, "confirmations": 1},
        ],
    )
    hours_ago = SystemClock().now_ms() - 5 * 3_600_000
    position = orjson.dumps({"tick_ms": hours_ago})
    node.write(topics.SOURCES, 0, [position], key=f"{node.dapp} {identity(HOURLY)}".encode())

    def messages() -> list[Message]:
        return [one for partition in range(PARTITIONS) for one in node.messages(partition)]

    with node.running("watch"):
        anvil.log(TOPIC)
        until(lambda: len(messages()) == 4)  # of five missed ticks the last one; a log; both others
    anvil.log(TOPIC)
    anvil.reorganise(1)
    anvil.log(TOPIC)
    anvil.mine(1)
    with node.running("watch"):
        until(lambda: len(messages()) >= 6)
        last = anvil.log(TOPIC)
        anvil.mine(1)
        until(lambda: any(last.encode() in one.payload for one in messages()))
    made = messages()
    assert Counter(one.device for one in made) == {
        "schedule:0": 1, "monitor:0": 4, "monitor:1": 1, "monitor:2": 1,
    }  # fmt: skip
    assert len({(one.device, one.message_id) for one in made}) == len(made)
    by_device = {one.device: one for one in made}
    assert by_device["schedule:0"].event_type == "TICK"
    assert by_device["monitor:0"].event_type == "MONITOR_DEFAULT"
    assert by_device["monitor:1"].event_type == "PAID"
    assert json.loads(by_device["monitor:1"].payload)["hash"] == sent
    assert json.loads(by_device["monitor:2"].payload) == {"HeaderNumber": 2}
