"""A node, and a client to its doors."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from streams.clock import ManualClock, SystemClock
from tests.endpoint.setting import Client, Node, Opened, make_node


@pytest.fixture(scope="package")
def node(kafka: str) -> Iterator[Node]:
    node = make_node(kafka)
    yield node
    node.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SystemClock().now_ms())


@pytest_asyncio.fixture
async def client(node: Node, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Client]:
    async with Opened(node.kafka, node.registry, tmp_path, clock) as client:
        yield client
