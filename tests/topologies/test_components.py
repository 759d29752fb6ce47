"""Each local component on its own: starts, answers, keeps its data across `kill -9`."""

import http.client
import json
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.local_components import LocalComponents
from tests.waiting import wait_until
from topologies.components import chain, clickhouse, kafka
from topologies.supervisor import SetupError, Unhealthy

pytestmark = [pytest.mark.services, pytest.mark.slow]


def test_kafka_keeps_acknowledged_records_and_committed_offsets(
    local_components: LocalComponents,
) -> None:
    servers = local_components.kafka
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.create_topics([NewTopic("kept", 2)]).values():
        future.result()
    producer = Producer({"bootstrap.servers": servers, "acks": "all"})
    for number in range(100):
        producer.produce("kept", str(number).encode(), partition=0)
    assert producer.flush(30) == 0
    group = {"bootstrap.servers": servers, "group.id": "readers", "enable.auto.commit": False}
    committer = Consumer(group)
    committer.commit(offsets=[TopicPartition("kept", 0, 40)], asynchronous=False)
    committer.close()

    local_components.kill("kafka")
    with pytest.raises(Unhealthy):
        kafka.prober({"bootstrap.servers": servers})()
    assert local_components.kafka == servers

    reader = Consumer(group)
    committed = reader.committed([TopicPartition("kept", 0)], timeout=30)[0].offset
    reader.assign([TopicPartition("kept", 0, committed)])
    values = [message.value() for message in reader.consume(60, timeout=30)]
    reader.close()
    assert values == [str(number).encode() for number in range(40, 100)]


def test_kafka_makes_no_topic_by_a_slip(local_components: LocalComponents) -> None:
    producer = Producer({"bootstrap.servers": local_components.kafka, "message.timeout.ms": 3000})
    errors: list[object] = []
    producer.produce("mesages.typo", b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert len(errors) == 1
    assert errors[0] is not None


def test_clickhouse_keeps_rows(local_components: LocalComponents) -> None:
    url = local_components.clickhouse_url
    _sql(url, "CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    _sql(url, "INSERT INTO kept SELECT number FROM numbers(1000)")
    local_components.kill("clickhouse")
    with pytest.raises(Unhealthy, match="no answer"):
        clickhouse.probe(url)
    assert local_components.clickhouse_url == url
    assert _sql(url, "SELECT count(), sum(n) FROM kept") == "1000\t499500"
    local_components.stop("clickhouse")
    assert local_components.clickhouse_url == url
    assert _sql(url, "SELECT count() FROM kept") == "1000"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM w3b.kept",
        "DROP TABLE w3b.kept",
        "CREATE TABLE w3b.other (n Int64) ENGINE = Memory",
        "SELECT * FROM file('/etc/passwd', LineAsString)",
        "SELECT * FROM url('http://127.0.0.1:1', LineAsString)",
        "SELECT query FROM system.processes",
        "SYSTEM SHUTDOWN",
    ],
)
def test_clickhouse_gives_nothing_away_without_its_password(clickhouse_url: str, sql: str) -> None:
    _sql(clickhouse_url, "CREATE TABLE IF NOT EXISTS w3b.kept (n Int64) ENGINE = Memory")
    parts = urlsplit(clickhouse_url)
    with pytest.raises(AssertionError, match=r"Not enough privileges|UNKNOWN_TABLE"):
        _sql(f"http://{parts.hostname}:{parts.port}/default", sql)
    with pytest.raises(Unhealthy, match=r"AUTHENTICATION_FAILED|password is incorrect"):
        clickhouse.probe(f"http://w3b:wrong@{parts.hostname}:{parts.port}/w3b")


def test_chain_keeps_what_was_saved(local_components: LocalComponents) -> None:
    url = local_components.chain_rpc_url
    tend = local_components.start("chain").tend
    assert tend is not None
    sender, receiver = _rpc(url, "eth_accounts")[:2]
    payment = {"from": sender, "to": receiver, "value": hex(10**18)}
    transaction = _paid(url, payment)
    tend()
    lost = _paid(url, payment)

    local_components.kill("chain")
    assert local_components.chain_rpc_url == url
    assert _rpc(url, "eth_getTransactionReceipt", transaction)["status"] == "0x1"
    assert _rpc(url, "eth_getTransactionReceipt", lost) is None

    saved = _paid(url, payment)
    local_components.stop("chain")
    assert local_components.chain_rpc_url == url
    assert _rpc(url, "eth_getTransactionReceipt", saved)["status"] == "0x1"


def test_a_chain_that_is_another_one_is_not_well(chain_rpc_url: str) -> None:
    chain.probe(chain_rpc_url)
    with pytest.raises(Unhealthy, match="it is chain 31337, not 4690"):
        chain.probe(chain_rpc_url, 4690)


def _paid(url: str, payment: dict[str, str]) -> str:
    """The hash of a payment that has been mined, which is a moment after it was sent."""
    transaction: str = _rpc(url, "eth_sendTransaction", payment)
    wait_until(lambda: _rpc(url, "eth_getTransactionReceipt", transaction), "a mined payment")
    return transaction


def _sql(url: str, sql: str) -> str:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    headers = {}
    if parts.username:
        login = f"{parts.username}:{parts.password}"
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    try:
        path = f"/?database={quote(parts.path.strip('/'))}"
        connection.request("POST", path, sql, headers)
        response = connection.getresponse()
        body = response.read().decode().strip()
    finally:
        connection.close()
    assert response.status == 200, body
    return body


def _rpc(url: str, method: str, *params: object) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["result"]


def test_a_damaged_file_of_the_chain_is_named(tmp_path: Path) -> None:
    prepare = chain.child(tmp_path, 1).prepare
    assert prepare is not None
    assert prepare() == ()
    (tmp_path / "state.json").write_text('{"block": {"numb')
    with pytest.raises(SetupError, match=r"state\.json is damaged .* the chain begins anew"):
        prepare()
