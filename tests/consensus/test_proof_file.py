"""Proof files come back as they were; anything else is refused with a reason."""

import dataclasses
import random
from hashlib import sha256

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.commitments import Checkpoint, Domain
from streams.consensus import merkle
from streams.consensus.combine import root_over
from streams.consensus.merkle import Claim
from streams.consensus.proof_file import ProofFile, ProofFileError, decode_proof_file


def proof_file(subject: bytes = b"did:key:zX", statement: bytes = b'{"score":97}') -> ProofFile:
    claims = [
        Claim("dapp", 7, 1, index, sha256(bytes([index])).digest()[:16], subject, statement)
        for index in range(5)
    ]
    roots = [merkle.EMPTY_ROOT, merkle.root([one.leaf() for one in claims]), merkle.EMPTY_ROOT]
    root = sha256(b"root").digest()
    checkpoint = Checkpoint("dapp", 7, 3, root, root, root_over(roots), root, 9, 0, 1, 2, 5)
    return ProofFile(Domain(31337, bytes(range(20))), checkpoint, merkle.prove(claims, 3, roots))


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_comes_back_as_it_was(subject: bytes, statement: bytes) -> None:
    made = proof_file(subject, statement)
    assert made.leads_to_checkpoint()
    assert decode_proof_file(made.encode()) == made


def test_is_readable() -> None:
    assert b'"statement": "{\\"score\\":97}"' in proof_file().encode()


def test_no_byte_can_change_unnoticed() -> None:
    made = proof_file()
    data, chance = made.encode(), random.Random(1)
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
        try:
            read = decode_proof_file(changed)
        except ProofFileError:
            continue
        # What leads to the same root has changed where the contract looks: digest, domain.
        assert (
            read == made
            or not read.leads_to_checkpoint()
            or (read.domain != made.domain or read.checkpoint != made.checkpoint)
        ), f"byte {at}: {data[at : at + 1]!r}"
        if read == made:
            assert data[at : at + 1] in b" \n", "only white space may"


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("format", "w3bstream claim proof 2", "made by"),
        ("chain_id", "31337", "chain_id is missing or no count"),
        ("contract", "0x00", "20 bytes"),
        ("checkpoint", [], "no object"),
        ("claim", {}, "partition is missing"),
        ("siblings", [1], "not 0x"),
        ("siblings", ["0x00"], "1 bytes instead of 32"),
        ("siblings", "0x", "no list"),
        ("partition_siblings", ["0x" + "00" * 32] * 33, "at most 32"),
        ("more", 1, "missing or unknown"),
    ],
)
def test_says_what_is_wrong(field: str, value: object, why: str) -> None:
    given_fields = {**orjson.loads(proof_file().encode()), field: value}
    with pytest.raises(ProofFileError, match=why):
        decode_proof_file(orjson.dumps(given_fields))


@pytest.mark.parametrize(
    ("field", "value"), [("partition", 2**32), ("index", -1), ("index", True), ("subject", None)]
)
def test_says_what_is_wrong_with_the_claim(field: str, value: object) -> None:
    fields = orjson.loads(proof_file().encode())
    fields["claim"][field] = value
    with pytest.raises(ProofFileError, match=field):
        decode_proof_file(orjson.dumps(fields))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"{}"])
def test_takes_nothing_else(data: bytes) -> None:
    with pytest.raises(ProofFileError):
        decode_proof_file(data)


def test_another_checkpoint_is_noticed() -> None:
    made = proof_file()
    other = dataclasses.replace(made.checkpoint, claims_root=sha256(b"other").digest())
    assert not dataclasses.replace(made, checkpoint=other).leads_to_checkpoint()
