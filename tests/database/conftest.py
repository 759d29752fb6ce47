"""The compiled encoder, and databases of a test's own."""

import uuid

import pytest

from streams.database.encoder.build import build
from streams.database.encoder.host import Encoder
from streams.database.server import Server


@pytest.fixture(scope="session", autouse=True)
def _compiled_encoder() -> None:
    build()


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def database_url(clickhouse_url: str) -> str:
    """A database of this test alone, on the ClickHouse that all tests share; not made yet."""
    return f"{clickhouse_url.rsplit('/', 1)[0]}/t_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def server(database_url: str):
    server = Server(database_url)
    server.create_database()
    yield server
    server.command(f"DROP DATABASE IF EXISTS {server.database}")
    server.close()
