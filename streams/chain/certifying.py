"""What a sender does for the W3bStream contract: it is deployed where it may be, and certified
epochs are submitted to it."""

import logging
from collections.abc import Iterable, Sequence

from streams import metrics
from streams.chain.contract import W3bStreamContract
from streams.chain.deployment import FACTORY, Deployment
from streams.chain.journal import Journal
from streams.chain.rpc import ChainRpc
from streams.chain.transactions import Entry, Kind, Queued
from streams.commitments import Commitment

log = logging.getLogger(__name__)


class ChainError(RuntimeError):
    """The chain is not the one that this node is set up for; says what to do."""


class Certifying:
    """The contract as its sender sees it. For the sender's thread.

    Args:
        chain: where it is.
        deployment: what it is.
        journal: the sender's.
        sender: who pays, 20 bytes.
        may_deploy: whether a missing contract may be deployed.

    Attributes:
        trouble: why commitments wait though the chain answers, or None.
    """

    def __init__(
        self,
        chain: ChainRpc,
        deployment: Deployment,
        journal: Journal,
        sender: bytes,
        may_deploy: bool,
    ) -> None:
        self.trouble: str | None = None
        self._chain = chain
        self._deployment = deployment
        self._journal = journal
        self._sender = sender
        self._may_deploy = may_deploy
        self._contract = W3bStreamContract(chain.web3, deployment.contract)

    def is_deployed(self, entries: Sequence[Entry]) -> bool:
        """Whether the contract is there; if it is not, its deployment is queued, or `trouble`
        says why it cannot be. Calls that do not concern the contract go on meanwhile."""
        address = f"0x{self._deployment.contract.hex()}"
        code_hash = self._chain.code_hash(self._deployment.contract)
        self.trouble = None
        if code_hash == self._deployment.code_hash:
            return True
        if code_hash is not None:
            self.trouble = (
                f"the code at {address} is not the W3bStream contract of this version: correct "
                "contract_address"
            )
        elif not self._deployment.creation_code:
            self.trouble = (
                f"there is no contract at {address} on chain {self._deployment.chain_id}: correct "
                "contract_address"
            )
        elif not self._may_deploy:
            self.trouble = (
                f"there is no contract yet on chain {self._deployment.chain_id}: give "
                "contract_address, or set deploy_contract = true to have the operator "
                f"0x{self._sender.hex()} pay for its deployment"
            )
        elif not (self._journal.deployment_queued() or _is_deploying(entries)):
            log.warning(
                "no contract at %s on chain %d: deploying it", address, self._deployment.chain_id
            )
            data = self._deployment.deploy_data()
            self._journal.enqueue(Queued(Kind.DEPLOY, "", 0, FACTORY, data))
        return False

    def would_certify(self, call: Queued) -> bool:
        """Whether a commitment's call would certify a new epoch; raises if it would fail."""
        return self._contract.would_certify(call.data, self._sender)


def calls_of(
    commitments: Iterable[Commitment], deployment: Deployment, contract: W3bStreamContract
) -> list[Queued]:
    """The calls that submit commitments; those for another contract are told and passed over."""
    calls = []
    for one in commitments:
        dapp, epoch = one.checkpoint.dapp, one.checkpoint.epoch
        if one.domain != deployment.domain():
            metrics.SUBMIT_COMMITMENTS.labels(dapp, "other_contract").inc()
            log.error(
                "%s epoch %d was signed for contract 0x%s on chain %d: not submitted",
                dapp, epoch, one.domain.contract.hex(), one.domain.chain_id,
            )  # fmt: skip
            continue
        metrics.SUBMIT_COMMITMENTS.labels(dapp, "taken").inc()
        data = contract.submit_data(one)
        calls.append(Queued(Kind.SUBMIT, dapp, epoch, deployment.contract, data))
    return calls


def _is_deploying(entries: Sequence[Entry]) -> bool:
    return any(entry.kind is Kind.DEPLOY for entry in entries)
