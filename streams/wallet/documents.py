"""DID documents: the keys of a DID, and what each of them may be used for.

Source: W3C Decentralized Identifiers 1.0, section 5; W3C Controlled Identifiers 1.0, section 2.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from streams import limits
from streams.wallet.did import (
    AgreementKey,
    DidError,
    KeyKind,
    VerifyKey,
    parse_any_did_key,
    parse_multikey,
)

_DID: Final = re.compile(r"did:[a-z0-9]+:(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*[A-Za-z0-9._-]")
_DID_CONTEXT: Final = "https://www.w3.org/ns/did/v1"
_MULTIKEY_CONTEXT: Final = "https://w3id.org/security/multikey/v1"
_BY_MULTIBASE: Final = frozenset({"Multikey", "Ed25519VerificationKey2020"})
_BY_JWK: Final = frozenset({"JsonWebKey", "JsonWebKey2020"})
_CURVES: Final = {"P-256": KeyKind.P256, "secp256k1": KeyKind.SECP256K1}


class Purpose(StrEnum):
    """A verification relationship: what a document's owner lets a key be used for."""

    AUTHENTICATION = "authentication"
    ASSERTION = "assertionMethod"
    AGREEMENT = "keyAgreement"
    INVOCATION = "capabilityInvocation"
    DELEGATION = "capabilityDelegation"


_SIGNING: Final[tuple[Purpose, ...]] = tuple(one for one in Purpose if one is not Purpose.AGREEMENT)


@dataclass(frozen=True, slots=True)
class DidDocument:
    """A DID's keys by the id of their verification method (absolute), and their purposes."""

    id: str
    keys: Mapping[str, VerifyKey | AgreementKey]
    purposes: Mapping[Purpose, tuple[str, ...]]
    also_known_as: tuple[str, ...] = ()
    services: tuple[Mapping[str, Any], ...] = field(default=())

    def verify_key(self, method: str, purpose: Purpose) -> VerifyKey:
        """The key of a verification method that signs for ``purpose``.

        Raises:
            DidError: the document has no such method, not for this purpose, or it cannot sign.
        """
        key = self.keys.get(method)
        if key is None or method not in self.purposes.get(purpose, ()):
            raise DidError(f"{self.id} has no key {method!r} for {purpose}")
        if isinstance(key, AgreementKey):
            raise DidError(f"{method} is an X25519 key, which cannot sign")
        return key

    def to_json(self) -> dict[str, Any]:
        """The document, its keys as Multikey."""
        document: dict[str, Any] = {"@context": [_DID_CONTEXT, _MULTIKEY_CONTEXT], "id": self.id}
        if self.also_known_as:
            document["alsoKnownAs"] = list(self.also_known_as)
        document["verificationMethod"] = [
            {
                "id": method,
                "type": "Multikey",
                "controller": self.id,
                "publicKeyMultibase": key.multikey,
            }
            for method, key in self.keys.items()
        ]
        document |= {
            purpose.value: list(methods) for purpose, methods in self.purposes.items() if methods
        }
        if self.services:
            document["service"] = [dict(one) for one in self.services]
        return document


def check_did(did: str) -> str:
    """``did`` itself, if it is one (DID 1.0, section 3.1).

    Raises:
        DidError: it is none, or longer than a node takes.
    """
    if len(did) > limits.DEVICE_BYTES_MAX or not _DID.fullmatch(did):
        raise DidError(f"not a DID: {did[:80]!r}")
    return did


def method_of(did: str) -> str:
    """The name of a DID's method: ``key``, ``web``, ``io``."""
    return check_did(did).split(":", 2)[1]


def did_key_document(did: str) -> DidDocument:
    """The document that a did:key stands for.

    An Ed25519 key also agrees on secrets, as the X25519 key that follows from it; ECDSA keys do
    so themselves (did:key method, section 3.1, and its test vectors).

    Raises:
        DidError: not a did:key, or of an unsupported kind.
    """
    key = parse_any_did_key(did)
    method = f"{did}#{key.multikey}"
    if isinstance(key, AgreementKey):
        return DidDocument(did, {method: key}, {Purpose.AGREEMENT: (method,)})
    agreement = AgreementKey.of(key) if key.kind is KeyKind.ED25519 else key
    agrees = f"{did}#{agreement.multikey}"
    purposes = dict.fromkeys(_SIGNING, (method,))
    return DidDocument(
        did, {method: key, agrees: agreement}, {**purposes, Purpose.AGREEMENT: (agrees,)}
    )


