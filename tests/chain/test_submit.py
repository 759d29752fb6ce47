"""Commitments onto a real chain: once, also over kill -9, a chain that is away, old or wiped."""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from web3 import Web3

from streams import limits
from streams.chain.contract import W3bStreamContract
from streams.chain.deployment import Deployment
from streams.chain.journal import JournalError
from streams.chain.running import RunningSender
from streams.chain.submit import Submit
from streams.chain.totals import totals
from streams.clock import SystemClock
from streams.commitments import address_of
from tests.chain.conftest import OPERATOR, Anvil, commitments_of, proofs, settings_of

pytestmark = pytest.mark.services

DAPP = "killed"


class Submitting(Submit):
    """The way from the topic to the chain, with its sender at hand."""

    def __init__(self, sender: RunningSender) -> None:
        super().__init__(sender)
        self.sender = sender
        self.progress = sender.progress


@dataclass
class Node:
    """A submitter's surroundings."""

    anvil: Anvil
    deployment: Deployment
    folder: Path

    @property
    def journal(self) -> Path:
        return self.folder / "journal.sqlite"

    def certified(self) -> list[int]:
        contract = W3bStreamContract(self.anvil.web3, self.deployment.contract)
        return [one.epoch for one in contract.certified_epochs(DAPP)]

    def transactions(self) -> int:
        operator = Web3.to_checksum_address(address_of(OPERATOR))
        return self.anvil.web3.eth.get_transaction_count(operator)

    @asynccontextmanager
    async def submitting(self) -> AsyncIterator[Submitting]:
        sender = RunningSender(
            settings_of(self.anvil), self.journal, OPERATOR, SystemClock(), self.deployment
        )
        try:
            yield Submitting(sender)
        finally:
            await asyncio.to_thread(sender.close)


@pytest.fixture
def node(anvil: Anvil, deployment: Deployment, tmp_path: Path) -> Node:
    return Node(anvil, deployment, tmp_path)


async def until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def test_deploys_and_submits(node: Node) -> None:
    made = commitments_of(DAPP, node.deployment.domain(), 5)
    async with node.submitting() as submit:
        await submit.take([proofs(made[:2], 0), proofs(made[2:], 10)])
        await submit.take([proofs(made[:2], 0)])  # what was taken before is passed over
        await until(lambda: submit.progress().certified == {DAPP: 5})
        assert submit.position == 13
    assert node.certified() == [0, 1, 2, 3, 4]
    assert node.transactions() == 1 + 5
    done = totals(node.journal)
    assert done.submit_gas[DAPP] + done.deploy_gas == done.gas_used
    assert 60_000 < done.submit_gas[DAPP] / 5 < 90_000


async def test_catches_up_when_the_chain_was_away(node: Node) -> None:
    made = commitments_of(DAPP, node.deployment.domain(), 6)
    node.anvil.kill()
    async with node.submitting() as submit:
        await submit.take([proofs(made, 0)])
        await until(lambda: submit.sender.trouble is not None)
        node.anvil.start()
        await until(lambda: submit.progress().certified == {DAPP: 6})
        assert submit.sender.trouble is None
    assert node.certified() == list(range(6))


async def test_puts_back_what_the_chain_lost(node: Node) -> None:
    made = commitments_of(DAPP, node.deployment.domain(), 9)
    async with node.submitting() as submit:
        await submit.take([proofs(made[:3], 0)])
        await until(lambda: submit.progress().certified == {DAPP: 3})
        old = node.anvil.dump()
        await submit.take([proofs(made[3:6], 3)])
        await until(lambda: submit.progress().certified == {DAPP: 6})
        node.anvil.kill()  # and it comes back as it was before the last three
        node.anvil.start()
        node.anvil.load(old)
        await submit.take([proofs(made[6:], 6)])
        await until(lambda: len(node.certified()) == 9)
        await until(lambda: submit.progress().certified == {DAPP: 9})
    assert sorted(node.certified()) == list(range(9))
    assert node.transactions() == 1 + 9


async def test_fills_a_wiped_chain_again(node: Node) -> None:
    made = commitments_of(DAPP, node.deployment.domain(), 4)
    async with node.submitting() as submit:
        await submit.take([proofs(made, 0)])
        await until(lambda: submit.progress().certified == {DAPP: 4})
        node.anvil.kill()
        node.anvil.start()
        await until(lambda: len(node.certified()) == 4)
    assert node.transactions() == 1 + 4  # the contract is where it was


async def test_reads_the_topic_again_where_the_journal_has_forgotten(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SUBMIT_KEPT_MAX", 1)
    made = commitments_of(DAPP, node.deployment.domain(), 4)
    async with node.submitting() as submit:
        await submit.take([proofs(made, 0)])
        await until(lambda: submit.progress().certified == {DAPP: 4})
    node.anvil.kill()
    node.anvil.start()
    beginnings: list[int] = []
    async with node.submitting() as submit:
        submit.sender.on_new_beginning = lambda: beginnings.append(1)
        await until(lambda: submit.sender.journal.position == 0)
        with pytest.raises(JournalError, match="started over"):  # by one who has not noticed
            await submit.take([proofs(made, 4)])
        await until(lambda: beginnings == [1])
    async with node.submitting() as submit:
        assert submit.position == 0
        await submit.take([proofs(made, 0)])
        await until(lambda: len(node.certified()) == 4)


async def test_a_reorganised_chain_gets_them_again(node: Node) -> None:
    made = commitments_of(DAPP, node.deployment.domain(), 5)
    async with node.submitting() as submit:
        await submit.take([proofs(made, 0)])
        await until(lambda: submit.progress().certified == {DAPP: 5})
        answer = node.anvil.web3.provider.make_request("anvil_reorg", [2, []])
        assert "error" not in answer
        await until(lambda: node.transactions() == 1 + 5)
        await until(lambda: sorted(node.certified()) == list(range(5)))


async def test_what_is_no_commitment_stops_nothing(node: Node) -> None:
    [made] = commitments_of(DAPP, node.deployment.domain(), 1)
    spoilt = proofs([made], 0)
    spoilt = type(spoilt)(
        spoilt.topic, 0, 0, 1, 1, spoilt.packed.replace(b'"epoch":0', b'"epoch":1'), 1
    )
    async with node.submitting() as submit:
        await submit.take([spoilt, proofs([made], 1)])
        await until(lambda: submit.progress().certified == {DAPP: 1})


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_kill_9_in_mid_send(node: Node) -> None:
    epochs, chance = 60, random.Random(1)
    argv = [sys.executable, "-m", "tests.chain.submitter_process",
            node.anvil.rpc_url, str(node.folder), str(epochs)]  # fmt: skip
    killed_at = []
    for _ in range(4):
        before = node.transactions()
        process = subprocess.Popen(argv)
        while process.poll() is None and node.transactions() == before:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.15)
        process.kill()
        process.wait()
        killed_at.append(len(node.certified()))
    assert any(0 < one < epochs for one in killed_at), f"never in the middle: {killed_at}"
    subprocess.run(argv, check=True, timeout=60)
    assert node.certified() == list(range(epochs))
    assert node.transactions() == 1 + epochs  # nothing went out twice, not even in vain
    assert totals(node.journal).certified == {DAPP: epochs}
