"""A real Kafka, ClickHouse and chain for tests, each started when a test first asks for it.

Where they come from, in this order: addresses in the environment (`W3B_TEST_KAFKA`,
`W3B_TEST_CLICKHOUSE_URL`, `W3B_TEST_CHAIN_RPC_URL`), the local components of `make setup`, a
container engine. Tests share them, so each makes topics, databases and contracts of its own.
"""

import os
from collections.abc import Iterator

import pytest

from tests.containers import Containers
from tests.local_components import LocalComponents
from topologies.supervisor import SetupError


@pytest.fixture(scope="session")
def _local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalComponents]:
    components = LocalComponents(tmp_path_factory.mktemp("components"))
    yield components
    components.close()


@pytest.fixture(scope="session")
def _containers() -> Iterator[Containers]:
    containers = Containers()
    yield containers
    containers.close()


def _address(name: str, variable: str, local: LocalComponents, containers: Containers) -> str:
    if address := os.environ.get(variable):
        return address
    try:
        return str(getattr(local, name))
    except SetupError as error:
        if not containers.available():
            pytest.fail(f"{error}; or set {variable}; or start a container engine")
        return str(getattr(containers, name))


@pytest.fixture(scope="session")
def kafka(_local: LocalComponents, _containers: Containers) -> str:
    """Bootstrap servers of a Kafka that all tests share."""
    return _address("kafka", "W3B_TEST_KAFKA", _local, _containers)


@pytest.fixture(scope="session")
def clickhouse_url(_local: LocalComponents, _containers: Containers) -> str:
    """`http://user:password@host:port/database` of a ClickHouse that all tests share."""
    return _address("clickhouse_url", "W3B_TEST_CLICKHOUSE_URL", _local, _containers)


@pytest.fixture(scope="session")
def clickhouse_reader_url(_local: LocalComponents, _containers: Containers) -> str:
    """The same ClickHouse, as the user who answers saved queries of database `w3b`."""
    variable = "W3B_TEST_CLICKHOUSE_READER_URL"
    return _address("clickhouse_reader_url", variable, _local, _containers)


@pytest.fixture(scope="session")
def chain_rpc_url(_local: LocalComponents, _containers: Containers) -> str:
    """JSON-RPC of a chain that all tests share; an anvil with its ten rich accounts."""
    return _address("chain_rpc_url", "W3B_TEST_CHAIN_RPC_URL", _local, _containers)


@pytest.fixture
def quick_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wallets that this process makes cost little to open; their files say so."""
    monkeypatch.setattr("streams.wallet.sealing._MEMORY_KIB", 32)


@pytest.fixture
def local_components(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalComponents]:
    """Components of this test alone, to be killed and started again."""
    components = LocalComponents(tmp_path_factory.mktemp("components"))
    yield components
    components.close()
