"""An endpoint with a gRPC door, and calls of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from streams.clock import ManualClock
from tests.endpoint.rpc.calling import Calls
from tests.endpoint.setting import Node, Opened


@pytest_asyncio.fixture
async def calls(node: Node, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Calls]:
    async with (
        Opened(node.kafka, node.registry, tmp_path, clock, grpc_port=0) as client,
        Calls(client.grpc_port) as calls,
    ):
        yield calls
