"""Checkpoints as they are signed, and the record on topic ``proofs``."""

import dataclasses
from hashlib import sha256

import orjson
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from streams.commitments import (
    Checkpoint,
    Commitment,
    CommitmentError,
    Domain,
    address_of,
    decode_commitment,
    sign,
    signer_of,
)

SECRET = sha256(b"authority").digest()
ROOT = st.binary(min_size=32, max_size=32)
U64 = st.integers(0, 2**64 - 1)
CHECKPOINTS = st.builds(
    Checkpoint,
    dapp=st.from_regex(r"[a-z0-9_]{1,32}", fullmatch=True),
    epoch=U64,
    partitions=st.integers(1, 2**32 - 1),
    program=ROOT,
    input_root=ROOT,
    claims_root=ROOT,
    state_root=ROOT,
    messages=U64,
    repeats=U64,
    dead=U64,
    results=U64,
    claims=U64,
)
DOMAINS = st.builds(Domain, st.integers(1, 2**53), st.binary(min_size=20, max_size=20))

_CAMEL = {"input_root": "inputRoot", "claims_root": "claimsRoot", "state_root": "stateRoot"}
_TYPES = {"dapp": "string", "partitions": "uint32"}


def _typed_data(checkpoint: Checkpoint, domain: Domain) -> dict[str, object]:
    """The checkpoint for a wallet that speaks EIP-712."""
    names = [one.name for one in dataclasses.fields(checkpoint)]
    kinds = {
        name: _TYPES.get(
            name, "uint64" if isinstance(getattr(checkpoint, name), int) else "bytes32"
        )
        for name in names
    }
    return {
        "primaryType": "Checkpoint",
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Checkpoint": [{"name": _CAMEL.get(one, one), "type": kinds[one]} for one in names],
        },
        "domain": {
            "name": "W3bStream",
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": "0x" + domain.contract.hex(),
        },
        "message": {_CAMEL.get(one, one): getattr(checkpoint, one) for one in names},
    }


@given(CHECKPOINTS, DOMAINS)
def test_signs_what_a_wallet_would_sign(checkpoint: Checkpoint, domain: Domain) -> None:
    typed = encode_typed_data(full_message=_typed_data(checkpoint, domain))
    theirs = Account.sign_message(typed, SECRET)
    assert theirs.message_hash == checkpoint.digest(domain)
    ours = sign(checkpoint.digest(domain), SECRET)
    assert ours.signature == theirs.signature
    assert signer_of(checkpoint.digest(domain), ours.signature) == address_of(SECRET)


@given(CHECKPOINTS, DOMAINS)
def test_record_comes_back_as_it_was(checkpoint: Checkpoint, domain: Domain) -> None:
    commitment = Commitment(checkpoint, domain, (sign(checkpoint.digest(domain), SECRET),))
    assert decode_commitment(commitment.encode()) == commitment


@pytest.fixture
def record() -> dict[str, object]:
    root = sha256(b"root").digest()
    made = Checkpoint("safe_driving", 7, 4, root, root, root, root, 1, 2, 3, 4, 5)
    domain = Domain(31337, bytes(20))
    given: dict[str, object] = orjson.loads(Commitment(made, domain, ()).encode())
    return given


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("epoch", "7", "epoch is not of type int"),
        ("epoch", True, "epoch is not of type int"),
        ("epoch", -1, "does not fit"),
        ("epoch", 8, "digest is of another checkpoint"),
        ("dapp", "", "no name"),
        ("dapp", "x" * 33, "no name"),
        ("partitions", 0, "not a count"),
        ("claims_root", "0x00", "1 bytes instead of 32"),
        ("claims_root", "00" * 32, "not 0x and lower-case hex"),
        ("claims_root", "0x" + "AA" * 32, "not 0x and lower-case hex"),
        ("contract", "0x00", "20 bytes"),
        ("signatures", None, "not a list"),
        ("signatures", [1], "not a list"),
        ("signatures", [{"signer": "0x"}], "signature is missing"),
    ],
)
def test_says_what_is_wrong(record: dict[str, object], field: str, value: object, why: str) -> None:
    with pytest.raises(CommitmentError, match=why):
        decode_commitment(orjson.dumps({**record, field: value}))


@pytest.mark.parametrize("value", [b"", b"[]", b"{", b"\xff", b"{}"])
def test_takes_nothing_else(value: bytes) -> None:
    with pytest.raises(CommitmentError):
        decode_commitment(value)


@pytest.mark.parametrize("length", [0, 1, 64, 66])
def test_no_signer_of_something_else(length: int) -> None:
    assert signer_of(sha256(b"digest").digest(), bytes(length)) is None
    assert signer_of(sha256(b"digest").digest(), bytes(64) + b"\x1b") is None
