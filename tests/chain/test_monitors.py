"""Monitors on a real chain: what is confirmed, once, also over reorganisations."""

import json
from typing import Any

import pytest

from streams import limits
from streams.chain import monitors
from streams.chain.json_rpc import ChainAway, JsonRpc, RpcError, chain_id_of
from streams.chain.monitors import Happening, Position
from streams.registry.sources import ChainHeightMonitor, ChainTxMonitor, ContractLogMonitor
from tests.chain.conftest import Anvil

pytestmark = pytest.mark.services

TEMPERATURE, HUMIDITY = ("0x" + f"{number:064x}" for number in (1, 2))


class Watched:
    """A monitor over a chain, from one look to the next."""

    def __init__(self, rpc: JsonRpc, monitor: Any) -> None:
        self.rpc = rpc
        self.monitor = monitor
        self.position: Position | None = None
        self.seen: list[Happening] = []

    def look(self) -> list[Any]:
        """What is new, as JSON."""
        head = int(self.rpc.call("eth_blockNumber"), 16)
        found = monitors.look(self.rpc, self.monitor, self.position, head)
        self.position = found.position
        self.seen += found.happenings
        return [json.loads(one.payload) for one in found.happenings]


@pytest.fixture
def rpc(anvil: Anvil) -> JsonRpc:
    return JsonRpc(anvil.rpc_url)


def test_logs_of_a_contract_once_they_are_confirmed(anvil: Anvil, rpc: JsonRpc) -> None:
    anvil.log(TEMPERATURE)  # before the monitor was there
    of_one = {"kind": "contract_log", "address": anvil.LOGGER, "confirmations": 3}
    watched = Watched(rpc, ContractLogMonitor(**of_one, topics=[TEMPERATURE]))
    everything = Watched(rpc, ContractLogMonitor(**of_one, from_block=0))
    assert watched.look() == []
    hash = anvil.log(TEMPERATURE)
    anvil.log(HUMIDITY)
    anvil.mine(2)
    (one,) = watched.look()
    assert one["transactionHash"] == hash
    assert one["address"] == anvil.LOGGER
    assert one["topics"] == [TEMPERATURE]
    assert watched.look() == []
    assert [log["topics"][0] for log in everything.look()] == [TEMPERATURE, TEMPERATURE, HUMIDITY]
    assert len({one.place for one in everything.seen}) == 3


def test_a_reorganisation_below_the_confirmations_changes_nothing(
    anvil: Anvil, rpc: JsonRpc
) -> None:
    kind = {"kind": "contract_log", "address": anvil.LOGGER, "from_block": 0}
    patient = Watched(rpc, ContractLogMonitor(**kind, confirmations=3))
    anvil.log(TEMPERATURE)
    anvil.mine(2)
    assert len(patient.look()) == 1
    anvil.log(HUMIDITY)
    assert patient.look() == []
    anvil.reorganise(2)  # the second is gone, before it counted
    anvil.mine(4)
    assert patient.look() == []
    anvil.log(HUMIDITY)
    anvil.mine(2)
    assert [log["topics"][0] for log in patient.look()] == [HUMIDITY]
    assert len(patient.seen) == 2


def test_many_blocks_are_read_in_stretches(
    anvil: Anvil, rpc: JsonRpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MONITOR_BLOCKS_MAX", 4)
    for _ in range(6):
        anvil.log(TEMPERATURE)
    watched = Watched(
        rpc,
        ContractLogMonitor(
            kind="contract_log", address=anvil.LOGGER, from_block=0, confirmations=1
        ),
    )
    assert [len(watched.look()) for _ in range(3)] == [3, 3, 0]


def test_a_transaction_once_it_is_in_a_block_and_confirmed(anvil: Anvil, rpc: JsonRpc) -> None:
    hash = anvil.log(TEMPERATURE)
    watched = Watched(rpc, ChainTxMonitor(kind="chain_tx", hash=hash, confirmations=2))
    unknown = Watched(rpc, ChainTxMonitor(kind="chain_tx", hash="0x" + "99" * 32))
    assert watched.look() == []
    anvil.mine(1)
    (one,) = watched.look()
    assert (one["hash"], one["to"]) == (hash, anvil.LOGGER)
    assert watched.look() == unknown.look() == []


def test_a_height_once_the_chain_has_it(anvil: Anvil, rpc: JsonRpc) -> None:
    watched = Watched(rpc, ChainHeightMonitor(kind="chain_height", height=3, confirmations=2))
    anvil.mine(3)
    assert watched.look() == []
    anvil.mine(1)
    assert watched.look() == [{"HeaderNumber": 3}]
    anvil.mine(1)
    assert watched.look() == []


def test_says_who_is_away_and_what_was_refused(anvil: Anvil, rpc: JsonRpc) -> None:
    with pytest.raises(RpcError, match="invalid"):
        rpc.call("eth_getTransactionByHash", "nonsense")
    anvil.kill()
    secret = JsonRpc(anvil.rpc_url.replace("//", "//user:secret@") + "/key")
    with pytest.raises(ChainAway, match="no answer from 127") as told:
        secret.call("eth_blockNumber")
    assert "secret" not in str(told.value)


def test_chains_have_ids_and_names() -> None:
    assert chain_id_of("4690") == chain_id_of("iotex-testnet") == 4690
    with pytest.raises(LookupError, match="solana"):
        chain_id_of("solana-devnet")
