"""DID documents: what did:keys stand for, by the published vectors, and what is read."""

import contextlib
import json
from pathlib import Path
from typing import Any

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.wallet.did import AgreementKey, DidError, KeyKind, VerifyKey, parse_did_key
from streams.wallet.documents import (
    Purpose,
    check_did,
    did_key_document,
    read_document,
)
from streams.wallet.keys import generate
from streams.wallet.resolver import KeyResolver, Resolvers

VECTORS = Path(__file__).parent.parent / "vectors" / "did-key"
PUBLISHED = {
    did: vector["didDocument"]
    for path in sorted(VECTORS.glob("*.json"))
    for did, vector in json.loads(path.read_text()).items()
    if not did.startswith(("did:key:z82L", "did:key:z2J9"))  # P-384 and P-521
}
DID = "did:web:example.org"


@pytest.mark.parametrize("did", PUBLISHED, ids=lambda did: did[-12:])
def test_a_did_key_has_the_keys_and_purposes_that_are_published(did: str) -> None:
    published, document = PUBLISHED[did], did_key_document(did)
    assert document.id == published["id"]
    for purpose in Purpose:
        # The vectors write ids of old key types; what they name by is the key's multibase.
        assert list(document.purposes[purpose]) == published[purpose]
    keys = {one["id"]: one for one in published["verificationMethod"]}
    for method, key in document.keys.items():
        if "publicKeyBase58" in keys[method]:
            assert key.raw == base58.b58decode(keys[method]["publicKeyBase58"])
    assert document.keys.keys() == keys.keys()
    assert read_document(did, json.loads(json.dumps(document.to_json()))) == document


def test_an_x25519_key_agrees_and_signs_nothing() -> None:
    ed25519 = next(did for did in PUBLISHED if did.startswith("did:key:z6Mk"))
    (method,) = did_key_document(ed25519).purposes[Purpose.AGREEMENT]
    did = "did:key:" + method.partition("#")[2]
    document = did_key_document(did)
    assert document.purposes == {Purpose.AGREEMENT: (f"{did}#{did[8:]}",)}
    with pytest.raises(DidError, match="no key"):
        document.verify_key(f"{did}#{did[8:]}", Purpose.ASSERTION)
    with pytest.raises(DidError, match="cannot sign"):
        document.verify_key(f"{did}#{did[8:]}", Purpose.AGREEMENT)


@pytest.mark.parametrize("raw", [(1).to_bytes(32, "little"), bytes(32)])  # of order 1 and 4
def test_a_point_of_small_order_has_no_document(raw: bytes) -> None:
    with pytest.raises(DidError, match="small order"):
        did_key_document(VerifyKey(KeyKind.ED25519, raw).did)


def _document(**members: Any) -> dict[str, Any]:
    return {"@context": "https://www.w3.org/ns/did/v1", "id": DID, **members}


def test_the_published_forms_of_a_public_key_are_one_key() -> None:
    """JWKs as the vectors have them beside the did:key of the same key."""
    found = 0
    for did, published in PUBLISHED.items():
        for method in published["verificationMethod"]:
            if "publicKeyJwk" in method and method["publicKeyJwk"]["crv"] != "X25519":
                found += 1
                named = {**method, "id": "#a", "type": "JsonWebKey", "controller": DID}
                document = read_document(
                    DID, _document(verificationMethod=[named], authentication=["#a"])
                )
                key = document.verify_key(f"{DID}#a", Purpose.AUTHENTICATION)
                assert key == parse_did_key(did)
    assert found


def test_a_key_has_the_purposes_that_name_it_and_no_other() -> None:
    key, other = generate(KeyKind.ED25519).public, generate(KeyKind.P256).public

    def method(name: str, of: VerifyKey, controller: str = DID) -> dict[str, str]:
        return {"id": name, "type": "Multikey", "controller": controller,
                "publicKeyMultibase": of.multikey}  # fmt: skip

    document = read_document(
        DID,
        _document(
            verificationMethod=[
                method("#a", key),
                method("#b", key, "did:web:mallory.org"),
                method("did:web:mallory.org#c", key),
                {"id": "#d", "type": "RsaVerificationKey2018", "controller": DID},
            ],
            assertionMethod=["#a", "#b", "did:web:mallory.org#c", "#d"],
            authentication=[method("#e", other)],
        ),
    )
    assert document.verify_key(f"{DID}#a", Purpose.ASSERTION) == key
    assert document.verify_key(f"{DID}#e", Purpose.AUTHENTICATION) == other
    for name, purpose in [
        (f"{DID}#a", Purpose.AUTHENTICATION),
        (f"{DID}#e", Purpose.ASSERTION),
        (f"{DID}#b", Purpose.ASSERTION),
        ("did:web:mallory.org#c", Purpose.ASSERTION),
        (f"{DID}#d", Purpose.ASSERTION),
    ]:
        with pytest.raises(DidError, match="no key"):
            document.verify_key(name, purpose)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"id": "did:web:mallory.org"},
        _document(verificationMethod={}),
        _document(verificationMethod=[{}]),
        _document(verificationMethod=[1]),
        _document(authentication=[{"id": 1}]),
        _document(authentication=["#a"] * 65),
    ],
)
def test_what_is_no_document_of_the_did_is_refused(body: object) -> None:
    with pytest.raises(DidError):
        read_document(DID, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["id", "type", "controller", "publicKeyJwk"]), JSON), JSON)
def test_no_document_raises_anything_else(method: dict[str, Any], jwk: Any) -> None:
    whole = {"id": "#a", "type": "JsonWebKey", "controller": DID, "publicKeyJwk": jwk, **method}
    for body in (whole, _document(verificationMethod=[whole], keyAgreement=[whole, method])):
        with contextlib.suppress(DidError):
            assert read_document(DID, body).keys == {}


@pytest.mark.parametrize("did", ["", "did:", "did:key", "did:Web:a", "did:web:a b", "did:web:a#b"])
def test_what_is_no_did_is_refused(did: str) -> None:
    with pytest.raises(DidError, match="not a DID"):
        check_did(did)


def test_a_method_that_is_not_resolved_is_named() -> None:
    resolvers = Resolvers({"key": KeyResolver()})
    did = generate(KeyKind.SECP256K1).did
    assert resolvers.resolve(did) == did_key_document(did)
    with pytest.raises(DidError, match="does not resolve"):
        resolvers.resolve("did:ethr:0x00")


def test_an_ed25519_key_agrees_as_the_x25519_key_that_follows_from_it() -> None:
    key = generate(KeyKind.ED25519).public
    assert AgreementKey.of(key) in did_key_document(key.did).keys.values()
