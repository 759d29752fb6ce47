"""The contract on a real chain: what it accepts, and everything that it must not."""

import dataclasses
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
from web3 import Web3
from web3.exceptions import ContractLogicError

from streams.chain.contract import W3bStreamContract, code_hash, creation_code
from streams.chain.deployment import FACTORY, create2_address
from streams.commitments import Checkpoint, Commitment, Domain, Signature, address_of, sign
from streams.consensus import merkle
from streams.consensus.combine import root_over
from streams.consensus.merkle import Claim, ClaimProof

pytestmark = pytest.mark.services

SECRETS = sorted((sha256(bytes([n])).digest() for n in range(4)), key=address_of)
STRANGER = sha256(b"stranger").digest()
SECP256K1_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass
class Deployed:
    """The contract, deployed for four authorities of whom three have to sign."""

    web3: Web3
    domain: Domain
    contract: W3bStreamContract
    owner: str

    def send(self, data: bytes, sender: str | None = None) -> Any:
        transaction = {
            "from": sender or self.owner,
            "to": Web3.to_checksum_address(self.domain.contract),
            "data": Web3.to_hex(data),
        }
        self.web3.eth.estimate_gas(transaction)  # raises the revert's text
        sent = self.web3.eth.send_transaction(transaction)
        return self.web3.eth.wait_for_transaction_receipt(sent, timeout=20, poll_latency=0.01)

    def certified_by(self, checkpoint: Checkpoint, signers: list[bytes]) -> Commitment:
        digest = checkpoint.digest(self.domain)
        return Commitment(checkpoint, self.domain, tuple(sign(digest, one) for one in signers))

    def submit(self, checkpoint: Checkpoint, signers: list[bytes]) -> Any:
        return self.send(self.contract.submit_data(self.certified_by(checkpoint, signers)))

    def call(self, function: str, *arguments: object, sender: str | None = None) -> Any:
        data = self.contract.bound.encode_abi(function, args=list(arguments))
        return self.send(bytes.fromhex(data[2:]), sender)


def _deploy(chain_rpc_url: str) -> Deployed:
    web3 = Web3(Web3.HTTPProvider(chain_rpc_url))
    owner = Web3.to_checksum_address(secrets.token_bytes(20))
    web3.provider.make_request("anvil_setBalance", [owner, hex(10**21)])
    web3.provider.make_request("anvil_impersonateAccount", [owner])
    code = creation_code(Web3.to_bytes(hexstr=owner), [address_of(one) for one in SECRETS], 3)
    domain = Domain(web3.eth.chain_id, create2_address(code))
    contract = W3bStreamContract(web3, domain.contract)
    made = Deployed(web3, domain, contract, owner)
    transaction = {"from": owner, "to": Web3.to_checksum_address(FACTORY), "data": bytes(32) + code}
    web3.eth.wait_for_transaction_receipt(web3.eth.send_transaction(transaction), timeout=20)
    return made


@pytest.fixture(scope="module")
def deployed(chain_rpc_url: str) -> Deployed:
    return _deploy(chain_rpc_url)


def test_is_deployed_where_it_was_expected(deployed: Deployed) -> None:
    address = Web3.to_checksum_address(deployed.domain.contract)
    assert Web3.keccak(deployed.web3.eth.get_code(address)) == code_hash()
    assert deployed.contract.authorities() == [address_of(one) for one in SECRETS]


def test_a_quorum_certifies_an_epoch(deployed: Deployed, checkpoint: Checkpoint) -> None:
    receipt = deployed.submit(checkpoint, SECRETS[:3])
    digest = checkpoint.digest(deployed.domain)
    assert deployed.contract.certified_digest(checkpoint.dapp, checkpoint.epoch) == digest
    assert deployed.contract.latest_epoch(checkpoint.dapp) == checkpoint.epoch
    [event] = deployed.contract.certified_epochs(checkpoint.dapp)
    assert (event.digest, event.claims_root) == (digest, checkpoint.claims_root)
    assert (event.epoch, event.claims) == (checkpoint.epoch, checkpoint.claims)
    assert event.gas_used == receipt["gasUsed"] < 110_000


def test_the_same_again_changes_nothing(deployed: Deployed, checkpoint: Checkpoint) -> None:
    deployed.submit(checkpoint, SECRETS[:3])
    again = deployed.certified_by(checkpoint, SECRETS[1:])
    data = deployed.contract.submit_data(again)
    assert not deployed.contract.would_certify(data, address_of(STRANGER))
    assert deployed.send(data)["logs"] == []
    assert len(deployed.contract.certified_epochs(checkpoint.dapp)) == 1


@pytest.mark.parametrize(
    "field",
    [one.name for one in dataclasses.fields(Checkpoint) if one.name not in ("dapp", "epoch")],
)
def test_an_epoch_is_certified_once(deployed: Deployed, checkpoint: Checkpoint, field: str) -> None:
    deployed.submit(checkpoint, SECRETS[:3])
    value = getattr(checkpoint, field)
    changed = sha256(value).digest() if isinstance(value, bytes) else value + 1
    other = dataclasses.replace(checkpoint, **{field: changed})
    with pytest.raises(ContractLogicError, match="certified with another checkpoint"):
        deployed.submit(other, SECRETS[:3])


