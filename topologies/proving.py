"""A claim's proof: put together from what the node stored, and shown to the contract.

The claims come from ClickHouse, not from topic ``claims.<dapp>``: the table is ordered by epoch,
partition and index, so one partition's claims are one small range, where the topic would have to
be read from its start. Nothing is believed for that: the rows have to make up the root that the
authorities signed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.commitments import CommitmentError, decode_commitment
from streams.consensus import merkle
from streams.consensus.merkle import Claim
from streams.consensus.proof_file import ProofFile
from streams.database.server import Server

if TYPE_CHECKING:
    from streams.chain.contract import CertifiedEpoch

_COMMITTED: Final = """
SELECT body FROM commitments WHERE dapp = {dapp:String} AND epoch = {epoch:UInt64} LIMIT 1
"""
_ROOTS: Final = """
SELECT toString(claims_root) FROM summaries
WHERE dapp = {dapp:String} AND epoch = {epoch:UInt64} ORDER BY epoch_partition
"""
_CLAIMS: Final = """
SELECT `index`, hex(salt), hex(subject), hex(statement) FROM claims
WHERE dapp = {dapp:String} AND epoch = {epoch:UInt64} AND `partition` = {partition:UInt32}
ORDER BY `index`
"""
_NEWEST: Final = """
SELECT epoch, `partition`, `index` FROM claims
WHERE dapp = {dapp:String} AND subject = {subject:String}
  AND epoch IN (SELECT epoch FROM commitments WHERE dapp = {dapp:String})
ORDER BY epoch DESC, `index` DESC LIMIT 1
"""
_ANY: Final = """
SELECT max(epoch) FROM claims WHERE dapp = {dapp:String} AND subject = {subject:String}
HAVING count() > 0
"""


class NoProof(LookupError):
    """There is no such proof (yet); says why and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a claim is."""

    epoch: int
    partition: int
    index: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the contract says of a proof; ``reason`` is empty where it accepts.

    ``check_gas`` is what the check would cost in a transaction of its own; 0 where refused.
    """

    accepted: bool
    reason: str
    check_gas: int = 0


def newest_claim(server: Server, dapp: str, subject: str) -> Place:
    """The newest claim about a subject whose epoch is certified.

    Raises:
        NoProof: there is none.
        DatabaseError: ClickHouse does not answer.
    """
    found = server.rows(_NEWEST, {"dapp": dapp, "subject": subject})
    if found:
        return Place(*map(int, found[0]))
    waiting = server.rows(_ANY, {"dapp": dapp, "subject": subject})
    if waiting:
        raise NoProof(
            f"the claims of {dapp} about {subject} are of epoch {waiting[0][0]}, which is not "
            "certified yet: try again in a few seconds"
        )
    raise NoProof(f"{dapp} has made no claim about {subject}: is the subject spelled as in claims?")


def make_proof(server: Server, dapp: str, place: Place) -> ProofFile:
    """The proof of the claim at a place.

    Raises:
        NoProof: no such claim, its epoch is not certified, or rows are still on their way.
        DatabaseError: ClickHouse does not answer.
    """
    epoch = {"dapp": dapp, "epoch": place.epoch}
    committed = server.rows(_COMMITTED, epoch)
    if not committed:
        raise NoProof(f"epoch {place.epoch} of {dapp} is not certified (yet): see `w3b status`")
    try:
        commitment = decode_commitment(str(committed[0][0]).encode())
    except CommitmentError as error:
        raise NoProof(f"the commitment of epoch {place.epoch} is damaged: {error}") from error
    checkpoint = commitment.checkpoint
    roots = [bytes.fromhex(root) for (root,) in server.rows(_ROOTS, epoch)]
    claims = [
        Claim(dapp, place.epoch, place.partition, int(index), *map(bytes.fromhex, texts))
        for index, *texts in server.rows(_CLAIMS, {**epoch, "partition": place.partition})
    ]
    if place.partition >= checkpoint.partitions or place.index >= len(claims):
        raise NoProof(
            f"{dapp} has {len(claims)} claims in epoch {place.epoch}, partition {place.partition}: "
            f"there is no claim {place.index} (claims count from 0)"
        )
    try:
        proof = ProofFile(commitment.domain, checkpoint, merkle.prove(claims, place.index, roots))
    except (ValueError, IndexError) as error:
        raise _incomplete(place, error) from error
    if not proof.leads_to_checkpoint():
        raise _incomplete(place, "the partitions' roots do not make up the certified one")
    return proof


def _incomplete(place: Place, why: object) -> NoProof:
    return NoProof(
        f"what is stored of epoch {place.epoch} is not complete: {why}; if ClickHouse was away, "
        "rows are on their way: try again in a few seconds"
    )


def show_to_contract(rpc_url: str, contract: bytes, file: ProofFile) -> Verdict:
    """Ask the contract.

    Args:
        rpc_url: the chain's.
        contract: whose word counts: never the file's own.

    Raises:
        requests.RequestException, Web3Exception: the chain does not answer.
    """
    from web3 import Web3

    from streams.chain.contract import W3bStreamContract
    from streams.chain.rpc import http_provider

    web3 = Web3(http_provider(rpc_url))
    if file.domain.chain_id != web3.eth.chain_id or file.domain.contract != contract:
        return Verdict(
            False,
            f"it is for contract 0x{file.domain.contract.hex()} on chain {file.domain.chain_id}, "
            f"not for 0x{contract.hex()} on chain {web3.eth.chain_id}",
        )
    bound = W3bStreamContract(web3, contract)
    checkpoint, claim = file.checkpoint, file.proof.claim
    question = (
        checkpoint,
        (claim.partition, claim.index, claim.salt, claim.subject, claim.statement),
        file.proof.siblings,
        file.proof.partition_siblings,
    )
    if bound.claim_included(*question):
        return Verdict(True, "", bound.claim_gas(*question))
    certified = bound.certified_digest(checkpoint.dapp, checkpoint.epoch)
    if certified is None:
        latest = bound.latest_epoch(checkpoint.dapp)
        return Verdict(
            False,
            f"epoch {checkpoint.epoch} of {checkpoint.dapp} is not certified on this chain "
            f"(the latest is {latest})",
        )
    if certified != checkpoint.digest(file.domain):
        return Verdict(False, "its checkpoint is not the one that was certified")
    return Verdict(False, "its claim and paths do not lead to the certified claims root")


def certified_epochs(rpc_url: str, contract: bytes, dapp: str) -> "list[CertifiedEpoch]":
    """The epochs of a Dapp that the chain has certified; none before the contract is there.

    Raises:
        requests.RequestException, Web3Exception: the chain does not answer.
    """
    from web3 import Web3

    from streams.chain.contract import W3bStreamContract
    from streams.chain.rpc import http_provider

    return W3bStreamContract(Web3(http_provider(rpc_url)), contract).certified_epochs(dapp)


def contract_of(data: Path) -> bytes:
    """The contract of the node with this data directory.

    Raises:
        DeploymentError: no node has run there.
    """
    from streams.chain.deployment import load

    return load(data / "contract.json").contract
