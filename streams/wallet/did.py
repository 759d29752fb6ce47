"""did:key: a public key as a name, and a signature checked against it."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from streams import limits

_PREFIX: Final = "did:key:"
_BASE58BTC: Final = "z"  # multibase's letter for it
_COORDINATE_BYTES: Final = 32


class KeyKind(Enum):
    """The kinds of key that may sign; the value is the multicodec varint before the key's bytes.

    Source: https://github.com/multiformats/multicodec (ed25519-pub, secp256k1-pub, p256-pub).
    """

    ED25519 = b"\xed\x01"
    SECP256K1 = b"\xe7\x01"
    P256 = b"\x80\x24"

    @property
    def key_bytes(self) -> int:
        """Length of a public key: 32, or 33 for a compressed point (SEC 1, section 2.3.3)."""
        return 32 if self is KeyKind.ED25519 else 33

    def curve(self) -> ec.EllipticCurve:
        """The curve of an ECDSA kind."""
        return ec.SECP256K1() if self is KeyKind.SECP256K1 else ec.SECP256R1()


class DidError(ValueError):
    """A text that is not a did:key of a kind that can sign; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key: ``raw`` is 32 bytes (Ed25519) or a compressed point of 33 (ECDSA)."""

    kind: KeyKind
    raw: bytes

    @property
    def did(self) -> str:
        """The key's name (did:key method, section "Format")."""
        multibase: bytes = base58.b58encode(self.kind.value + self.raw)
        return _PREFIX + _BASE58BTC + multibase.decode()

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the key's owner signed ``message``.

        Ed25519 as in RFC 8032; ECDSA over SHA-256 with ``signature`` = r ‖ s, 64 bytes, as in
        JOSE (RFC 7518 section 3.4 and RFC 8812 section 3.2).
        """
        if len(signature) != 2 * _COORDINATE_BYTES:
            return False
        try:
            if self.kind is KeyKind.ED25519:
                Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
            else:
                point = ec.EllipticCurvePublicKey.from_encoded_point(self.kind.curve(), self.raw)
                r = int.from_bytes(signature[:_COORDINATE_BYTES])
                s = int.from_bytes(signature[_COORDINATE_BYTES:])
                der = utils.encode_dss_signature(r, s)
                point.verify(der, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def parse_did_key(did: str) -> VerifyKey:
    """The public key that a did:key names.

    Raises:
        DidError: another DID method, broken base58, an unknown kind of key, or bytes that are
            no point of the kind's curve.
    """
    if not did.startswith(_PREFIX + _BASE58BTC) or len(did) > limits.DEVICE_BYTES_MAX:
        raise DidError("not a did:key: expected 'did:key:z' and base58btc (W3C did:key method)")
    try:
        data = base58.b58decode(did[len(_PREFIX) + 1 :])
    except ValueError as error:
        raise DidError("broken did:key: what follows 'did:key:z' is not base58btc") from error
    for kind in KeyKind:
        if data.startswith(kind.value):
            return VerifyKey(kind, _checked(kind, data[len(kind.value) :]))
    raise DidError("did:key of an unsupported kind: use Ed25519, secp256k1 or P-256")


def _checked(kind: KeyKind, raw: bytes) -> bytes:
    if len(raw) != kind.key_bytes:
        raise DidError(f"did:key with {len(raw)} key bytes: {kind.name} has {kind.key_bytes}")
    try:
        if kind is not KeyKind.ED25519:
            ec.EllipticCurvePublicKey.from_encoded_point(kind.curve(), raw)
    except ValueError as error:
        raise DidError(f"did:key whose bytes are no point of {kind.name}") from error
    return raw
