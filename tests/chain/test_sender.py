"""The sender against a chain that forgets, refuses and kills: each commitment once, in the end.

What is checked at every transaction that arrives: its bytes were in the journal before. What is
checked at the end: every call is on the chain exactly once.
"""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from eth_utils.crypto import keccak

from streams import limits
from streams.chain.certifying import ChainError, calls_of
from streams.chain.deployment import Deployment
from streams.chain.journal import Journal, JournalError
from streams.chain.json_rpc import host_of
from streams.chain.sender import ChainBeganAnew, ChainSettings, Sender
from streams.chain.totals import totals
from streams.clock import ManualClock
from streams.commitments import Domain, address_of
from tests.chain.conftest import OPERATOR
from tests.chain.forgetful_chain import CHAIN_ID, CODE, GWEI, ForgetfulChain, Killed
from tests.chain.living import (
    BOUND,
    CONFIRMATIONS,
    CONTRACT,
    DEPLOYMENT,
    Certify,
    Living,
    request_of,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite", address_of(OPERATOR))) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_each_commitment_once_whatever_happens(sender: Living, seed: int) -> None:
    chance = random.Random(seed)
    chain = sender.chain

    def perhaps_die(method: str) -> None:
        if chance.random() < 0.02:
            raise Killed(method)

    taken = 0
    for _ in range(120):
        chain.before = chain.after = perhaps_die
        chain.away = chance.random() < 0.1
        try:
            if chance.random() < 0.3:
                sender.take(chance.randint(1, 4))
            if chance.random() < 0.3:
                sender.ask(chance.randint(1, 3))
            sender.sender.step()
        except Killed:
            sender.restart()
        except requests.ConnectionError:
            pass
        taken = sender.journal.position
        sender.clock.advance_ms(chance.choice((0, 500, 5_000)))
        happening = chance.random()
        if happening < 0.4:
            chain.mine()
        elif happening < 0.48:
            chain.reorganise(chance.randint(1, CONFIRMATIONS - 1))
        elif happening < 0.54:
            chain.pool.clear()
        elif happening < 0.60:
            chain.base_fee_wei = chance.choice((1, 10, 30, 60)) * GWEI
    sender.settle()
    sender.expect_each_once(taken)
    wanted = [(one.to, one.value_wei, one.data) for one in map(request_of, range(sender.asked))]
    made = [(one.to, one.value_wei, one.data) for one in chain.mined()]
    assert sorted(one for one in made if one[2].startswith(b"request")) == sorted(wanted)
    told = sender.requests.untold()
    assert sorted(reply for _, reply, _ in told) == sorted(
        b"reply %d" % number for number in range(sender.asked)
    )
    assert {outcome.status for *_, outcome in told} == {"confirmed"}
    done = totals(sender.path)
    assert sum(done.certified.values()) == taken
    assert done.gas_used == 70_000 * len(chain.mined())


def test_waits_while_the_chain_is_away(sender: Living) -> None:
    sender.chain.away = True
    sender.take(3)
    for _ in range(5):
        with pytest.raises(requests.ConnectionError):
            sender.sender.step()
    sender.settle()
    sender.expect_each_once(3)


def test_a_settled_chain_that_lost_its_last_blocks_gets_them_again(sender: Living) -> None:
    sender.take(5)
    sender.settle()
    sender.chain.reorganise(len(sender.chain.blocks) - 1)  # deeper than any confirmation
    assert sender.chain.mined() == []
    sender.settle()
    sender.expect_each_once(5)


def test_a_chain_that_came_back_with_less_than_is_kept_is_filled_from_the_topic(
    sender: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SUBMIT_KEPT_MAX", 2)
    sender.take(5)
    sender.settle()
    sender.chain.wipe()
    with pytest.raises(ChainBeganAnew):
        sender.sender.step()
    with pytest.raises(JournalError, match="started over"):
        sender.journal.take([], 5, 6)  # by an agent that has not noticed
    sender.restart()
    assert sender.journal.position == 0
    sender.take(5)
    sender.settle()
    sender.expect_each_once(5)


def test_another_chain_than_ones_own_is_not_filled_again(
    sender: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SUBMIT_KEPT_MAX", 2)
    sender.local = False
    sender.restart()
    sender.take(5)
    sender.settle()
    sender.chain.wipe()
    with pytest.raises(ChainError, match="lost its past"):
        sender.sender.step()
    assert sender.journal.position == 5


def test_fees_rise_until_a_block_takes_them(sender: Living) -> None:
    sender.take(1)
    sender.settle()
    sender.take(1)
    sender.sender.step()
    cheap = sender.chain.pool[2]
    sender.chain.base_fee_wei = cheap.fee_wei + GWEI
    for _ in range(limits.CHAIN_BUMP_BLOCKS):
        sender.chain.mine()
        sender.sender.step()
    dearer = sender.chain.pool[2]
    assert dearer.data == cheap.data
    assert dearer.fee_wei >= cheap.fee_wei * 1.1
    assert dearer.tip_wei >= cheap.tip_wei * 1.1
    sender.settle()
    sender.expect_each_once(2)


def test_never_pays_more_than_the_limit(sender: Living) -> None:
    sender.chain.base_fee_wei = 2 * limits.FEE_WEI_MAX
    sender.take(1)
    for _ in range(20):
        sender.sender.step()
        sender.clock.advance_ms(limits.CHAIN_RESEND_MS)
        sender.chain.mine()
    assert sender.chain.mined() == []
    assert len(sender.journal.entries(0)[0].attempts) == 1
    sender.chain.base_fee_wei = GWEI
    sender.settle()
    sender.expect_each_once(1)


def test_a_nonce_that_somebody_else_used_costs_nothing(sender: Living) -> None:
    sender.take(1)
    sender.settle()
    sender.take(2)
    sender.sender.step()
    sender.chain.spend_nonce(b"something else")
    sender.sender.step()
    sender.clock.advance_ms(limits.CHAIN_MISSING_MS)
    sender.settle()
    sender.chain.blocks = [one for one in sender.chain.blocks if one.hash != one.transactions]
    on_chain = [one.data for one in sender.chain.mined() if one.to == CONTRACT]
    assert len(on_chain) == len(set(on_chain)) == 4  # three epochs and the stranger's


def test_what_is_certified_already_is_not_paid_for(sender: Living) -> None:
    sender.take(2)
    sender.settle()
    sender.journal.start_over()
    sender.restart()
    before = sender.chain.nonce()
    sender.take(2)
    sender.settle()
    assert sender.chain.nonce() == before


def test_gaps_are_filled(sender: Living) -> None:
    sender.take(3)
    sender.settle()
    sender.take(1)
    sender.sender.step()
    sender.chain.pool.clear()
    with closing(sqlite3.connect(sender.path)) as db, db:  # as if a stranger had sent number 3
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("DELETE FROM entries WHERE nonce = 3")
    sender.chain.reorganise(len(sender.chain.blocks) - 1)
    sender.settle()
    no_ops = [one for one in sender.chain.mined() if one.to == address_of(OPERATOR)]
    assert [one.nonce for one in no_ops] == [3]


def test_no_more_in_flight_than_allowed(sender: Living) -> None:
    sender.take(40)
    sender.sender.step()
    sender.chain.mine()
    for _ in range(3):
        sender.sender.step()
    assert len(sender.chain.pool) == limits.SUBMIT_IN_FLIGHT_MAX
    sender.settle()
    sender.expect_each_once(40)


def test_an_empty_account_waits_for_money(sender: Living) -> None:
    sender.local = False
    sender.restart()
    sender.chain.balance_wei = 0
    sender.take(1)
    for _ in range(5):
        sender.sender.step()
        sender.clock.advance_ms(limits.CHAIN_RESEND_MS)
        sender.chain.mine()
    assert len(sender.journal.entries(0)) == 1  # the deployment; not bumped, not given up
    assert len(sender.journal.entries(0)[0].attempts) == 1
    sender.chain.balance_wei = 10**21
    sender.settle()
    sender.expect_each_once(1)


def test_commitments_for_another_contract_are_left_alone(certify: Certify) -> None:
    assert calls_of([certify(Domain(CHAIN_ID, bytes(20)), 1)], DEPLOYMENT, BOUND) == []


def made_sender(journal: Journal, deployment: Deployment, chain: ForgetfulChain) -> Sender:
    """Of a chain that is not this machine's own."""
    url = "https://user:secret@chain/key"
    settings = ChainSettings(url, deployment.chain_id, local=False, confirmations=1)
    return Sender(settings, journal, OPERATOR, ManualClock(), deployment, chain)


def test_refuses_the_wrong_chain(journal: Journal) -> None:
    elsewhere = Deployment(1, CONTRACT, b"", keccak(CODE))
    sender = made_sender(journal, elsewhere, ForgetfulChain(CONTRACT))
    with pytest.raises(ChainError, match=f"is chain {CHAIN_ID}"):
        sender.step()


def test_a_given_contract_has_to_be_there(journal: Journal) -> None:
    given = Deployment(CHAIN_ID, CONTRACT, b"", keccak(CODE))
    sender = made_sender(journal, given, ForgetfulChain(CONTRACT))
    sender.step()
    assert "there is no contract" in str(sender.trouble)


def test_no_contract_is_paid_for_unasked(journal: Journal) -> None:
    chain = ForgetfulChain(CONTRACT)
    sender = made_sender(journal, DEPLOYMENT, chain)
    sender.step()
    assert "deploy_contract = true" in str(sender.trouble)
    assert chain.pool == {}


def test_shows_no_secret_of_the_chains_address() -> None:
    assert host_of("https://user:secret@chain:8545/key?secret") == "chain:8545"


def test_one_sender_a_key(sender: Living) -> None:
    with pytest.raises(JournalError, match="another process sends"):
        Journal(sender.path, address_of(OPERATOR))


def test_another_key_does_not_continue_a_journal(sender: Living) -> None:
    sender.journal.close()
    with pytest.raises(JournalError, match="holds the nonces of"):
        Journal(sender.path, bytes(20))
