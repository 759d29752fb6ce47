"""Public keys: as Multikey, as a did:key's name, and signatures checked against them."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from streams import limits

_PREFIX: Final = "did:key:"
_BASE58BTC: Final = "z"  # multibase's letter for it
_COORDINATE_BYTES: Final = 32
_X25519: Final = b"\xec\x01"  # multicodec x25519-pub
_FIELD: Final = 2**255 - 19  # that Curve25519 and Ed25519 share (RFC 7748, RFC 8032)


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
    """A DID, or a key in a document, that cannot be used; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key: ``raw`` is 32 bytes (Ed25519) or a compressed point of 33 (ECDSA)."""

    kind: KeyKind
    raw: bytes

    @property
    def multikey(self) -> str:
        """``publicKeyMultibase`` (W3C Controlled Identifiers 1.0, section 2.2.2)."""
        return _multibase(self.kind.value + self.raw)

    @property
    def did(self) -> str:
        """The key's name (did:key method, section "Format")."""
        return _PREFIX + self.multikey

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


@dataclass(frozen=True, slots=True)
class AgreementKey:
    """An X25519 public key, 32 bytes (RFC 7748): agrees on secrets, and cannot sign."""

    raw: bytes

    @property
    def multikey(self) -> str:
        """``publicKeyMultibase``."""
        return _multibase(_X25519 + self.raw)

    @classmethod
    def of(cls, key: VerifyKey) -> Self:
        """The key that agrees for who signs with an Ed25519 key: the same point on Curve25519.

        u = (1 + y) / (1 - y), RFC 7748 section 4.1.

        Raises:
            DidError: an encoding of no point, or of one of small order, with which everybody
                agrees on the same secret.
        """
        y = int.from_bytes(key.raw, "little") & ((1 << 255) - 1)
        u = (1 + y) * pow(1 - y, -1, _FIELD) % _FIELD if (1 - y) % _FIELD else 0
        agreement = cls(u.to_bytes(32, "little"))
        agreement.check()
        return agreement

    def check(self) -> None:
        """Raises `DidError` if agreeing with this key gives a secret that all know."""
        try:
            X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(self.raw))
        except ValueError:
            raise DidError("an X25519 key of small order, or not of 32 bytes") from None


def parse_did_key(did: str) -> VerifyKey:
    """The public key that a did:key names, of a kind that can sign.

    Raises:
        DidError: another DID method, broken base58, an unknown kind of key, or bytes that are
            no point of the kind's curve.
    """
    key = parse_any_did_key(did)
    if isinstance(key, AgreementKey):
        raise DidError("did:key of an unsupported kind: X25519 cannot sign")
    return key


def parse_any_did_key(did: str) -> VerifyKey | AgreementKey:
    """The public key that a did:key names, X25519 too.

    Raises:
        DidError: as `parse_did_key`.
    """
    if not did.startswith(_PREFIX + _BASE58BTC) or len(did) > limits.DEVICE_BYTES_MAX:
        raise DidError("not a did:key: expected 'did:key:z' and base58btc (W3C did:key method)")
    return parse_multikey(did.removeprefix(_PREFIX))


def parse_multikey(text: str) -> VerifyKey | AgreementKey:
    """The key of a ``publicKeyMultibase``: ``z`` and base58btc.

    Raises:
        DidError: as `parse_did_key`.
    """
    if not text.startswith(_BASE58BTC) or len(text) > limits.DEVICE_BYTES_MAX:
        raise DidError("not a Multikey: expected 'z' and base58btc")
    try:
        data = base58.b58decode(text[1:])
    except ValueError as error:
        raise DidError("broken key: what follows 'z' is not base58btc") from error
    if data.startswith(_X25519):
        agreement = AgreementKey(data[len(_X25519) :])
        agreement.check()
        return agreement
    for kind in KeyKind:
        if data.startswith(kind.value):
            return VerifyKey(kind, _checked(kind, data[len(kind.value) :]))
    raise DidError("key of an unsupported kind: use Ed25519, secp256k1 or P-256")


def _multibase(data: bytes) -> str:
    encoded: bytes = base58.b58encode(data)
    return _BASE58BTC + encoded.decode()


def _checked(kind: KeyKind, raw: bytes) -> bytes:
    if len(raw) != kind.key_bytes:
        raise DidError(f"key with {len(raw)} bytes: {kind.name} has {kind.key_bytes}")
    try:
        if kind is not KeyKind.ED25519:
            ec.EllipticCurvePublicKey.from_encoded_point(kind.curve(), raw)
    except ValueError as error:
        raise DidError(f"key whose bytes are no point of {kind.name}") from error
    return raw
