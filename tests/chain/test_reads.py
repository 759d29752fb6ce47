"""Programs' calls of contracts, on a real chain."""

import json
from typing import Any

import pytest

from streams import limits
from streams.chain.reads import ContractCalls
from streams.clock import ManualClock
from tests.chain.conftest import Anvil
from topologies.components import chain

pytestmark = pytest.mark.services

ECHO = "0x" + "ec" * 20
ECHO_CODE = "0x366000600037366000f3"  # returns its input
REVERTS = "0x" + "ee" * 20


def asked(calls: ContractCalls, call: Any, chain_id: int = chain.CHAIN_ID) -> tuple[int, bytes]:
    body = call if isinstance(call, bytes) else json.dumps(call).encode()
    return calls.answer(0, bytes(8), chain_id.to_bytes(4, "little") + body)


@pytest.fixture
def calls(anvil: Anvil) -> ContractCalls:
    anvil.call("anvil_setCode", ECHO, ECHO_CODE)
    anvil.call("anvil_setCode", REVERTS, "0x60006000fd")
    return ContractCalls(anvil.rpc_url, {7: anvil.rpc_url}, ManualClock())


def test_bytes_come_back_as_the_contract_returned_them(calls: ContractCalls) -> None:
    assert asked(calls, {"to": ECHO, "data": "0x00ff10"}) == (0, b"\x00\xff\x10")
    assert asked(calls, {"to": ECHO[2:], "data": "aa"}) == (0, b"\xaa")
    assert asked(calls, {"to": "0x" + "01" * 20, "data": ""}) == (0, b"")  # nobody is there
    assert asked(calls, {"to": ECHO, "data": "0x01"}, chain_id=7) == (0, b"\x01")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (b"no JSON", "line 1 column 1"),
        ([], "no address"),
        ({"to": "0x1", "data": ""}, "no address"),
        ({"to": ECHO, "data": "0x1"}, "not hexadecimal"),
        ({"to": REVERTS, "data": ""}, "revert"),
        ({"to": ECHO, "data": "00" * (limits.CALL_ANSWER_BYTES_MAX + 1)}, "bytes"),
    ],
)
def test_what_fails_says_why(calls: ContractCalls, call: Any, said: str) -> None:
    code, text = asked(calls, call)
    assert code == -1
    assert said in text.decode()


def test_a_chain_that_nobody_named(calls: ContractCalls) -> None:
    code, text = asked(calls, {"to": ECHO, "data": ""}, chain_id=8)
    assert code == -1
    assert "knows no chain 8" in text.decode()


def test_a_chain_that_is_away_is_left_alone_for_a_while(anvil: Anvil) -> None:
    clock = ManualClock()
    calls = ContractCalls(anvil.rpc_url, {}, clock)
    anvil.kill()
    assert b"no answer" in asked(calls, {"to": ECHO, "data": ""})[1]
    assert b"a moment ago" in asked(calls, {"to": ECHO, "data": ""})[1]
    clock.advance_ms(limits.CALL_PAUSE_S * 1000)
    anvil.start()
    assert asked(calls, {"to": ECHO, "data": ""}) == (0, b"")
