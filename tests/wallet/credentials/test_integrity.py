"""eddsa-jcs-2022 against the vectors that its specification publishes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import base58
import pytest

from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.integrity import add_proof, check_proofs
from streams.wallet.credentials.strict_json import canonical, read_object
from streams.wallet.did import KeyKind, VerifyKey
from streams.wallet.documents import Purpose, did_key_document
from streams.wallet.keys import SigningKey, from_secret, generate

FOLDER = Path(__file__).parents[2] / "vectors" / "vc-di-eddsa"
SUITE = FOLDER / "eddsa-jcs-2022"
UNSIGNED = read_object((FOLDER / "unsigned.json").read_bytes())
SIGNED = read_object((SUITE / "signedJCS.json").read_bytes())


def _key() -> SigningKey:
    pair = json.loads((FOLDER / "keyPair.json").read_text())
    # Multicodec ed25519-priv, 0x1300 as a varint, before the seed.
    key = from_secret(KeyKind.ED25519, base58.b58decode(pair["privateKeyMultibase"][1:])[2:])
    assert key.public.multikey == pair["publicKeyMultibase"]
    return key


def _find_key(method: str, purpose: Purpose) -> VerifyKey:
    return did_key_document(method.partition("#")[0]).verify_key(method, purpose)


def _options() -> dict[str, Any]:
    made_by_us = ("@context", "type", "cryptosuite", "proofValue")
    return {name: value for name, value in SIGNED["proof"].items() if name not in made_by_us}


def test_the_published_steps() -> None:
    config = read_object((SUITE / "proofConfigJCS.json").read_bytes())
    assert canonical(UNSIGNED).decode() == (SUITE / "canonDocJCS.txt").read_text()
    assert canonical(config).decode() == (SUITE / "proofCanonJCS.txt").read_text()
    hashes = [hashlib.sha256(canonical(one)).hexdigest() for one in (config, UNSIGNED)]
    assert hashes[0] == (SUITE / "proofHashJCS.txt").read_text().strip()
    assert hashes[1] == (SUITE / "docHashJCS.txt").read_text().strip()
    assert "".join(hashes) == (SUITE / "combinedHashJCS.txt").read_text().strip()


def test_the_published_document_is_made_byte_for_byte_and_holds() -> None:
    assert add_proof(UNSIGNED, _options(), _key()) == SIGNED
    document, (proof,) = check_proofs(SIGNED, Purpose.ASSERTION, _find_key)
    assert document == UNSIGNED
    assert (proof.method, proof.created_ms) == (
        SIGNED["proof"]["verificationMethod"],
        1_677_281_798_000,
    )


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every text in a document."""
    if isinstance(value, str):
        return [path]
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    return [leaf for name, inner in entries for leaf in _leaves(inner, (*path, name))]


def _changed(path: tuple[Any, ...], change: Any) -> dict[str, Any]:
    document: Any = json.loads(json.dumps(SIGNED))
    place = document
    for name in path[:-1]:
        place = place[name]
    change(place, path[-1])
    return dict(document)


def _extend(place: Any, name: Any) -> None:
    place[name] += "x"


def _remove(place: Any, name: Any) -> None:
    del place[name]


def test_every_change_to_the_published_document_is_refused() -> None:
    leaves = _leaves(SIGNED)
    assert len(leaves) > 15
    for path in leaves:
        for change in (_extend, _remove):
            with pytest.raises((CredentialError, ValueError)):
                check_proofs(_changed(path, change), Purpose.ASSERTION, _find_key)
    added = {**SIGNED, "credentialSchema": {"id": "https://a.example", "type": "T"}}
    with pytest.raises(CredentialError) as refused:
        check_proofs(added, Purpose.ASSERTION, _find_key)
    assert refused.value.fault is Fault.SIGNATURE_INVALID


def test_a_context_appended_on_the_way_is_not_part_of_what_was_signed() -> None:
    longer = {**SIGNED, "@context": [*SIGNED["@context"], "https://mallory.example/v1"]}
    document, _ = check_proofs(longer, Purpose.ASSERTION, _find_key)
    assert document == UNSIGNED


@pytest.mark.parametrize(
    ("proof", "fault"),
    [
        (None, Fault.PROOF_MISSING),
        ([], Fault.PROOF_MISSING),
        ("z", Fault.MALFORMED_PROOF),
        ([SIGNED["proof"]] * 5, Fault.MALFORMED_PROOF),
        ([SIGNED["proof"], 1], Fault.MALFORMED_PROOF),
        ({**SIGNED["proof"], "type": "Ed25519Signature2020"}, Fault.CRYPTOSUITE_UNSUPPORTED),
        ({**SIGNED["proof"], "cryptosuite": "eddsa-rdfc-2022"}, Fault.CRYPTOSUITE_UNSUPPORTED),
        ({**SIGNED["proof"], "previousProof": "urn:a"}, Fault.CRYPTOSUITE_UNSUPPORTED),
        ({**SIGNED["proof"], "proofPurpose": "authentication"}, Fault.PURPOSE_MISMATCH),
        ({**SIGNED["proof"], "created": "2023-02-24T23:36:38"}, Fault.MALFORMED_PROOF),
        ({**SIGNED["proof"], "domain": 1}, Fault.MALFORMED_PROOF),
        ({**SIGNED["proof"], "challenge": 1}, Fault.MALFORMED_PROOF),
        ({**SIGNED["proof"], "proofValue": "u" + "A" * 86}, Fault.MALFORMED_PROOF),
        ({**SIGNED["proof"], "proofValue": "z0"}, Fault.MALFORMED_PROOF),
        ({**SIGNED["proof"], "proofValue": 1}, Fault.MALFORMED_PROOF),
    ],
)
def test_a_proof_that_is_none_says_why(proof: object, fault: Fault) -> None:
    with pytest.raises(CredentialError) as refused:
        check_proofs({**UNSIGNED, "proof": proof}, Purpose.ASSERTION, _find_key)
    assert refused.value.fault is fault


def test_all_proofs_of_a_set_have_to_hold() -> None:
    proof = SIGNED["proof"]
    check_proofs({**UNSIGNED, "proof": [proof, proof]}, Purpose.ASSERTION, _find_key)
    with pytest.raises(CredentialError):
        check_proofs(
            {**UNSIGNED, "proof": [proof, {**proof, "nonce": "1"}]}, Purpose.ASSERTION, _find_key
        )


def test_only_an_ed25519_key_signs_so() -> None:
    with pytest.raises(ValueError, match="Ed25519"):
        add_proof(UNSIGNED, _options(), generate(KeyKind.P256))
