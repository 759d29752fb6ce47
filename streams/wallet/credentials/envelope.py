"""Credentials and presentations as JWTs: ``vc+jwt`` and ``vp+jwt``.

Source: W3C Securing Verifiable Credentials using JOSE and COSE, section 3.1; RFC 7515, RFC 8725
(explicit typing), RFC 9864 (``Ed25519``), RFC 8812 (``ES256K``).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from streams import limits
from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.integrity import FindKey
from streams.wallet.credentials.strict_json import canonical, read_object
from streams.wallet.did import KeyKind, VerifyKey
from streams.wallet.documents import Purpose
from streams.wallet.keys import Signer

CREDENTIAL_TYPE: Final = "vc+jwt"
PRESENTATION_TYPE: Final = "vp+jwt"
_ALGORITHMS: Final[Mapping[KeyKind, str]] = {
    KeyKind.ED25519: "Ed25519",
    KeyKind.P256: "ES256",
    KeyKind.SECP256K1: "ES256K",
}
# What a header may say. `jwk`, `x5c` and the like would bring a key of the sender's own choice.
_HEADER: Final = frozenset({"alg", "typ", "cty", "kid", "iss"})


@dataclass(frozen=True, slots=True)
class Opened:
    """The payload of a JWT whose signature holds, and the key that made it."""

    payload: dict[str, Any]
    method: str


def seal(payload: Mapping[str, Any], type_: str, method: str, signer: Signer) -> str:
    """A compact JWS over the payload's canonical form.

    Args:
        payload: a credential, or a presentation.
        type_: `CREDENTIAL_TYPE` or `PRESENTATION_TYPE`.
        method: the verification method of the signer's key, for ``kid``.
        signer: a key of any kind; it decides the algorithm.
    """
    header = {
        "alg": _ALGORITHMS[signer.public.kind],
        "cty": type_.partition("+")[0],
        "kid": method,
        "typ": type_,
    }
    signed = b".".join(_base64url(canonical(part)) for part in (header, payload))
    return b".".join((signed, _base64url(signer.sign(signed)))).decode()


def open_jwt(token: str, type_: str, purpose: Purpose, find_key: FindKey) -> Opened:
    """The payload of a JWT.

    Raises:
        CredentialError: TOO_LARGE, MALFORMED_JWT, MALFORMED_JSON, CRYPTOSUITE_UNSUPPORTED,
            SIGNATURE_INVALID, or what ``find_key`` raises.
    """
    if len(token) > limits.VC_BYTES_MAX:
        raise CredentialError(Fault.TOO_LARGE, f"a token may have {limits.VC_BYTES_MAX} bytes")
    header = _read_header(token)
    if header.get("typ") != type_:
        raise CredentialError(Fault.MALFORMED_JWT, f"the header's typ is not {type_}")
    if unknown := header.keys() - _HEADER:
        raise CredentialError(Fault.MALFORMED_JWT, f"a header may not have {sorted(unknown)[0]!r}")
    method, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(method, str) or "#" not in method:
        raise CredentialError(Fault.MALFORMED_JWT, "kid: not the DID URL of a verification method")
    if algorithm not in _ALGORITHMS.values():
        raise CredentialError(
            Fault.CRYPTOSUITE_UNSUPPORTED, f"alg: one of {', '.join(_ALGORITHMS.values())}"
        )
    key = find_key(method, purpose)
    if algorithm != _ALGORITHMS[key.kind]:
        raise CredentialError(Fault.CRYPTOSUITE_UNSUPPORTED, f"alg: {method} is of another kind")
    try:
        # Signatures of both curves have a second form, which joserfc takes as well: no matter,
        # as nothing is known by a token's bytes.
        payload = jws.deserialize_compact(token, _jose_key(key), [algorithm]).payload
    except (JoseError, ValueError, TypeError):
        raise CredentialError(
            Fault.SIGNATURE_INVALID, "the signature is not of this token and key"
        ) from None
    return Opened(read_object(payload), method)


def read_unchecked(secured: str) -> dict[str, Any]:
    """What a document of one's own says, signed in whichever way; its signature is not looked at.

    Raises:
        CredentialError: TOO_LARGE, MALFORMED_JWT or MALFORMED_JSON.
    """
    if secured.startswith("{"):
        return read_object(secured)
    _read_header(secured)
    return _read_part(secured.split(".")[1])


def _read_header(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii():
        raise CredentialError(
            Fault.MALFORMED_JWT, "not three parts of base64url with points between them"
        )
    return _read_part(parts[0])


def _read_part(text: str) -> dict[str, Any]:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise CredentialError(Fault.MALFORMED_JWT, "a part that is not base64url") from None
    return read_object(data)


def _jose_key(key: VerifyKey) -> OKPKey | ECKey:
    if key.kind is KeyKind.ED25519:
        public: Any = Ed25519PublicKey.from_public_bytes(key.raw)
    else:
        public = ec.EllipticCurvePublicKey.from_encoded_point(key.kind.curve(), key.raw)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return (OKPKey if key.kind is KeyKind.ED25519 else ECKey).import_key(pem)


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
