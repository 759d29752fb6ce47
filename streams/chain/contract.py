"""The contract's calls, from and to bytes (`contracts/w3bstream.vy`)."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import encode as abi_encode
from web3 import Web3
from web3.contract import Contract

from streams.commitments import Checkpoint, Commitment

_ARTIFACT: Final = Path(__file__).parent / "contracts" / "w3bstream.json"


@dataclass(frozen=True, slots=True)
class CertifiedEpoch:
    """An epoch that the chain has certified, and what that cost."""

    dapp: str
    epoch: int
    digest: bytes
    claims_root: bytes
    claims: int
    block: int
    transaction: bytes
    gas_used: int


class W3bStreamContract:
    """The contract at one address.

    Raises (all calls to the chain):
        web3.exceptions.Web3Exception: the chain refused; ContractLogicError carries why.
        requests.RequestException: the chain is away.
    """

    def __init__(self, web3: Web3, address: bytes) -> None:
        self._web3 = web3
        self.bound = _bound(web3, address)

    def submit_data(self, commitment: Commitment) -> bytes:
        """The call data of ``submit``."""
        signatures = [one.signature for one in commitment.signatures]
        data = self.bound.encode_abi("submit", args=[astuple(commitment.checkpoint), signatures])
        return bytes.fromhex(data[2:])

    def would_certify(self, data: bytes, sender: bytes) -> bool:
        """Whether this call of ``submit`` would certify a new epoch; raises if it would fail."""
        answer = self._web3.eth.call(
            {"from": Web3.to_checksum_address(sender), "to": self.bound.address, "data": data}
        )
        return int.from_bytes(answer, "big") == 1

    def certified_digest(self, dapp: str, epoch: int) -> bytes | None:
        """The digest that is certified for an epoch; None if none is."""
        digest = bytes(self.bound.functions.certified_digest(dapp, epoch).call())
        return digest if any(digest) else None

    def latest_epoch(self, dapp: str) -> int:
        """The greatest certified epoch of a Dapp; 0 if there is none."""
        return int(self.bound.functions.latest_epoch(dapp).call())

    def authorities(self) -> list[bytes]:
        """Who signs, 20 bytes each."""
        given = self.bound.functions.authorities().call()
        return [bytes.fromhex(one[2:]) for one in given]

    def claim_included(
        self,
        checkpoint: Checkpoint,
        claim: tuple[int, int, bytes, bytes, bytes],
        siblings: Sequence[bytes],
        partition_siblings: Sequence[bytes],
    ) -> bool:
        """Whether the contract accepts a claim's proof.

        Args:
            checkpoint: the claim's epoch, as it was signed.
            claim: partition, index, salt (16 bytes), subject, statement.
            siblings: from the claim's leaf to its partition's claims root.
            partition_siblings: from the partition's leaf to the checkpoint's claims root.
        """
        call = self._claim_call(checkpoint, claim, siblings, partition_siblings)
        return bool(call.call())

    def claim_gas(
        self,
        checkpoint: Checkpoint,
        claim: tuple[int, int, bytes, bytes, bytes],
        siblings: Sequence[bytes],
        partition_siblings: Sequence[bytes],
    ) -> int:
        """What `claim_included` would cost as a transaction of its own, in gas."""
        call = self._claim_call(checkpoint, claim, siblings, partition_siblings)
        return int(call.estimate_gas())

    def certified_epochs(
        self, dapp: str | None = None, from_block: int = 0
    ) -> list[CertifiedEpoch]:
        """All epochs that the chain has certified, with their gas, in the chain's order."""
        filters = {} if dapp is None else {"dapp_hash": Web3.keccak(text=dapp)}
        logs = self.bound.events.EpochCertified().get_logs(
            argument_filters=filters, from_block=from_block
        )
        return [
            CertifiedEpoch(
                dapp=one["args"]["dapp"],
                epoch=one["args"]["epoch"],
                digest=bytes(one["args"]["digest"]),
                claims_root=bytes(one["args"]["claims_root"]),
                claims=one["args"]["claims"],
                block=one["blockNumber"],
                transaction=bytes(one["transactionHash"]),
                gas_used=self._web3.eth.get_transaction_receipt(one["transactionHash"])["gasUsed"],
            )
            for one in logs
        ]

    def _claim_call(
        self,
        checkpoint: Checkpoint,
        claim: tuple[int, int, bytes, bytes, bytes],
        siblings: Sequence[bytes],
        partition_siblings: Sequence[bytes],
    ) -> Any:
        return self.bound.functions.claim_included(
            astuple(checkpoint), claim, list(siblings), list(partition_siblings)
        )


def creation_code(owner: bytes, authorities: Sequence[bytes], threshold: int) -> bytes:
    """What makes the contract: its code and the constructor's arguments.

    Args:
        owner: who may change the authorities, 20 bytes.
        authorities: who signs, 20 bytes each, in ascending order.
        threshold: how many of them have to.
    """
    arguments = abi_encode(
        ("address", "address[]", "uint256"), (owner, list(authorities), threshold)
    )
    return bytes.fromhex(_artifact()["bytecode"][2:]) + arguments


def code_hash() -> bytes:
    """Keccak-256 of the code that lies at the contract's address."""
    return bytes.fromhex(_artifact()["code_hash"][2:])


@cache
def _artifact() -> dict[str, Any]:
    artifact: dict[str, Any] = json.loads(_ARTIFACT.read_text())
    return artifact


def _bound(web3: Web3, address: bytes) -> Contract:
    return web3.eth.contract(address=Web3.to_checksum_address(address), abi=_artifact()["abi"])
