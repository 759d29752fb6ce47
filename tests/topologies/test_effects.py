"""What programs ask for, from their topic to a chain and a broker, and the answers back."""

import base64
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import wasmtime
from web3 import Web3
from web3.types import RPCEndpoint

from streams import records, topics
from streams.commitments import address_of
from streams.effects.answers import message_id
from streams.records import decode_output
from streams.registry.entries import PUBLISHER_TOKEN, Grant, Publisher
from streams.registry.writer import RegistryWriter
from streams.wallet.did import KeyKind
from streams.wallet.keys import load_or_create
from tests.effects.broker import Listener, MqttBroker
from tests.effects.effects import record
from tests.local_components import free_port
from tests.topologies.part_node import PartNode, until
from topologies.components import chain

pytestmark = pytest.mark.services

TARGET = "0x" + "22" * 20


@pytest.fixture
def broker() -> Iterator[MqttBroker]:
    made = MqttBroker()
    made.start()
    yield made
    made.kill()


def transfer(number: int, target: str = str(chain.CHAIN_ID), **fields: str) -> bytes:
    body = {"id": f"0x{number:064x}", "to": TARGET, "value": str(number), "data": "0x", **fields}
    return record("send_tx", target.encode(), json.dumps(body).encode())


def call(number: int, path: str, body: object, event_type: str = "ANSWER") -> bytes:
    request = {
        "Method": "POST",
        "Url": f"w3bstream://w3bstream.com{path}",
        "Header": {"Eventtype": [event_type], "Name": ["car"]},
        "Body": base64.b64encode(json.dumps(body).encode()).decode(),
        "id": f"0x{number:064x}",
    }
    return record("api_call", path.encode(), json.dumps(request).encode())


def said(payload: bytes) -> Any:
    """An API answer's status and body."""
    answer = json.loads(payload)
    return answer["StatusCode"], json.loads(base64.b64decode(answer["Body"]))


def test_transactions_and_calls_are_answered_once(
    nodes: Callable[..., PartNode], kafka: str, chain_rpc_url: str, tmp_path: Path
) -> None:
    node = nodes(kafka, tmp_path, chain_rpc_url=chain_rpc_url)
    events = {"DEFAULT": "start", "TX_RESULT": "told", "ANSWER": "told"}
    node.serve(keys=("default", "buyer", "nobody"), events=events)
    buyer = load_or_create(tmp_path / "keys/operators/buyer.pem", KeyKind.SECP256K1)
    load_or_create(tmp_path / "keys/operators/other.pem", KeyKind.SECP256K1)
    web3 = Web3(Web3.HTTPProvider(chain_rpc_url))
    before = web3.eth.get_balance(Web3.to_checksum_address(TARGET))
    name = str(chain.CHAIN_ID)
    effects = [
        transfer(1),
        transfer(2, operatorName="buyer"),
        transfer(3, operatorName="nobody"),
        transfer(4, target="77"),
        record("send_tx", name.encode(), b"{}"),
        call(6, "/system/send_tx", {"chainName": name, "to": TARGET, "value": "6", "data": "00"}),
        call(7, "/system/gen_zk_proof", {}),
        call(8, "/system/read_tx", {"chainName": name, "hash": "0x" + "00" * 32}),
        call(9, "/system/hello", {}),
        transfer(10, operatorName="other"),  # a key that is there, and not this Dapp's to spend
        call(11, "/system/send_tx", {"chainName": name, "to": TARGET, "operatorName": "other"}),
    ]

    for repeated in (1, 2):  # the second time as after a crash before offsets were committed
        node.write(topics.effects(node.dapp), 1, effects)
        with node.running("act", "submit"):
            until(lambda: len(node.records(topics.dead(node.dapp), 1)) == repeated)  # noqa: B023
            until(lambda: len({one.message_id for one in node.messages(1)}) == 10)
    moved = web3.eth.get_balance(Web3.to_checksum_address(TARGET)) - before
    assert moved == 1 + 2 + 6
    sender = Web3.to_checksum_address(address_of(buyer.secret_bytes))
    assert web3.eth.get_transaction_count(sender) == 1
    told = {one.message_id: one for one in node.messages(1)}
    by_id = {
        number: told[message_id(node.dapp, number.to_bytes(32, "big"))]
        for number in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11)
    }
    assert {one.device for one in told.values()} == {"did:x"}
    for number, status in [
        (1, "confirmed"),
        (2, "confirmed"),
        (3, "failed"),
        (4, "failed"),
        (10, "failed"),
    ]:
        result = json.loads(by_id[number].payload)
        assert by_id[number].event_type == "TX_RESULT"
        assert result["status"] == status
        assert result["id"] == f"0x{number:064x}"
    receipt = web3.eth.get_transaction_receipt(json.loads(by_id[1].payload)["hash"])
    assert receipt["blockNumber"] == json.loads(by_id[1].payload)["block"]
    assert "no operator named nobody" in json.loads(by_id[3].payload)["error"]
    refused = json.loads(by_id[10].payload)["error"]
    assert f"w3b dapp allow-key {node.dapp} other" in refused
    assert said(by_id[11].payload)[1]["state"] == "FAILED"
    assert "no chain 77" in json.loads(by_id[4].payload)["error"]
    status, body = said(by_id[6].payload)
    assert (status, body["state"]) == (200, "CONFIRMED")
    assert said(by_id[7].payload)[0] == 501
    assert said(by_id[8].payload) == (500, {"error": "not found"})
    assert said(by_id[9].payload)[1] == '{"async message": "hello car"}'
    letter = decode_output(node.records(topics.dead(node.dapp), 1)[0])
    assert (letter.label, letter.b) == (records.EFFECT_REFUSED, effects[4])


