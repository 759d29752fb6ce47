"""Carries out what `streams.chain.nonces.plan` decides: looks at the chain, signs, sends.

Synchronous: the work is one strict sequence (look, write the journal, send) that blocks on a disk
and on calls of up to 10 s. `streams.chain.submit` gives it a thread.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3Exception
from web3.providers import BaseProvider

from streams import limits, metrics
from streams.chain import nonces
from streams.chain.contract import W3bStreamContract
from streams.chain.deployment import FACTORY, Deployment
from streams.chain.journal import Journal
from streams.chain.nonces import ChainView, Fees, Policy
from streams.chain.refusals import Refusal, refusal
from streams.chain.rpc import ChainRpc, host_of, http_provider, words
from streams.chain.transactions import Attempt, Entry, Kind, Queued, Status
from streams.clock import Clock
from streams.commitments import Commitment

log = logging.getLogger(__name__)

_NO_OP_GAS: Final = 21_000


class ChainError(RuntimeError):
    """The chain is not the one that this node is set up for; says what to do."""


class ChainBeganAnew(RuntimeError):
    """The local chain was wiped; topic ``proofs`` has to be read from its start again."""


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """What a submitter needs to know of its chain.

    Attributes:
        rpc_url: its JSON-RPC over HTTP.
        local: whether it is this machine's own chain: funds are made, and a chain that was wiped
            is filled again.
        confirmations: blocks after which a transaction counts as settled.
        deploys: whether a missing contract may be deployed, at the operator's cost. A local chain
            costs nothing; elsewhere somebody has to have said so.
    """

    rpc_url: str
    local: bool
    confirmations: int
    deploys: bool = False


class Submitter:
    """The one sender of a key on a chain. Not for several threads but `take`.

    Args:
        settings: of the chain.
        deployment: of the contract.
        journal: of this key on this chain.
        secret: the key, 32 bytes.
        clock: for retries.
        provider: speaks to the chain; by default HTTP to the settings' URL.

    Raises (all steps):
        requests.RequestException, OSError: the chain is away; step again later.
    """

    def __init__(
        self,
        settings: ChainSettings,
        deployment: Deployment,
        journal: Journal,
        secret: bytes,
        clock: Clock,
        provider: BaseProvider | None = None,
    ) -> None:
        self._settings = settings
        self._deployment = deployment
        self._journal = journal
        self._account: LocalAccount = Account.from_key(secret)
        self._sender = bytes.fromhex(self._account.address[2:])
        self._clock = clock
        self._chain = ChainRpc(provider or http_provider(settings.rpc_url))
        self._contract = W3bStreamContract(self._chain.web3, deployment.contract)
        self._policy = Policy(settings.confirmations)
        self._chain_checked = False
        self._complained: set[str] = set()

    def take(self, commitments: Iterable[Commitment], after: int, position: int) -> None:
        """Queue commitments, durably. For any thread.

        Args:
            commitments: what topic ``proofs`` has between the two offsets.
            after: the journal's position before.
            position: and behind them.

        Raises:
            JournalError: the journal's position is another: it has started over.
        """
        calls = []
        for one in commitments:
            if one.domain != self._deployment.domain():
                metrics.SUBMIT_COMMITMENTS.labels(one.checkpoint.dapp, "other_contract").inc()
                self._complain(
                    f"{one.checkpoint.dapp} epoch {one.checkpoint.epoch} was signed for contract "
                    f"0x{one.domain.contract.hex()} on chain {one.domain.chain_id}: not submitted"
                )
                continue
            metrics.SUBMIT_COMMITMENTS.labels(one.checkpoint.dapp, "taken").inc()
            calls.append(
                Queued(
                    Kind.SUBMIT,
                    one.checkpoint.dapp,
                    one.checkpoint.epoch,
                    self._deployment.contract,
                    self._contract.submit_data(one),
                )
            )
        self._journal.take(calls, after, position)

    def step(self) -> bool:
        """One look at the chain and what follows from it; whether that got anything further.

        Raises:
            ChainError: another chain than the deployment's, or one that lost what it had settled.
            ChainBeganAnew: the journal has been emptied; make a new submitter.
        """
        self._check_chain()
        if self._settings.local:
            self._chain.fund(self._sender)
        nonce = self._chain.nonce(self._sender)
        entries = self._journal.entries(nonce)
        view = self._look(nonce, entries)
        self._deploy_if_absent(view, entries)
        room = self._policy.in_flight_max
        queue = self._journal.queued(view.now_ms, room)
        actions = nonces.plan(entries, queue, self._journal.kept_from(), view, self._policy)
        for action in actions:
            self._do(action, view)
        self._journal.prune(limits.SUBMIT_KEPT_MAX)
        metrics.SUBMIT_CHAIN_UP.set(1)
        metrics.SUBMIT_HEAD.set(view.head)
        return not all(isinstance(one, nonces.Broadcast | nonces.Missing) for one in actions)

    # --- looking ---------------------------------------------------------------------------------

    def _check_chain(self) -> None:
        if self._chain_checked:
            return
        found = self._chain.chain_id()
        if found != self._deployment.chain_id:
            raise ChainError(
                f"{host_of(self._settings.rpc_url)} is chain {found}, this node's contract is on "
                f"chain {self._deployment.chain_id}: correct chain_rpc_url, or use another data "
                "directory"
            )
        self._chain_checked = True

    def _look(self, nonce: int, entries: Sequence[Entry]) -> ChainView:
        head, fees = self._chain.head()
        code_hash = self._chain.code_hash(self._deployment.contract)
        if code_hash not in (None, self._deployment.code_hash):
            raise ChainError(
                f"the code at 0x{self._deployment.contract.hex()} is not the W3bStream contract "
                "of this version: correct contract_address"
            )
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
            deployed=code_hash is not None,
            now_ms=self._clock.now_ms(),
        )

    def _deploy_if_absent(self, view: ChainView, entries: Sequence[Entry]) -> None:
        if view.deployed:
            return
        if not self._deployment.creation_code:
            raise ChainError(
                f"there is no contract at 0x{self._deployment.contract.hex()} on chain "
                f"{self._deployment.chain_id}: correct contract_address"
            )
        if not (self._settings.local or self._settings.deploys):
            raise ChainError(
                f"there is no contract yet on chain {self._deployment.chain_id}: give "
                "contract_address, or set deploy_contract = true to have the operator "
                f"{self._account.address} pay for its deployment"
            )
        sent = any(entry.kind is Kind.DEPLOY for entry in entries)
        if sent or self._journal.deployment_queued():
            return
        log.warning(
            "no contract at 0x%s on chain %d: deploying it",
            self._deployment.contract.hex(), self._deployment.chain_id,
        )  # fmt: skip
        self._journal.enqueue(Queued(Kind.DEPLOY, "", 0, FACTORY, self._deployment.deploy_data()))

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
                self._journal.displaced(entry)
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
            if call.kind is Kind.SUBMIT and not self._contract.would_certify(
                call.data, self._sender
            ):
                self._journal.drop(call)
                metrics.SUBMIT_COMMITMENTS.labels(call.dapp, "certified_before").inc()
                return
            gas = self._chain.gas(self._sender, call)
        except Web3Exception as error:
            # The contract says no (its authorities changed, the epoch is certified otherwise …),
            # or the account is empty: nothing is lost by waiting.
            reason = words(error)
            certain = isinstance(error, ContractLogicError)
            self._complain(f"{call.dapp} epoch {call.epoch} cannot be submitted: {reason}")
            retry_ms = limits.SUBMIT_RETRY_MS if certain else limits.CHAIN_RESEND_MS
            self._journal.postpone(call, view.now_ms + retry_ms, reason)
            metrics.SUBMIT_COMMITMENTS.labels(call.dapp, "refused").inc()
            return
        nonce = max(view.nonce, self._journal.next_nonce())
        self._sign_and_send(nonce, call, gas + gas // 4, view)

    def _sign_and_send(self, nonce: int, call: Queued, gas_max: int, view: ChainView) -> None:
        entry = Entry(
            nonce, call.kind, call.dapp, call.epoch, call.target, call.data, gas_max, Status.PENDING
        )
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
                "chainId": self._deployment.chain_id,
                "nonce": entry.nonce,
                "to": Web3.to_checksum_address(entry.target),
                "value": 0,
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
        self._journal.confirmed(entry.nonce)
        receipt = next(
            (view.receipts[one.hash] for one in entry.attempts if one.hash in view.receipts),
            entry.receipt,
        )
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
