"""Nodes over the Kafka that all tests share, which leave nothing registered there."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.topologies.part_node import PartNode


@pytest.fixture
def nodes() -> Iterator[Callable[..., PartNode]]:
    """Makes a `PartNode`; its Dapp is unregistered when the test is over."""
    made: list[PartNode] = []

    def make(*arguments: Any, **settings: str) -> PartNode:
        made.append(PartNode(*arguments, **settings))
        return made[-1]

    yield make
    for one in made:
        one.forget()