def test_a_late_epoch_fills_its_place(deployed: Deployed, checkpoint: Checkpoint) -> None:
    deployed.submit(checkpoint, SECRETS[:3])
    late = dataclasses.replace(checkpoint, epoch=3)
    deployed.submit(late, SECRETS[:3])
    assert deployed.contract.certified_digest(late.dapp, 3) == late.digest(deployed.domain)
    assert deployed.contract.latest_epoch(late.dapp) == checkpoint.epoch


def test_the_first_epoch_may_be_zero(deployed: Deployed, checkpoint: Checkpoint) -> None:
    first = dataclasses.replace(checkpoint, epoch=0)
    deployed.submit(first, SECRETS[:3])
    assert deployed.contract.certified_digest(first.dapp, 0) == first.digest(deployed.domain)


@pytest.mark.parametrize(
    ("signers", "why"),
    [
        (SECRETS[:2], "too few signatures"),
        ([], "too few signatures"),
        ([SECRETS[1], SECRETS[0], SECRETS[2]], "not in ascending order"),
        ([SECRETS[0], SECRETS[0], SECRETS[1]], "not in ascending order"),
        (sorted([*SECRETS[:2], STRANGER], key=address_of), "not an authority"),
        (sorted([*SECRETS[:3], STRANGER], key=address_of), "not an authority"),
    ],
)
def test_refuses_without_a_quorum(
    deployed: Deployed, checkpoint: Checkpoint, signers: list[bytes], why: str
) -> None:
    with pytest.raises(ContractLogicError, match=why):
        deployed.submit(checkpoint, signers)
    assert deployed.contract.certified_digest(checkpoint.dapp, checkpoint.epoch) is None


def _twin(signature: bytes) -> bytes:
    """The other signature of the same message by the same key, with s in the upper half."""
    s = SECP256K1_N - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda one: bytes([one[0] ^ 1]) + one[1:], "not an authority"),
        (lambda one: one[:40] + bytes([one[40] ^ 1]) + one[41:], "not an authority"),
        (lambda one: one[:64] + bytes([55 - one[64]]), "not an authority"),
        (lambda one: one[:64] + bytes([0]), "not an authority"),
        (lambda one: one[:64], "not of 65 bytes"),
        (lambda one: b"", "not of 65 bytes"),
        (lambda one: bytes(64) + one[64:], "not an authority"),
        (_twin, "malleable"),
    ],
)
def test_refuses_a_bad_signature(
    deployed: Deployed, checkpoint: Checkpoint, spoil: Callable[[bytes], bytes], why: str
) -> None:
    good = deployed.certified_by(checkpoint, SECRETS[:3])
    first, *rest = good.signatures
    spoilt = (Signature(first.signer, spoil(first.signature)), *rest)
    data = deployed.contract.submit_data(dataclasses.replace(good, signatures=spoilt))
    with pytest.raises(ContractLogicError, match=why):
        deployed.send(data)


@pytest.mark.parametrize("wrong", ["chain_id", "contract"])
def test_refuses_signatures_for_another_place(
    deployed: Deployed, checkpoint: Checkpoint, wrong: str
) -> None:
    value = {"chain_id": deployed.domain.chain_id + 1, "contract": bytes(20)}[wrong]
    domain = dataclasses.replace(deployed.domain, **{wrong: value})
    signatures = tuple(sign(checkpoint.digest(domain), one) for one in SECRETS[:3])
    data = deployed.contract.submit_data(Commitment(checkpoint, deployed.domain, signatures))
    with pytest.raises(ContractLogicError, match="not an authority"):
        deployed.send(data)


def _claims(checkpoint: Checkpoint, counts: list[int]) -> list[list[Claim]]:
    return [
        [
            Claim(
                dapp=checkpoint.dapp,
                epoch=checkpoint.epoch,
                partition=partition,
                index=index,
                salt=sha256(b"salt %d %d" % (partition, index)).digest()[:16],
                subject=b"did:key:z6Mk%d" % index,
                statement=b'{"score":%d}' % (index % 100),
            )
            for index in range(count)
        ]
        for partition, count in enumerate(counts)
    ]


def _with_claims(
    deployed: Deployed, checkpoint: Checkpoint, claims: list[list[Claim]]
) -> tuple[Checkpoint, list[bytes]]:
    roots = [merkle.root([one.leaf() for one in part]) for part in claims]
    made = dataclasses.replace(checkpoint, partitions=len(roots), claims_root=root_over(roots))
    deployed.submit(made, SECRETS[:3])
    return made, roots


def _accepts(deployed: Deployed, checkpoint: Checkpoint, proof: ClaimProof) -> bool:
    claim = proof.claim
    return deployed.contract.claim_included(
        checkpoint,
        (claim.partition, claim.index, claim.salt, claim.subject, claim.statement),
        proof.siblings,
        proof.partition_siblings,
    )


