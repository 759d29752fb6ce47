"""did:key against the vectors that its specification publishes."""

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.wallet.did import DidError, KeyKind, parse_did_key
from streams.wallet.keys import SigningKey, from_secret, generate

VECTORS = Path(__file__).parent.parent / "vectors" / "did-key"


KINDS = {"z6Mk": KeyKind.ED25519, "zQ3s": KeyKind.SECP256K1, "zDna": KeyKind.P256}


def _secret(vector: dict[str, Any]) -> bytes:
    """The secret key, in whichever of its three forms a vector has it."""
    if "seed" in vector:
        return bytes.fromhex(vector["seed"])
    pair = vector.get("verificationKeyPair") or vector["verificationMethod"]
    if "privateKeyBase58" in pair:
        return base58.b58decode(pair["privateKeyBase58"])
    return base64.urlsafe_b64decode(pair["privateKeyJwk"]["d"] + "==")


def _published() -> Iterator[tuple[str, SigningKey]]:
    for path in sorted(VECTORS.glob("*.json")):
        for did, vector in json.loads(path.read_text()).items():
            kind = KINDS.get(did.removeprefix("did:key:")[:4])
            if kind is not None:  # P-384 and P-521 cannot sign here
                yield did, from_secret(kind, _secret(vector))


PUBLISHED = list(_published())


@pytest.mark.parametrize(("did", "key"), PUBLISHED, ids=[did[-12:] for did, _ in PUBLISHED])
def test_published_vectors(did: str, key: SigningKey) -> None:
    assert key.did == did
    assert parse_did_key(did) == key.public
    assert parse_did_key(did).verify(key.sign(b"message"), b"message")


def test_every_kind_has_published_vectors() -> None:
    assert len(PUBLISHED) == 14
    assert {key.kind for _, key in PUBLISHED} == set(KeyKind)


@pytest.mark.parametrize("kind", KeyKind)
def test_a_signature_is_of_its_message_and_key_alone(kind: KeyKind) -> None:
    key, other = generate(kind), generate(kind)
    signature = key.sign(b"message")
    assert len(signature) == 64
    assert key.public.verify(signature, b"message")
    assert not key.public.verify(signature, b"massage")
    assert not other.public.verify(signature, b"message")
    assert not key.public.verify(signature[:-1], b"message")
    assert not key.public.verify(bytes(64), b"message")
    assert not key.public.verify(b"\xff" * 64, b"message")


def _did(data: bytes) -> str:
    return "did:key:z" + base58.b58encode(data).decode()


@pytest.mark.parametrize(
    ("did", "said"),
    [
        ("did:web:example.org", "not a did:key"),
        ("did:key:z" + "1" * 300, "not a did:key"),
        ("did:key:z0OIl", "not base58btc"),
        ("did:key:z", "unsupported kind"),
        (_did(b"\xec\x01" + b"\x09" + bytes(31)), "X25519 cannot sign"),
        (_did(b"\xec\x01" + bytes(32)), "small order"),
        (_did(b"\xed\x01" + bytes(31)), "31 bytes"),
        (_did(b"\xe7\x01\x02" + b"\xff" * 32), "no point"),
        (_did(b"\x80\x24\x05" + bytes(32)), "no point"),
    ],
)
def test_what_is_no_name_says_why(did: str, said: str) -> None:
    with pytest.raises(DidError, match=said):
        parse_did_key(did)


@given(st.text(max_size=80))
def test_no_text_raises_anything_else(text: str) -> None:
    for did in (text, "did:key:z" + text):
        with contextlib.suppress(DidError):
            parse_did_key(did)
