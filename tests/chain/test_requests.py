"""What programs ask a chain for: each id once, and its outcome told."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from streams import limits
from streams.chain.sender import ChainBeganAnew
from tests.chain.living import Living, request_of


def test_a_request_that_would_revert_is_told_and_not_sent(sender: Living) -> None:
    sender.ask(2)
    sender.chain.reverts = {request_of(0).data}
    sender.settle()
    first, second = (outcome for *_, outcome in sender.requests.untold())
    assert (first.status, second.status) == ("failed", "confirmed")
    assert "execution reverted" in first.reason
    assert request_of(0).data not in [one.data for one in sender.chain.mined()]
    sender.requests.told([request_of(0).id])
    assert [reply for _, reply, _ in sender.requests.untold()] == [b"reply 1"]


def test_a_request_waits_two_hours_for_money(sender: Living) -> None:
    sender.local = False
    sender.restart()
    sender.chain.costs_too_much = True
    sender.ask(1)
    sender.sender.step()
    assert sender.requests.untold() == []
    sender.clock.advance_ms(limits.REQUEST_WAIT_MS + 1)
    sender.sender.step()
    [(_, _, outcome)] = sender.requests.untold()
    assert outcome.status == "failed"
    assert "insufficient funds" in outcome.reason


def test_a_request_whose_nonce_was_used_elsewhere_is_not_sent_twice(sender: Living) -> None:
    sender.take(1)
    sender.settle()
    sender.ask(1)
    sender.sender.step()
    sender.chain.spend_nonce(b"something else")
    sender.sender.step()
    sender.clock.advance_ms(limits.CHAIN_MISSING_MS)
    sender.sender.step()
    assert sender.requests.untold() == []  # a node behind a balancer may not know it yet
    sender.clock.advance_ms(limits.REQUEST_MISSING_MS)
    sender.settle()
    [(_, _, outcome)] = sender.requests.untold()
    assert outcome.status == "displaced"
    assert request_of(0).data not in [one.data for one in sender.chain.mined()]


def test_requests_survive_a_wiped_chain(sender: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SUBMIT_KEPT_MAX", 2)
    sender.take(5)
    sender.settle()
    sender.ask(1)
    sender.chain.wipe()
    with pytest.raises(ChainBeganAnew):
        sender.sender.step()
    sender.restart()
    sender.settle()
    assert [one.data for one in sender.chain.mined() if one.value_wei == 0][-1] == b"request 0"
    assert len(sender.requests.untold()) == 1


def test_a_journal_of_an_older_version_is_read(sender: Living) -> None:
    sender.take(2)
    sender.settle()
    sender.journal.close()
    with closing(sqlite3.connect(sender.path)) as db, db:
        for table in ("queue", "entries"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN value_wei")
            db.execute(f"ALTER TABLE {table} DROP COLUMN request")
        db.execute("DROP TABLE requests")
    sender.start()
    assert [one.value_wei for one in sender.journal.entries(0)] == [0, 0, 0]
    sender.ask(1)
    sender.settle()
    assert len(sender.requests.untold()) == 1


def test_a_dapp_that_asks_for_much_holds_up_no_other(sender: Living) -> None:
    greedy = [request_of(number) for number in range(40)]
    modest = replace(request_of(40), dapp="modest")
    sender.requests.take([*greedy, modest], sender.clock.now_ms())
    sender.sender.step()
    assert modest.data in [one.data for one in sender.chain.pool.values()]


def test_no_more_of_a_dapps_requests_wait_than_may(
    sender: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUESTS_QUEUED_MAX", 2)
    sender.ask(3)
    [(_, reply, outcome)] = sender.requests.untold()
    assert (reply, outcome.status) == (b"reply 2", "failed")
    assert "wait already" in outcome.reason
