"""A claim's proof as a file that travels: all that a contract, or anyone, needs to check it.

JSON: ``format``, ``chain_id``, ``contract``, ``checkpoint`` (`Checkpoint.to_fields`), ``claim``
(partition, index, salt, subject, statement; its Dapp and epoch are the checkpoint's),
``siblings`` and ``partition_siblings``. Bytes are 0x and lower-case hex; subject and statement are
text, or under ``subject_hex`` and ``statement_hex`` what is not UTF-8.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from streams.commitments import Checkpoint, CommitmentError, Domain, read_hex
from streams.consensus.merkle import Claim, ClaimProof
from streams.records import ROOT_BYTES, SALT_BYTES

FORMAT: Final = "w3bstream claim proof 1"
_FIELDS: Final = frozenset(
    {"format", "chain_id", "contract", "checkpoint", "claim", "siblings", "partition_siblings"}
)


class ProofFileError(ValueError):
    """Not a proof's file; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A claim's proof, the checkpoint that it leads to and the contract that certified that."""

    domain: Domain
    checkpoint: Checkpoint
    proof: ClaimProof

    def leads_to_checkpoint(self) -> bool:
        """Whether claim and paths make up the checkpoint's claims root."""
        return self.proof.claims_root() == self.checkpoint.claims_root

    def encode(self) -> bytes:
        """The file's bytes."""
        claim = self.proof.claim
        return orjson.dumps(
            {
                "format": FORMAT,
                "chain_id": self.domain.chain_id,
                "contract": _hex(self.domain.contract),
                "checkpoint": self.checkpoint.to_fields(),
                "claim": {
                    "partition": claim.partition,
                    "index": claim.index,
                    "salt": _hex(claim.salt),
                    **_text("subject", claim.subject),
                    **_text("statement", claim.statement),
                },
                "siblings": [_hex(one) for one in self.proof.siblings],
                "partition_siblings": [_hex(one) for one in self.proof.partition_siblings],
            },
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )


def decode_proof_file(data: bytes) -> ProofFile:
    """A proof from its file's bytes; whether it holds is another question.

    Raises:
        ProofFileError: not such a file.
    """
    try:
        given = orjson.loads(data)
        if not isinstance(given, dict) or given.get("format") != FORMAT:
            raise ProofFileError(f"its format is not {FORMAT!r}: was it made by `w3b proof get`?")
        if set(given) != _FIELDS:
            raise ProofFileError(f"fields {sorted(set(given) ^ _FIELDS)} are missing or unknown")
        checkpoint = Checkpoint.from_fields(_object(given, "checkpoint"))
        claim = _object(given, "claim")
        return ProofFile(
            Domain(_number(given, "chain_id"), read_hex(given["contract"], "contract")),
            checkpoint,
            ClaimProof(
                Claim(
                    dapp=checkpoint.dapp,
                    epoch=checkpoint.epoch,
                    partition=_number(claim, "partition"),
                    index=_number(claim, "index"),
                    salt=_sized(claim.get("salt"), "salt", SALT_BYTES),
                    subject=_bytes(claim, "subject"),
                    statement=_bytes(claim, "statement"),
                ),
                _path(given, "siblings"),
                _path(given, "partition_siblings"),
            ),
        )
    except orjson.JSONDecodeError as error:
        raise ProofFileError(f"not JSON: {error}") from error
    except CommitmentError as error:
        raise ProofFileError(str(error)) from error


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _text(name: str, value: bytes) -> dict[str, str]:
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_hex": _hex(value)}


def _bytes(given: Mapping[str, Any], name: str) -> bytes:
    if f"{name}_hex" in given:
        return read_hex(given[f"{name}_hex"], f"{name}_hex")
    value = given.get(name)
    if not isinstance(value, str):
        raise ProofFileError(f"field {name} is missing or no text")
    return value.encode()


def _object(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = given[name]
    if not isinstance(value, dict):
        raise ProofFileError(f"field {name} is no object")
    return value


def _number(given: Mapping[str, Any], name: str) -> int:
    value = given.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise ProofFileError(f"field {name} is missing or no count")
    if name in ("partition", "index") and value >= 2**32:
        raise ProofFileError(f"field {name} does not fit 32 bits")
    return value


def _path(given: Mapping[str, Any], name: str) -> tuple[bytes, ...]:
    value = given[name]
    if not isinstance(value, list) or len(value) > 32:
        raise ProofFileError(f"field {name} is no list of at most 32 hashes")
    return tuple(_sized(one, name, ROOT_BYTES) for one in value)


def _sized(value: object, name: str, size: int) -> bytes:
    data = read_hex(value, name)
    if len(data) != size:
        raise ProofFileError(f"field {name} has {len(data)} bytes instead of {size}")
    return data
