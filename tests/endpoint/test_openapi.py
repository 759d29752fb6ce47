"""The served description, held to the routes and, by fuzzing each operation, to the answers."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings

from streams import limits
from streams.clock import SystemClock
from streams.database.migrations import migrate
from streams.database.server import Server
from streams.endpoint.admission import Refusal
from streams.endpoint.http import HttpApi
from streams.endpoint.openapi import document
from streams.endpoint.operators import OperatorsApi
from streams.endpoint.owners import OwnersApi
from streams.endpoint.statuses import STATUS
from streams.endpoint.tokens import OPERATOR_TYPE, Tokens
from streams.registry.entries import Owner
from tests.endpoint.ethereum_wallet import Headers, Wallet
from tests.endpoint.setting import Client, Node, Opened, make_node
from topologies.config import Settings
from topologies.operating.calls import Operating

with warnings.catch_warnings():  # of its own dependencies
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

pytestmark = [pytest.mark.services, pytest.mark.slow]

EXAMPLES = 12  # of each operation
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.ignored_auth,
]


def not_a_failure(_: Any, response: Any, __: Any) -> None:
    """Nor is one what ClickHouse says, in which no node has made tables here."""
    assert response.status_code != 500


OPERATORS_CHECKS = [not_a_failure, *CHECKS[1:]]
TYPES = ["application/x-ndjson", "application/vnd.w3b.envelopes+x-ndjson", "application/cbor",
         "application/cbor-seq", "application/octet-stream"]  # fmt: skip


@schemathesis.serializer(*TYPES)
def as_bytes(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode(errors="replace")


@pytest.fixture(scope="module")
def node(kafka: str) -> Iterator[Node]:
    node = make_node(kafka)
    yield node
    node.close()


@pytest_asyncio.fixture
async def client(
    node: Node, tmp_path: Path, kafka: str, clickhouse_url: str
) -> AsyncIterator[Client]:
    settings = Settings(
        data=tmp_path, kafka_bootstrap_servers=kafka, clickhouse_url=clickhouse_url
    ).with_local_addresses()
    migrate(Server(clickhouse_url))  # what operators ask about is there, whichever test runs first
    operators = Operating(settings, node.kafka, node.registry)
    clock = SystemClock()
    async with Opened(node.kafka, node.registry, tmp_path, clock, operators=operators) as client:
        yield client


def test_it_describes_every_route_and_no_other() -> None:
    api: Any = object.__new__(HttpApi)  # its routes need nobody behind them
    api._owners = object.__new__(OwnersApi)
    api._operators = object.__new__(OperatorsApi)
    api._intake = SimpleNamespace(refusals=None)
    routes = {
        (str(route.resource.canonical), route.method.lower())
        for route in api.application().router.routes()
        if route.method not in ("HEAD", "*")  # the latter: of what is at no path
    }
    assert {(path, verb) for path, verbs in document()["paths"].items() for verb in verbs} == routes


def test_every_refusal_has_a_status() -> None:
    assert STATUS.keys() == set(Refusal)


async def test_answers_are_what_it_says(
    client: Client, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ANSWER_WAIT_S", 0.01)  # nobody runs the program
    status, served = await client.ask("GET", "/openapi.json")
    assert (status, served) == (200, document())
    headers = await client.token(node.add_device())
    wallet = Wallet(SystemClock())
    node.add(Owner(wallet.did, 1))
    of_owner = await wallet.log_in(client)
    tokens = Tokens(lambda: [b"s" * 32], SystemClock(), OPERATOR_TYPE)
    of_operator = {"Authorization": f"Bearer {tokens.issue('ann')[0]}"}
    url = str(client.session._base_url).rstrip("/")
    schema = schemathesis.openapi.from_dict(served)
    tokens_of = {"": headers, "owners": of_owner, "operator": of_operator}
    await asyncio.to_thread(fuzz, schema, url, tokens_of, node.first)


def fuzz(schema: Any, url: str, tokens: dict[str, Headers], dapp: str) -> None:
    fuzzed = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        first = operation.path.removeprefix("/v1/").partition("/")[0]
        headers = tokens.get(first, tokens[""])
        fuzz_operation(operation, True, url, headers, dapp)
        described = document()["paths"][operation.path][operation.method]
        if described.get("parameters") or described.get("requestBody"):
            fuzz_operation(operation, False, url, headers, dapp)
        fuzzed += 1
    assert fuzzed == sum(map(len, document()["paths"].values()))


def fuzz_operation(
    operation: Any, is_valid: bool, url: str, headers: dict[str, str], dapp: str
) -> None:
    """Requests that are as the description asks, to a Dapp that is there; or that are not."""
    modes = schemathesis.GenerationMode
    is_operators = "/operator/" in operation.path
    examples, its_checks = (3, OPERATORS_CHECKS) if is_operators else (EXAMPLES, CHECKS)

    @given(
        case=operation.as_strategy(generation_mode=modes.POSITIVE if is_valid else modes.NEGATIVE)
    )
    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    def check(case: Any) -> None:
        if is_valid and case.path_parameters:
            case.path_parameters = dict.fromkeys(case.path_parameters, dapp)
        case.call_and_validate(base_url=url, headers=headers, checks=its_checks)

    check()