def read_document(did: str, body: object) -> DidDocument:
    """A document that was fetched for ``did``.

    Keys of kinds that are not known here are left out, as are those that another DID controls.

    Raises:
        DidError: it is another DID's, or not of a document's form.
    """
    if not isinstance(body, Mapping) or body.get("id") != did:
        raise DidError(f"what was found is not the document of {did}")
    keys: dict[str, VerifyKey | AgreementKey] = {}
    for method in _list(body, "verificationMethod"):
        _add_method(did, method, keys)
    purposes: dict[Purpose, tuple[str, ...]] = {}
    for purpose in Purpose:
        named = []
        for entry in _list(body, purpose):
            # A method may be written out where it is used; then it has that purpose alone.
            name = entry if isinstance(entry, str) else _add_method(did, entry, keys)
            if name is not None:
                named.append(_absolute(did, name))
        purposes[purpose] = tuple(dict.fromkeys(named))
    aliases = tuple(str(one) for one in _list(body, "alsoKnownAs"))
    services = tuple(one for one in _list(body, "service") if isinstance(one, Mapping))
    return DidDocument(did, MappingProxyType(keys), MappingProxyType(purposes), aliases, services)


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name, [])
    if not isinstance(value, list) or len(value) > limits.DID_METHODS_MAX:
        raise DidError(f"DID document: {name} is not a list of up to {limits.DID_METHODS_MAX}")
    return value


def _add_method(did: str, method: object, keys: dict[str, VerifyKey | AgreementKey]) -> str | None:
    if not isinstance(method, Mapping) or not isinstance(method.get("id"), str):
        raise DidError("DID document: a verification method without an id")
    name = _absolute(did, method["id"])
    if name.partition("#")[0] != did or method.get("controller") != did:
        return None
    kind, key = str(method.get("type")), None
    if kind in _BY_MULTIBASE and isinstance(method.get("publicKeyMultibase"), str):
        key = _known(parse_multikey, method["publicKeyMultibase"])
    elif kind in _BY_JWK and isinstance(method.get("publicKeyJwk"), Mapping):
        key = _known(_read_jwk, method["publicKeyJwk"])
    if key is None:
        return None
    if keys.setdefault(name, key) != key:
        raise DidError(f"DID document: two keys have the id {name[:80]!r}")
    return name


def _known(read: Any, value: Any) -> VerifyKey | AgreementKey | None:
    try:
        key: VerifyKey | AgreementKey = read(value)
    except DidError:
        return None
    return key


def _absolute(did: str, name: str) -> str:
    return did + name if name.startswith("#") else name


def _read_jwk(jwk: Mapping[str, Any]) -> VerifyKey | AgreementKey:
    """A public key in JOSE's form (RFC 7517, RFC 8037, RFC 8812)."""
    if "d" in jwk:
        raise DidError("DID document: a key with its secret half")
    curve = jwk.get("crv")
    if (jwk.get("kty"), curve) == ("OKP", "Ed25519"):
        return _checked(VerifyKey(KeyKind.ED25519, _coordinate(jwk, "x")))
    if (jwk.get("kty"), curve) == ("OKP", "X25519"):
        return _checked(AgreementKey(_coordinate(jwk, "x")))
    kind = _CURVES.get(str(curve))
    if jwk.get("kty") != "EC" or kind is None:
        raise DidError("DID document: a JWK of an unsupported kind")
    x, y = (int.from_bytes(_coordinate(jwk, name)) for name in "xy")
    try:
        point = ec.EllipticCurvePublicNumbers(x, y, kind.curve()).public_key()
    except ValueError:
        raise DidError(f"DID document: a JWK that is no point of {kind.name}") from None
    return VerifyKey(kind, point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


def _checked(key: VerifyKey | AgreementKey) -> VerifyKey | AgreementKey:
    return parse_multikey(key.multikey)


def _coordinate(jwk: Mapping[str, Any], name: str) -> bytes:
    text = str(jwk.get(name, ""))
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise DidError(f"DID document: a JWK whose {name} is not base64url") from None
    if len(raw) != 32:
        raise DidError(f"DID document: a JWK whose {name} has not 32 bytes")
    return raw