PROGRAM = """
(module
  (import "env" "ws_send_tx" (func $tx (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "ws_call_contract" (func $call (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "ws_send_mqtt_msg" (func $mqtt (param i32 i32 i32 i32) (result i32)))
  (import "env" "ws_get_data" (func $data (param i32 i32 i32) (result i32)))
  (import "w3b" "result" (func $result (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 4096))
  (func (export "alloc") (param i32) (result i32)
    global.get $free
    (global.set $free (i32.add (global.get $free) (local.get 0))))
  (data (i32.const 64) "%s")
  (data (i32.const 1024) "%s")
  (data (i32.const 2048) "sent")
  (func $show (result i32) (call $result (i32.load (i32.const 0)) (i32.load (i32.const 4))))
  (func (export "start") (param i32) (result i32)
    (drop (call $call
      (i32.const %d) (i32.const 1024) (i32.const %d) (i32.const 0) (i32.const 4)))
    (drop (call $show))
    (drop (call $tx (i32.const %d) (i32.const 64) (i32.const %d) (i32.const 0) (i32.const 4)))
    (call $mqtt (i32.const 2048) (i32.const 4) (i32.load (i32.const 0)) (i32.load (i32.const 4))))
  (func (export "told") (param i32) (result i32)
    (drop (call $data (local.get 0) (i32.const 0) (i32.const 4)))
    (call $show)))
"""


def wat_text(value: object) -> str:
    return json.dumps(value).replace('"', '\\"')


def test_a_program_pays_publishes_and_calls(
    nodes: Callable[..., PartNode],
    kafka: str,
    chain_rpc_url: str,
    broker: MqttBroker,
    tmp_path: Path,
) -> None:
    """From a device's message over the program and the chain back to the program; what it
    publishes reaches a broker, and the device at the node's own door."""
    port = free_port()
    node = nodes(
        kafka, tmp_path, chain_rpc_url=chain_rpc_url, mqtt_url=broker.url,
        endpoint_mqtt_port=f"{port}", endpoint_port=f"{free_port()}",
        endpoint_grpc_port=f"{free_port()}",
    )  # fmt: skip
    echo = "0x" + "ec" * 20
    Web3(Web3.HTTPProvider(chain_rpc_url)).provider.make_request(
        RPCEndpoint("anvil_setCode"), [echo, "0x366000600037366000f3"]
    )
    wish = {"to": TARGET, "value": "5", "data": ""}
    question = {"to": echo, "data": b'{"echo":1}'.hex()}
    program = wasmtime.wat2wasm(
        PROGRAM
        % (
            wat_text(wish), wat_text(question), chain.CHAIN_ID, len(json.dumps(question)),
            chain.CHAIN_ID, len(json.dumps(wish)),
        )
    )  # fmt: skip
    events = {"DEFAULT": "start", "TX_RESULT": "told"}
    node.serve(bytes(program), keys=("default",), events=events)
    listener = Listener(broker.port)
    token = f"{PUBLISHER_TOKEN}{uuid4().hex}"
    car = Publisher(node.dapp, "car-7", "owner", sha256(token.encode()).hexdigest())
    RegistryWriter(node.kafka).put(Grant("owner", node.dapp, 0), car)
    with node.running("endpoint", "execute", "act", "submit", "publish"):
        device = Listener(port, car.key, token)
        node.write(topics.messages(node.dapp), 1, [b"go"], b"car-7")
        until(lambda: len(node.records(topics.results(node.dapp), 1)) == 2)
        until(lambda: len(listener.heard) == len(device.heard) == 1)
        device.close()
    first, second = (decode_output(one).b for one in node.records(topics.results(node.dapp), 1))
    outcome = json.loads(second)
    assert json.loads(first) == {"echo": 1}
    assert outcome["status"] == "confirmed"
    assert listener.heard == device.heard == [("sent", outcome["id"].encode())]
    listener.close()


def test_mqtt_messages_reach_the_broker(
    nodes: Callable[..., PartNode], kafka: str, broker: MqttBroker, tmp_path: Path
) -> None:
    node = nodes(kafka, tmp_path, mqtt_url=broker.url)
    node.serve()
    listener = Listener(broker.port)
    sent = [record("mqtt", b"cars/%d" % number, b"%d" % number) for number in range(200)]
    node.write(topics.effects(node.dapp), 0, [transfer(1), *sent, record("mqtt", b"#", b"")])
    with node.running("publish"):
        until(lambda: len(listener.heard) >= 200)
        until(lambda: len(node.records(topics.dead(node.dapp), 0)) == 1)
    heard = len(listener.heard)
    assert set(listener.heard) == {(f"cars/{n}", b"%d" % n) for n in range(200)}
    node.write(topics.effects(node.dapp), 0, [record("mqtt", b"last", b"")])
    with node.running("publish"):
        until(lambda: len(listener.heard) > heard)
    assert listener.heard[heard:] == [("last", b"")]  # what was committed is not sent again
    listener.close()
