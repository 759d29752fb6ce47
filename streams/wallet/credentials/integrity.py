"""Data Integrity proofs of the cryptosuite eddsa-jcs-2022.

Source: W3C Verifiable Credential Data Integrity 1.0, sections 4.2 and 4.4; W3C Data Integrity EdDSA
Cryptosuites 1.0, section 3.3.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import base58

from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.instants import read_instant
from streams.wallet.credentials.strict_json import canonical
from streams.wallet.did import KeyKind, VerifyKey
from streams.wallet.documents import Purpose
from streams.wallet.keys import Signer

TYPE: Final = "DataIntegrityProof"
CRYPTOSUITE: Final = "eddsa-jcs-2022"
_SIGNATURE_BYTES: Final = 64
_PROOFS_MAX: Final = 4  # a set of several: each costs a resolution and a check
_T = TypeVar("_T")

# From a verification method and the purpose that it has to serve to its key; raises
# CredentialError.
FindKey = Callable[[str, Purpose], VerifyKey]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof that holds says of itself. Times are in ms since 1970, None where not said."""

    method: str
    created_ms: int | None
    expires_ms: int | None
    challenge: str | None
    domain: tuple[str, ...]


def add_proof(
    document: Mapping[str, Any], options: Mapping[str, Any], signer: Signer
) -> dict[str, Any]:
    """The document with a proof.

    Args:
        document: without ``proof``.
        options: of the proof: ``verificationMethod``, ``proofPurpose``, ``created`` …; type,
            cryptosuite and context are added.
        signer: has the method's Ed25519 key.

    Raises:
        ValueError: a key of another kind.
        CredentialError: MALFORMED_JSON.
    """
    if signer.public.kind is not KeyKind.ED25519:
        raise ValueError(f"{CRYPTOSUITE} signs with an Ed25519 key")
    proof = {"type": TYPE, "cryptosuite": CRYPTOSUITE, **options}
    if "@context" in document:
        proof["@context"] = document["@context"]
    signature: bytes = base58.b58encode(signer.sign(_hash_data(document, proof)))
    return {**document, "proof": {**proof, "proofValue": "z" + signature.decode()}}


def check_proofs(
    secured: Mapping[str, Any], purpose: Purpose, find_key: FindKey
) -> tuple[dict[str, Any], list[Proof]]:
    """The document that was signed, and its proofs: every one of them holds.

    Args:
        secured: with ``proof``, one or a set.
        purpose: that each has to have.
        find_key: whose key may have signed is its to say.

    Raises:
        CredentialError: PROOF_MISSING, MALFORMED_PROOF, CRYPTOSUITE_UNSUPPORTED,
            PURPOSE_MISMATCH, SIGNATURE_INVALID, or what ``find_key`` raises.
    """
    proofs = secured.get("proof")
    if proofs is None or proofs == []:
        raise CredentialError(Fault.PROOF_MISSING, "there is no proof")
    proofs = proofs if isinstance(proofs, list) else [proofs]
    if len(proofs) > _PROOFS_MAX:
        raise CredentialError(Fault.MALFORMED_PROOF, f"more than {_PROOFS_MAX} proofs")
    document = {name: value for name, value in secured.items() if name != "proof"}
    signed, checked = document, []
    for proof in proofs:
        signed, one = _check_proof(document, proof, purpose, find_key)
        checked.append(one)
    return signed, checked


def _check_proof(
    document: Mapping[str, Any], proof: object, purpose: Purpose, find_key: FindKey
) -> tuple[dict[str, Any], Proof]:
    if not isinstance(proof, Mapping):
        raise CredentialError(Fault.MALFORMED_PROOF, "a proof is not an object")
    if (proof.get("type"), proof.get("cryptosuite")) != (TYPE, CRYPTOSUITE):
        raise CredentialError(
            Fault.CRYPTOSUITE_UNSUPPORTED, f"a proof has to be a {TYPE} of {CRYPTOSUITE}"
        )
    if "previousProof" in proof:
        raise CredentialError(Fault.CRYPTOSUITE_UNSUPPORTED, "chains of proofs are not read")
    if proof.get("proofPurpose") != purpose:
        raise CredentialError(Fault.PURPOSE_MISMATCH, f"the proof's purpose is not {purpose}")
    signed = dict(document)
    if "@context" in proof:
        signed["@context"] = _signed_context(document.get("@context"), proof["@context"])
    read = Proof(
        _of_type(proof, "verificationMethod", str),
        read_instant(proof.get("created"), "created", Fault.MALFORMED_PROOF),
        read_instant(proof.get("expires"), "expires", Fault.MALFORMED_PROOF),
        _of_type(proof, "challenge", str) if "challenge" in proof else None,
        _domains(proof.get("domain", [])),
    )
    signature = _signature(_of_type(proof, "proofValue", str))
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    key = find_key(read.method, purpose)
    if key.kind is not KeyKind.ED25519:
        raise CredentialError(Fault.CRYPTOSUITE_UNSUPPORTED, f"{CRYPTOSUITE} needs an Ed25519 key")
    if not key.verify(signature, _hash_data(signed, options)):
        raise CredentialError(Fault.SIGNATURE_INVALID, "the proof is not of this document and key")
    return signed, read


def _hash_data(document: Mapping[str, Any], options: Mapping[str, Any]) -> bytes:
    """64 bytes to sign: the hash of the proof's options, then the document's."""
    return (
        hashlib.sha256(canonical(options)).digest() + hashlib.sha256(canonical(document)).digest()
    )


def _signed_context(shown: object, signed: object) -> Any:
    """The context that was signed; whoever passed the document on may have added to its end."""
    shown_list = shown if isinstance(shown, list) else [shown]
    signed_list = signed if isinstance(signed, list) else [signed]
    if shown_list[: len(signed_list)] != signed_list:
        raise CredentialError(
            Fault.SIGNATURE_INVALID, "the document's @context does not begin with the proof's"
        )
    return signed


def _signature(text: str) -> bytes:
    try:
        signature: bytes = base58.b58decode(text[1:]) if len(text) <= 2 * _SIGNATURE_BYTES else b""
    except ValueError:
        signature = b""
    if not text.startswith("z") or len(signature) != _SIGNATURE_BYTES:
        raise CredentialError(
            Fault.MALFORMED_PROOF, "proofValue: not 'z' and base58btc of 64 bytes"
        )
    return signature


def _domains(value: object) -> tuple[str, ...]:
    domains = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in domains):
        raise CredentialError(Fault.MALFORMED_PROOF, "domain: neither a text nor a list of them")
    return tuple(domains)


def _of_type(proof: Mapping[str, Any], name: str, type_: type[_T]) -> _T:
    value = proof.get(name)
    if not isinstance(value, type_):
        raise CredentialError(Fault.MALFORMED_PROOF, f"{name}: missing, or of another type")
    return value
