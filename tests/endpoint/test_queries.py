"""GET /v1/dapps/{dapp}/queries/{query}: who may ask, what comes back, in which form."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from streams.clock import SystemClock
from streams.database.migrations import migrate
from streams.database.server import Server
from streams.registry.entries import Dapp, Publisher
from streams.registry.manifest import parse_manifest
from tests.endpoint.setting import Client, Node, Opened, make_node
from tests.local_components import free_port
from topologies.config import Settings
from topologies.parts.answering import answerer

pytestmark = [pytest.mark.services, pytest.mark.slow]

TOKEN = f"w3b_{uuid4().hex}"
SENDER = f"w3b_{uuid4().hex}"
DAPP = f"q_{uuid4().hex[:20]}"
PATH = f"/v1/dapps/{DAPP}/queries/devices"
READER = {"Authorization": f"Bearer {TOKEN}"}
BEGINS = {"csv": b'"device"', "json": b'{"device"', "arrow": b"ARROW1", "parquet": b"PAR1"}


@pytest.fixture(scope="module")
def node(kafka: str, clickhouse_url: str) -> Iterator[Node]:
    server = Server(clickhouse_url)
    migrate(server)
    server.command(f"INSERT INTO results (dapp, device) VALUES ('{DAPP}', 'a'), ('{DAPP}', 'b')")
    server.close()
    node = make_node(kafka)
    sql = "SELECT device FROM results WHERE device >= {from:String} ORDER BY device"
    manifest = {
        "dapp": {"name": DAPP},
        "program": {"file": "a.wasm"},
        "queries": {"devices": {"sql": sql}},
    }
    node.add(
        Dapp(parse_manifest(manifest, "a manifest"), "0" * 64),
        Publisher(DAPP, "reader", "ann", hashlib.sha256(TOKEN.encode()).hexdigest(), False, True),
        Publisher(DAPP, "sender", "ann", hashlib.sha256(SENDER.encode()).hexdigest()),
    )
    yield node
    node.close()


@pytest_asyncio.fixture
async def client(node: Node, clickhouse_reader_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    settings = Settings.load(data=tmp_path, clickhouse_reader_url=clickhouse_reader_url)
    async with Opened(
        node.kafka, node.registry, tmp_path, SystemClock(), answerer=answerer(settings)
    ) as client:
        yield client


async def test_an_answer_in_each_format(client: Client) -> None:
    for fmt, begins in BEGINS.items():
        url = f"{PATH}?from=a&format={fmt}"
        async with client.session.get(url, headers=READER) as response:
            body = await response.read()
            assert (response.status, body[: len(begins)]) == (200, begins), body
    async with client.session.get(f"{PATH}?from=b", headers=READER) as response:
        assert response.content_type == "application/x-ndjson"
        assert [json.loads(line) for line in (await response.text()).splitlines()] == [
            {"device": "b"}
        ]


@pytest.mark.parametrize(
    ("path", "token", "status", "refusal"),
    [
        (PATH, TOKEN, 400, "query_refused"),
        (f"{PATH}?from=a&format=xml", TOKEN, 400, "malformed_request"),
        (f"/v1/dapps/{DAPP}/queries/others", TOKEN, 404, "unknown_query"),
        ("/v1/dapps/another/queries/devices", TOKEN, 403, "not_granted"),
        (PATH, SENDER, 403, "not_granted"),
        (PATH, "w3b_nobody", 401, "token_forged"),
    ],
    ids=["no parameter", "no format", "no query", "another's", "may not read", "nobody's"],
)
async def test_refusals(client: Client, path: str, token: str, status: int, refusal: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with client.session.get(path, headers=headers) as response:
        assert (response.status, (await response.json())["error"]) == (status, refusal)


async def test_a_readers_token_sends_nothing(client: Client) -> None:
    url = f"/v1/dapps/{DAPP}/messages"
    async with client.session.post(url, headers=READER, data=b"x") as response:
        assert (response.status, (await response.json())["error"]) == (403, "not_granted")


async def test_a_database_that_is_away(node: Node, tmp_path: Path) -> None:
    url = f"http://x:y@127.0.0.1:{free_port()}/w3b"
    settings = Settings.load(data=tmp_path, clickhouse_reader_url=url)
    for who in (answerer(settings), None):
        async with (
            Opened(node.kafka, node.registry, tmp_path, SystemClock(), answerer=who) as client,
            client.session.get(f"{PATH}?from=a", headers=READER) as response,
        ):
            assert (response.status, (await response.json())["error"]) == (
                503,
                "database_unavailable",
            )