@pytest.mark.parametrize("counts", [[1], [2], [7, 0, 1], [13, 5, 0, 8], [3, 1, 2, 0, 6]])
def test_accepts_every_claim(deployed: Deployed, checkpoint: Checkpoint, counts: list[int]) -> None:
    claims = _claims(checkpoint, counts)
    made, roots = _with_claims(deployed, checkpoint, claims)
    for part in claims:
        for index in range(len(part)):
            assert _accepts(deployed, made, merkle.prove(part, index, roots))


def test_accepts_a_claim_with_the_longest_texts(deployed: Deployed, checkpoint: Checkpoint) -> None:
    claims = _claims(checkpoint, [3])
    claims[0][1] = dataclasses.replace(claims[0][1], subject=b"s" * 256, statement=b"t" * 4096)
    claims[0][2] = dataclasses.replace(claims[0][2], subject=b"", statement=b"")
    made, roots = _with_claims(deployed, checkpoint, claims)
    assert _accepts(deployed, made, merkle.prove(claims[0], 1, roots))
    assert _accepts(deployed, made, merkle.prove(claims[0], 2, roots))


def test_knows_no_claim_of_an_epoch_that_is_not_certified(
    deployed: Deployed, checkpoint: Checkpoint
) -> None:
    claims = _claims(checkpoint, [3])
    made, roots = _with_claims(deployed, checkpoint, claims)
    proof = merkle.prove(claims[0], 1, roots)
    assert _accepts(deployed, made, proof)
    assert not _accepts(deployed, dataclasses.replace(made, epoch=made.epoch + 1), proof)


def _flipped(value: Any, random_bit: random.Random) -> Iterator[Any]:
    """The value with each of its bytes changed in turn."""
    if isinstance(value, bytes):
        for at in range(len(value)):
            yield value[:at] + bytes([value[at] ^ (1 << random_bit.randrange(8))]) + value[at + 1 :]
    elif isinstance(value, str):
        for at in range(len(value)):
            yield (
                value[:at] + chr(ord(value[at]) ^ (1 << random_bit.randrange(5))) + value[at + 1 :]
            )
    elif isinstance(value, tuple):
        for at, one in enumerate(value):
            for changed in _flipped(one, random_bit):
                yield (*value[:at], changed, *value[at + 1 :])
        for at in range(len(value)):
            yield (*value[:at], *value[at + 1 :])
    else:
        yield from (value ^ (1 << bit) for bit in range(0, 32, 8))


@pytest.mark.slow
def test_refuses_a_proof_with_any_byte_changed(deployed: Deployed, checkpoint: Checkpoint) -> None:
    claims = _claims(checkpoint, [1, 6, 2])
    made, roots = _with_claims(deployed, checkpoint, claims)
    proof = merkle.prove(claims[1], 4, roots)
    assert _accepts(deployed, made, proof)
    bits = random.Random(1)
    tried = 0
    for target in (made, proof.claim, proof):
        for field in dataclasses.fields(target):
            value = getattr(target, field.name)
            if field.name == "claim" or (target is proof.claim and field.name in ("dapp", "epoch")):
                continue  # the contract takes these two from the checkpoint
            for changed in _flipped(value, bits):
                if field.name == "partitions" and changed == 0:
                    continue
                spoilt = dataclasses.replace(target, **{field.name: changed})
                if target is made:
                    accepted = _accepts(deployed, spoilt, proof)
                elif target is proof:
                    accepted = _accepts(deployed, made, spoilt)
                else:
                    accepted = _accepts(deployed, made, dataclasses.replace(proof, claim=spoilt))
                assert not accepted, f"{field.name} {value!r} changed to {changed!r}"
                tried += 1
    assert tried > 350


def test_the_owner_changes_the_authorities(chain_rpc_url: str, checkpoint: Checkpoint) -> None:
    own = _deploy(chain_rpc_url)  # of its own: others need theirs unchanged
    stranger = own.web3.eth.accounts[0]
    new = [Web3.to_checksum_address(address_of(one)) for one in SECRETS[:1]]
    with pytest.raises(ContractLogicError, match="caller is not the owner"):
        own.call("set_authorities", new, 1, sender=stranger)
    for authorities, threshold, why in (
        (new, 0, "no majority"),
        (new, 2, "above the authorities"),
        (new * 2, 2, "ascending"),
        ([], 0, "no majority"),
    ):
        with pytest.raises(ContractLogicError, match=why):
            own.call("set_authorities", authorities, threshold)
    own.call("set_authorities", new, 1)
    own.submit(checkpoint, SECRETS[:1])
    with pytest.raises(ContractLogicError, match="not an authority"):
        own.submit(dataclasses.replace(checkpoint, epoch=8), SECRETS[1:2])

    own.call("transfer_ownership", stranger)
    with pytest.raises(ContractLogicError, match="caller is not the new owner"):
        own.call("accept_ownership")
    own.call("accept_ownership", sender=stranger)
    with pytest.raises(ContractLogicError, match="caller is not the owner"):
        own.call("set_authorities", new, 1)
