"""What the authorities say about an epoch, and the record on topic ``proofs``.

A `Checkpoint` is what every honest node computes alike from the log: an epoch's roots and counts.
A `Commitment` is a checkpoint with the authorities' signatures: agree writes it, submit and store
read it, the contract checks it. Nothing in it depends on offsets, batch boundaries or clocks.

Signatures are EIP-712 over the domain {name "W3bStream", version "1", chainId,
verifyingContract}: a signature for one chain or contract is worth nothing on another, and a
wallet can show what it signs. They are secp256k1, 65 bytes r ‖ s ‖ v with v 27 or 28 and s in
the lower half (EIP-2), as the EVM's ``ecrecover`` takes them.

Volume is low (one record a Dapp and epoch), so the record is JSON: integers as numbers, bytes as
lower-case hex behind ``0x``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, Final

import orjson
from eth_abi.abi import encode as abi_encode
from eth_keys import datatypes as keys
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from streams.records import ROOT_BYTES

ADDRESS_BYTES: Final = 20
SIGNATURE_BYTES: Final = 65
DAPP_CHARACTERS_MAX: Final = 32  # the contract's String[32]
U64_MAX: Final = 2**64 - 1

_DOMAIN_TYPE: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_CHECKPOINT_TYPE: Final = keccak(
    b"Checkpoint(string dapp,uint64 epoch,uint32 partitions,bytes32 program,bytes32 inputRoot,"
    b"bytes32 claimsRoot,bytes32 stateRoot,uint64 messages,uint64 repeats,uint64 dead,"
    b"uint64 results,uint64 claims)"
)
_NAME: Final = keccak(b"W3bStream")
_VERSION: Final = keccak(b"1")
_CHECKPOINT_ABI: Final = (
    "bytes32", "bytes32", "uint64", "uint32", "bytes32", "bytes32", "bytes32", "bytes32",
    "uint64", "uint64", "uint64", "uint64", "uint64",
)  # fmt: skip
_SECP256K1_HALF_N: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class CommitmentError(ValueError):
    """Bytes that claim to be a checkpoint or a commitment and are not; says what is wrong."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature counts: one contract on one chain (EIP-712, `eip712Domain`)."""

    chain_id: int
    contract: bytes

    def __post_init__(self) -> None:
        if len(self.contract) != ADDRESS_BYTES:
            raise CommitmentError(f"a contract's address has 20 bytes, not {len(self.contract)}")

    def separator(self) -> bytes:
        """EIP-712's ``domainSeparator``, 32 bytes."""
        return keccak(
            abi_encode(
                ("bytes32", "bytes32", "bytes32", "uint256", "address"),
                (_DOMAIN_TYPE, _NAME, _VERSION, self.chain_id, self.contract),
            )
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One epoch of one Dapp: RFC 6962 roots over its partitions, and the sums of their counts.

    ``program`` is 32 bytes: the program's SHA-256, of which the log carries the first 8 bytes;
    what it does not carry is zero. Counts are below 2**64.

    Raises:
        CommitmentError: a field that the contract could not hold.
    """

    dapp: str
    epoch: int
    partitions: int
    program: bytes
    input_root: bytes
    claims_root: bytes
    state_root: bytes
    messages: int
    repeats: int
    dead: int
    results: int
    claims: int

    def __post_init__(self) -> None:
        if not 0 < len(self.dapp.encode()) <= DAPP_CHARACTERS_MAX:
            raise CommitmentError(f"dapp {self.dapp!r} has no name of 1 to 32 bytes")
        for name in ("program", "input_root", "claims_root", "state_root"):
            value = getattr(self, name)
            if len(value) != ROOT_BYTES:
                raise CommitmentError(f"{name} has {len(value)} bytes instead of {ROOT_BYTES}")
        for name in ("epoch", "messages", "repeats", "dead", "results", "claims"):
            if not 0 <= getattr(self, name) <= U64_MAX:
                raise CommitmentError(f"{name} {getattr(self, name)} does not fit 64 bits")
        if not 0 < self.partitions < 2**32:
            raise CommitmentError(f"partitions {self.partitions} is not a count of partitions")

    def digest(self, domain: Domain) -> bytes:
        """What is signed, 32 bytes (EIP-712: ``keccak256(0x1901 ‖ separator ‖ hashStruct)``)."""
        dapp, *rest = astuple(self)
        struct_hash = keccak(
            abi_encode(_CHECKPOINT_ABI, (_CHECKPOINT_TYPE, keccak(dapp.encode()), *rest))
        )
        return keccak(b"\x19\x01" + domain.separator() + struct_hash)

    def to_fields(self) -> dict[str, Any]:
        """As JSON's fields."""
        return {name: _shown(value) for name, value in zip(_FIELDS, astuple(self), strict=True)}

    @classmethod
    def from_fields(cls, given: Mapping[str, Any]) -> "Checkpoint":
        """From JSON's fields; others beside them are left alone.

        Raises:
            CommitmentError: a field that is missing or of another form.
        """
        return cls(**{one.name: _read(given, one.name, one.type) for one in fields(cls)})


_FIELDS: Final = tuple(one.name for one in fields(Checkpoint))


@dataclass(frozen=True, slots=True)
class Signature:
    """An authority's signature (r ‖ s ‖ v) under its address."""

    signer: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Commitment:
    """A checkpoint that is final: signed by a quorum, signers in ascending order."""

    checkpoint: Checkpoint
    domain: Domain
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The record's value on topic ``proofs``."""
        return orjson.dumps(
            {
                **self.checkpoint.to_fields(),
                "digest": _shown(self.checkpoint.digest(self.domain)),
                "chain_id": self.domain.chain_id,
                "contract": _shown(self.domain.contract),
                "signatures": [
                    {"signer": _shown(one.signer), "signature": _shown(one.signature)}
                    for one in self.signatures
                ],
            }
        )

    def key(self) -> bytes:
        """The record's key: the Dapp."""
        return self.checkpoint.dapp.encode()


def decode_commitment(value: bytes) -> Commitment:
    """A record of topic ``proofs``. Its digest is checked; whose the signatures are is not.

    Raises:
        CommitmentError: not such a record.
    """
    try:
        given = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise CommitmentError(f"not JSON: {error}") from error
    if not isinstance(given, dict):
        raise CommitmentError("not a JSON object")
    signatures = given.get("signatures")
    if not isinstance(signatures, list) or not all(isinstance(one, dict) for one in signatures):
        raise CommitmentError("field signatures is not a list of objects")
    commitment = Commitment(
        Checkpoint.from_fields(given),
        Domain(_read(given, "chain_id", int), _read(given, "contract", bytes)),
        tuple(
            Signature(_read(one, "signer", bytes), _read(one, "signature", bytes))
            for one in signatures
        ),
    )
    if _read(given, "digest", bytes) != commitment.checkpoint.digest(commitment.domain):
        raise CommitmentError("the digest is of another checkpoint")
    return commitment


def sign(digest: bytes, secret: bytes) -> Signature:
    """Sign 32 bytes with a secp256k1 key of 32 bytes (RFC 6979: the same input, the same bytes)."""
    key = keys.PrivateKey(secret)
    made = key.sign_msg_hash(digest)
    signature = made.to_bytes()[:64] + bytes([made.v + 27])
    return Signature(key.public_key.to_canonical_address(), signature)


def address_of(secret: bytes) -> bytes:
    """The address of a secp256k1 key, 20 bytes."""
    return keys.PrivateKey(secret).public_key.to_canonical_address()


def signer_of(digest: bytes, signature: bytes) -> bytes | None:
    """Whose signature this is, as the contract finds it; None where it is nobody's."""
    if len(signature) != SIGNATURE_BYTES or signature[64] not in (27, 28):
        return None
    if int.from_bytes(signature[32:64], "big") > _SECP256K1_HALF_N:
        return None
    try:
        given = keys.Signature(signature[:64] + bytes([signature[64] - 27]))
        return given.recover_public_key_from_msg_hash(digest).to_canonical_address()
    except (BadSignature, ValidationError):
        return None


def signed_by(
    digest: bytes, signatures: Sequence[Signature], authorities: frozenset[bytes]
) -> frozenset[bytes]:
    """The authorities whose signatures hold."""
    return frozenset(
        one.signer
        for one in signatures
        if one.signer in authorities and signer_of(digest, one.signature) == one.signer
    )


def read_hex(text: object, name: str) -> bytes:
    """Bytes from ``0x`` and lower-case hex: one value has one form.

    Raises:
        CommitmentError: anything else.
    """
    if isinstance(text, str) and text.startswith("0x"):
        try:
            value = bytes.fromhex(text[2:])
        except ValueError:
            value = b""
        if "0x" + value.hex() == text:
            return value
    raise CommitmentError(f"field {name} is not 0x and lower-case hex")


def _shown(value: Any) -> Any:
    return "0x" + value.hex() if isinstance(value, bytes) else value


def _read(given: Mapping[str, Any], name: str, kind: Any) -> Any:
    if name not in given:
        raise CommitmentError(f"field {name} is missing")
    value = given[name]
    if kind is bytes:
        return read_hex(value, name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CommitmentError(f"field {name} is not of type {kind.__name__}")
    return value
