"""Carries out what `streams.chain.nonces.plan` decides: looks at the chain, signs, sends.

Synchronous: the work is one strict sequence (look, write the journal, send) that blocks on a disk
and on calls of up to 10 s. `streams.chain.running` gives it a thread.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3Exception
from web3.providers import BaseProvider

from streams import limits, metrics
from streams.chain import nonces
from streams.chain.certifying import Certifying, ChainError
from streams.chain.deployment import Deployment
from streams.chain.journal import Journal
from streams.chain.json_rpc import host_of
from streams.chain.nonces import ChainView, Fees, Policy
from streams.chain.refusals import Refusal, refusal
from streams.chain.requests import Outcome, Requests
from streams.chain.rpc import ChainRpc, http_provider, words
from streams.chain.transactions import Attempt, Entry, Kind, Queued, Receipt, Status
from streams.clock import Clock

log = logging.getLogger(__name__)

_NO_OP_GAS: Final = 21_000


class ChainBeganAnew(RuntimeError):
    """The local chain was wiped; topic ``proofs`` has to be read from its start again."""


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """What a sender needs to know of its chain.

    Attributes:
        rpc_url: its JSON-RPC over HTTP.
        chain_id: EIP-155's id, which it has to have.
        local: whether it is this machine's own chain: funds are made, and a chain that was wiped
            is filled again.
        confirmations: blocks after which a transaction counts as settled.
        deploys: whether a missing contract may be deployed, at the operator's cost. A local chain
            costs nothing; elsewhere somebody has to have said so.
    """

    rpc_url: str
    chain_id: int
    local: bool
    confirmations: int
    deploys: bool = False


class Sender:
    """The one sender of a key on a chain, whatever its transactions are for. For one thread.

    Args:
        settings: of the chain.
        journal: of this key on this chain.
        secret: the key, 32 bytes.
        clock: for retries.
        deployment: of the contract that commitments go to; None: this sender has none.
        provider: speaks to the chain; by default HTTP to the settings' URL.

    Raises (all steps):
        requests.RequestException, OSError: the chain is away; step again later.
    """

    def __init__(
        self,
        settings: ChainSettings,
        journal: Journal,
        secret: bytes,
        clock: Clock,
        deployment: Deployment | None = None,
        provider: BaseProvider | None = None,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._requests = Requests(journal)
        self._account: LocalAccount = Account.from_key(secret)
        self._sender = bytes.fromhex(self._account.address[2:])
        self._clock = clock
        self._chain = ChainRpc(provider or http_provider(settings.rpc_url))
        self._certifying = (
            None
            if deployment is None
            else Certifying(
                self._chain, deployment, journal, self._sender,
                may_deploy=settings.local or settings.deploys,
            )
        )  # fmt: skip
        self._policy = Policy(settings.confirmations)
        self._chain_checked = False
        self._complained: set[str] = set()
        self._named = (str(settings.chain_id), self._account.address)

    @property
    def trouble(self) -> str | None:
        """Why commitments wait though the chain answers, or None."""
        return None if self._certifying is None else self._certifying.trouble

    def step(self) -> bool:
        """One look at the chain and what follows from it; whether that got anything further.

        Raises:
            ChainError: another chain than the settings', or one that lost what it had settled.
            ChainBeganAnew: the journal has been emptied; make a new sender.
        """
        self._check_chain()
        if self._settings.local:
            self._chain.fund(self._sender)
        nonce = self._chain.nonce(self._sender)
        entries = self._journal.entries(nonce)
        view = self._look(nonce, entries)
        room = self._policy.in_flight_max
        queue = self._journal.queued(view.now_ms, room, commitments=view.deployed)
        actions = nonces.plan(entries, queue, self._journal.kept_from(), view, self._policy)
        for action in actions:
            self._do(action, view)
        self._journal.prune(limits.SUBMIT_KEPT_MAX)
        self._requests.prune(view.now_ms - limits.REQUEST_KEPT_MS)
        metrics.SUBMIT_CHAIN_UP.labels(*self._named).set(1)
        metrics.SUBMIT_HEAD.labels(*self._named).set(view.head)
        return not all(isinstance(one, nonces.Broadcast | nonces.Missing) for one in actions)

    # --- looking ---------------------------------------------------------------------------------

    def _check_chain(self) -> None:
        if self._chain_checked:
            return
        found = self._chain.chain_id()
        if found != self._settings.chain_id:
            raise ChainError(
                f"{host_of(self._settings.rpc_url)} is chain {found}, this node's contract or "
                f"setting is of chain {self._settings.chain_id}: correct chain_rpc_url or "
                "chain_rpc_urls, or use another data directory"
            )
        self._chain_checked = True

    def _look(self, nonce: int, entries: Sequence[Entry]) -> ChainView:
        head, fees = self._chain.head()
        asked = [
            attempt.hash
            for entry in entries
            if entry.nonce < nonce and entry.status is not Status.CONFIRMED
            for attempt in entry.attempts
        ]
        found = ((one, self._chain.receipt(one)) for one in asked)
        return ChainView(
            head=head,
            nonce=nonce,
            fees=fees.capped(),
            receipts={one: receipt for one, receipt in found if receipt is not None},
            deployed=self._certifying is not None and self._certifying.is_deployed(entries),
            now_ms=self._clock.now_ms(),
        )

    # --- doing -----------------------------------------------------------------------------------

    def _do(self, action: nonces.Action, view: ChainView) -> None:
        match action:
            case nonces.Mined(entry, receipt):
                self._journal.mined(entry.nonce, receipt)
                self._count(entry, "mined" if receipt.succeeded else "reverted")
            case nonces.Confirmed(entry):
                self._confirm(entry, view)
            case nonces.Unmined(entry):
                log.warning("the chain lost transaction %d: sending it again", entry.nonce)
                self._journal.unmined(entry.nonce)
                metrics.SUBMIT_TRANSACTIONS.labels("unmined").inc()
            case nonces.Missing(entry, since_ms):
                self._journal.missing(entry.nonce, since_ms)
            case nonces.Displaced(entry):
                log.error("nonce %d was used by another sender of this key", entry.nonce)
                with self._journal.change():
                    self._journal.displaced(entry)
                    if entry.request is not None:
                        self._requests.settle(entry.request, _displaced(entry))
                self._count(entry, "displaced")
            case nonces.Broadcast(entry):
                self._broadcast(entry, entry.attempts[-1], view)
            case nonces.Bump(entry, fees):
                self._bump(entry, fees, view)
            case nonces.FillGap(nonce):
                metrics.SUBMIT_TRANSACTIONS.labels("gap_filled").inc()
                self._sign_and_send(nonce, self._no_op(), _NO_OP_GAS, view)
            case nonces.Send(call):
                self._send(call, view)
            case nonces.StartOver(nonce):
                self._start_over(nonce)

    def _send(self, call: Queued, view: ChainView) -> None:
        """Try the call; if it does something, give it a nonce and send it."""
        try:
            if call.kind is Kind.SUBMIT and not self._would_certify(call):
                self._journal.drop(call)
                metrics.SUBMIT_COMMITMENTS.labels(call.dapp, "certified_before").inc()
                return
            gas = self._chain.gas(self._sender, call)
        except Web3Exception as error:
            self._refused(call, words(error), isinstance(error, ContractLogicError), view)
            return
        nonce = max(view.nonce, self._journal.next_nonce())
        self._sign_and_send(nonce, call, gas + gas // 4, view)

    def _would_certify(self, call: Queued) -> bool:
        assert self._certifying is not None, "only its sender plans a commitment"
        return self._certifying.would_certify(call)

    def _refused(self, call: Queued, reason: str, certain: bool, view: ChainView) -> None:
        """A trial run failed. The contract's refusal of a commitment may end (its authorities
        change …), an empty account may be filled: nothing is lost by waiting. A program's call
        that reverts is over, and one that waited too long."""
        if call.request is not None:
            waited = view.now_ms - self._requests.taken_ms(call.request)
            if certain or waited > limits.REQUEST_WAIT_MS:
                self._requests.refuse(call, reason)
                return
            self._complain(f"{call.dapp}: transaction 0x{call.request.hex()} waits: {reason}")
        else:
            self._complain(f"{call.dapp} epoch {call.epoch} cannot be submitted: {reason}")
            metrics.SUBMIT_COMMITMENTS.labels(call.dapp, "refused").inc()
        later = certain and call.request is None
        retry_ms = limits.SUBMIT_RETRY_MS if later else limits.CHAIN_RESEND_MS
        self._journal.postpone(call, view.now_ms + retry_ms, reason)

    def _sign_and_send(self, nonce: int, call: Queued, gas_max: int, view: ChainView) -> None:
        entry = Entry(
            nonce, call.kind, call.dapp, call.epoch, call.target, call.data, gas_max,
            Status.PENDING, value_wei=call.value_wei, request=call.request,
        )  # fmt: skip
        attempt = self._signed(entry, view.fees, view)
        self._journal.sign(entry, attempt, call if call.id else None)
        metrics.SUBMIT_TRANSACTIONS.labels("signed").inc()
        self._count(entry, "sent")
        self._broadcast(entry, attempt, view)

    def _bump(self, entry: Entry, fees: Fees, view: ChainView) -> None:
        attempt = self._signed(entry, fees, view)
        self._journal.add_attempt(entry.nonce, attempt)
        metrics.SUBMIT_TRANSACTIONS.labels("bumped").inc()
        self._broadcast(entry, attempt, view)

    def _signed(self, entry: Entry, fees: Fees, view: ChainView) -> Attempt:
        assert entry.data is not None, "a transaction whose call is no longer kept"
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": self._settings.chain_id,
                "nonce": entry.nonce,
                "to": Web3.to_checksum_address(entry.target),
                "value": entry.value_wei,
                "data": entry.data,
                "gas": entry.gas_max,
                "maxFeePerGas": fees.fee_wei,
                "maxPriorityFeePerGas": fees.tip_wei,
            }
        )
        return Attempt(
            bytes(signed.hash), bytes(signed.raw_transaction), fees.fee_wei, fees.tip_wei, view.head
        )

    def _broadcast(self, entry: Entry, attempt: Attempt, view: ChainView) -> None:
        metrics.SUBMIT_TRANSACTIONS.labels(
            "sent" if attempt.sent_ms is None else "sent_again"
        ).inc()
        try:
            self._chain.send(attempt.raw)
        except Web3Exception as error:
            why = refusal(words(error))
            metrics.SUBMIT_ERRORS.labels(why).inc()
            if why in (Refusal.NO_FUNDS, Refusal.UNKNOWN):
                self._complain(f"transaction {entry.nonce} was not taken: {words(error)}")
            if why is Refusal.NO_FUNDS:
                return  # not sent, so a higher fee is not what it lacks
            if why is Refusal.UNDERPRICED:
                self._bump_refused(entry, attempt, view)
                return
        self._journal.sent(attempt, view.now_ms)

    def _bump_refused(self, entry: Entry, attempt: Attempt, view: ChainView) -> None:
        """The pool has another transaction of this nonce, or the fee is below the block's."""
        wanted = view.fees.at_least(Fees(attempt.fee_wei, attempt.tip_wei)).capped()
        if wanted.fee_wei <= attempt.fee_wei:
            self._complain(f"transaction {entry.nonce} waits: its fee is at the limit")
            self._journal.sent(attempt, view.now_ms)
            return
        self._journal.add_attempt(entry.nonce, self._signed(entry, wanted, view))
        metrics.SUBMIT_TRANSACTIONS.labels("bumped").inc()

    def _confirm(self, entry: Entry, view: ChainView) -> None:
        receipt = next(
            (view.receipts[one.hash] for one in entry.attempts if one.hash in view.receipts),
            entry.receipt,
        )
        with self._journal.change():
            self._journal.confirmed(entry.nonce)
            if entry.request is not None:
                self._requests.settle(entry.request, _outcome(entry, receipt, view))
        if receipt is not None and not receipt.succeeded:
            if entry.kind is Kind.SUBMIT:
                self._journal.retry_reverted(entry, view.now_ms + limits.SUBMIT_RETRY_MS)
            log.error("transaction %d (%s) failed on chain", entry.nonce, entry.kind)
        elif entry.kind is Kind.SUBMIT:
            self._count(entry, "confirmed")
            metrics.SUBMIT_EPOCH.labels(entry.dapp).set(entry.epoch)

    def _start_over(self, nonce: int) -> None:
        if not self._settings.local:
            raise ChainError(
                f"{host_of(self._settings.rpc_url)} knows {nonce} transactions of this node, fewer "
                "than were settled long ago: it lost its past, or is another chain; not sending"
            )
        log.warning("the local chain begins anew: submitting all commitments again")
        self._journal.start_over()
        raise ChainBeganAnew("the local chain was wiped: reading topic proofs from its start again")

    def _no_op(self) -> Queued:
        return Queued(Kind.NO_OP, "", 0, self._sender, b"")

    def _count(self, entry: Entry, outcome: str) -> None:
        if entry.kind is Kind.SUBMIT:
            metrics.SUBMIT_COMMITMENTS.labels(entry.dapp, outcome).inc()

    def _complain(self, text: str) -> None:
        if text not in self._complained:  # a fault that lasts is told once
            self._complained.add(text)
            log.error("%s", text)


def _outcome(entry: Entry, receipt: Receipt | None, view: ChainView) -> Outcome:
    """What became of a settled entry; its hash is that of the attempt that was mined."""
    mined = next((one for one in entry.attempts if one.hash in view.receipts), entry.attempts[-1])
    if receipt is None:
        return Outcome("confirmed", mined.hash)
    status = "confirmed" if receipt.succeeded else "reverted"
    return Outcome(status, mined.hash, receipt.block, receipt.block_hash, receipt.gas_used)


def _displaced(entry: Entry) -> Outcome:
    reason = f"its nonce, {entry.nonce}, was used by another sender of the operator's key"
    return Outcome("displaced", entry.attempts[-1].hash, reason=reason)
