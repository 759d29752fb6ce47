"""A sender over a journal on disk and a chain that forgets, refuses and kills."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from eth_utils.crypto import keccak
from web3 import Web3

from streams import limits
from streams.chain.certifying import calls_of
from streams.chain.contract import W3bStreamContract
from streams.chain.deployment import Deployment
from streams.chain.journal import Journal
from streams.chain.requests import Request, Requests
from streams.chain.sender import ChainSettings, Sender
from streams.chain.totals import totals
from streams.clock import ManualClock
from streams.commitments import Commitment, Domain, address_of
from tests.chain.conftest import OPERATOR
from tests.chain.forgetful_chain import CHAIN_ID, CODE, ForgetfulChain

CONTRACT = bytes(range(20))
CONFIRMATIONS = 4
DEPLOYMENT = Deployment(CHAIN_ID, CONTRACT, b"creation code", keccak(CODE))
BOUND = W3bStreamContract(Web3(), CONTRACT)
Certify = Callable[[Domain, int], Commitment]


def request_of(number: int) -> Request:
    data = b"request %d" % number
    return Request(keccak(data), "dapp", bytes([number]) * 20, number, data, b"reply %d" % number)


class Living:
    """A sender over a journal on disk, which may die and start again."""

    def __init__(self, folder: Path, certify: Certify) -> None:
        self.path = folder / "journal.sqlite"
        self.chain = ForgetfulChain(CONTRACT)
        self.chain.on_raw = self._was_journaled
        self.clock = ManualClock()
        self.local = True
        self._certify = certify
        self.asked = 0
        self.start()

    def start(self) -> None:
        self.journal = Journal(self.path, address_of(OPERATOR))
        self.requests = Requests(self.journal)
        settings = ChainSettings("http://chain", CHAIN_ID, self.local, CONFIRMATIONS, deploys=True)
        self.sender = Sender(settings, self.journal, OPERATOR, self.clock, DEPLOYMENT, self.chain)

    def restart(self) -> None:
        self.journal.close()
        self.start()

    def take(self, epochs: int) -> None:
        """As the agent does: what topic ``proofs`` has behind the journal's position."""
        at = self.journal.position
        made = [self._certify(DEPLOYMENT.domain(), epoch) for epoch in range(at, at + epochs)]
        self.journal.take(calls_of(made, DEPLOYMENT, BOUND), at, at + epochs)

    def ask(self, requests: int) -> None:
        """As the agent does: the newest again with some that are new."""
        made = [request_of(number) for number in range(self.asked + requests)]
        self.requests.take(made[max(self.asked - 2, 0) :], self.clock.now_ms())
        self.asked += requests

    def settle(self) -> None:
        """The chain is well from now on: mine until everything is confirmed."""
        self.chain.away = False
        self.chain.before = self.chain.after = lambda method: None
        for _ in range(200):
            self.sender.step()
            self.clock.advance_ms(limits.CHAIN_RESEND_MS)
            self.chain.mine()
            done = totals(self.path)
            if done.queued == done.in_flight == 0:
                break
        for _ in range(CONFIRMATIONS + 1):
            self.chain.mine()
            self.sender.step()
        assert all(one.status == "confirmed" for one in self.journal.entries(0))

    def expect_each_once(self, epochs: int) -> None:
        calls = [
            BOUND.submit_data(self._certify(DEPLOYMENT.domain(), epoch)) for epoch in range(epochs)
        ]
        on_chain = [one.data for one in self.chain.mined() if one.to == CONTRACT]
        assert sorted(on_chain) == sorted(calls)

    def _was_journaled(self, transaction: bytes) -> None:
        with closing(sqlite3.connect(self.path)) as db:
            found = db.execute("SELECT 1 FROM attempts WHERE hash = ?", (transaction,)).fetchone()
        assert found, "a transaction was sent before it was on disk"
