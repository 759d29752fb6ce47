"""How a device proves who it is: a signed challenge for a token of short life.

Both are JWTs (RFC 7519) under an HMAC key that the endpoint processes of one node share, so
nothing is stored and any process accepts what another issued. Their ``typ`` keeps one from
passing for the other (RFC 8725, section 3.11). A device signs the challenge's text with the key
that its did:key names.
"""

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from streams import limits
from streams.clock import Clock
from streams.endpoint.admission import Refusal, RefusedError
from streams.wallet.did import DidError, VerifyKey, parse_did_key

_ALGORITHM: Final = "HS256"  # the issuer is the only one who checks
_TOKEN_TYPE: Final = "w3b-token+jwt"
OWNER_TYPE: Final = "w3b-owner+jwt"
OPERATOR_TYPE: Final = "w3b-operator+jwt"
_CHALLENGE_TYPE: Final = "w3b-challenge+jwt"

# Secrets of 32 bytes, newest first: it signs, the others are still believed. Asked whenever one is
# used, so that they can be rotated while the node runs.
Secrets = Callable[[], Sequence[bytes]]


class Tokens:
    """Issues tokens and says whose they are."""

    def __init__(self, secrets: Secrets, clock: Clock, type_: str = _TOKEN_TYPE) -> None:
        """``secrets``: shared by a node's endpoint processes; ``type_``: whose tokens they are."""
        self._type = type_
        self._secrets = secrets
        self._clock = clock
        # By the token's SHA-256, so that how long a look-up takes tells nothing of a token.
        self._checked: dict[bytes, tuple[str, int]] = {}
        self._held: tuple[bytes, ...] = ()
        self._look_ms = 0

    def issue(self, holder: str, life_s: int = limits.TOKEN_LIFE_S) -> tuple[str, int]:
        """A token for who it is to be, and when it expires (ms since 1970)."""
        return _issue(self._secrets, self._type, holder, self._clock, life_s)

    def holder_of(self, token: str) -> str:
        """The DID of who holds a token.

        Raises:
            RefusedError: TOKEN_FORGED or TOKEN_EXPIRED.
        """
        now_ms = self._clock.now_ms()
        if now_ms >= self._look_ms:
            self._forget_if_rotated(now_ms)
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        checked = self._checked.get(digest)
        if checked is None:
            claims = _read(self._secrets, self._type, token, Refusal.TOKEN_FORGED)
            checked = (claims["sub"], claims["exp"] * 1000)
            if len(self._checked) >= limits.TOKENS_CACHED_MAX:
                del self._checked[next(iter(self._checked))]  # the oldest
            self._checked[digest] = checked
        holder, expires_ms = checked
        if now_ms >= expires_ms:
            refused = RefusedError(
                Refusal.TOKEN_EXPIRED, "the token has expired: sign a new challenge for another"
            )
            if self._type == _TOKEN_TYPE:
                refused.of(device=holder)
            elif self._type == OWNER_TYPE:
                refused.of(owner=holder)
            raise refused
        return holder

    def _forget_if_rotated(self, now_ms: int) -> None:
        """What was checked under a secret that has gone has to be checked again."""
        held = tuple(self._secrets())
        if held != self._held:
            self._checked.clear()
        self._held, self._look_ms = held, now_ms + limits.SECRETS_LOOK_MS


class Challenges:
    """Issues challenges and takes each one's signature once."""

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        """``secrets``: as those of `Tokens`."""
        self._secrets = secrets
        self._clock = clock
        self._used = UsedOnce()

    def issue(self, device: str) -> tuple[str, int]:
        """A text for the device to sign, and when it expires (ms since 1970).

        Any did:key gets one, registered or not: the answer tells nothing about a device.

        Raises:
            RefusedError: MALFORMED_REQUEST, not a did:key that can sign.
        """
        _key_of(device)
        return _issue(self._secrets, _CHALLENGE_TYPE, device, self._clock, limits.CHALLENGE_LIFE_S)

    def redeem(self, device: str, challenge: str, signature: bytes) -> None:
        """Returns if ``signature`` is the device's over the challenge's UTF-8 bytes.

        A process accepts a challenge once; several processes behind one address do not tell
        each other, so there it is once each within the challenge's life.

        Raises:
            RefusedError: MALFORMED_REQUEST, CHALLENGE_FORGED, CHALLENGE_EXPIRED,
                CHALLENGE_USED, SIGNATURE_INVALID or OVERLOADED (try later).
        """
        key = _key_of(device)
        claims = _read(self._secrets, _CHALLENGE_TYPE, challenge, Refusal.CHALLENGE_FORGED)
        if not hmac.compare_digest(claims["sub"].encode(), device.encode()):
            raise RefusedError(
                Refusal.CHALLENGE_FORGED, "the challenge was issued to another device"
            )
        now_ms = self._clock.now_ms()
        if now_ms >= claims["exp"] * 1000:
            raise RefusedError(
                Refusal.CHALLENGE_EXPIRED,
                f"the challenge is over {limits.CHALLENGE_LIFE_S} s old: ask for another",
            )
        nonce = claims["jti"]
        self._used.check(nonce)
        if not key.verify(signature, challenge.encode()):
            raise RefusedError(
                Refusal.SIGNATURE_INVALID,
                "not the device's signature over the challenge's bytes (Ed25519, or ECDSA with "
                "SHA-256 as r ‖ s, in base64url)",
            )
        self._used.remember(nonce, claims["exp"] * 1000, now_ms)


class UsedOnce:
    """The nonces of one process that were used and have not expired."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}  # nonce → when it expires; in the order of use

    def check(self, nonce: str) -> None:
        """Raises `RefusedError` (CHALLENGE_USED) if it was used."""
        if nonce in self._used:
            raise RefusedError(
                Refusal.CHALLENGE_USED, "the challenge has been used: ask for another"
            )

    def remember(self, nonce: str, expires_ms: int, now_ms: int) -> None:
        """It is used: call this for who has signed it only, so that strangers cannot fill it.

        Raises:
            RefusedError: OVERLOADED.
        """
        while self._used and self._used[first := next(iter(self._used))] <= now_ms:
            del self._used[first]
        if len(self._used) >= limits.CHALLENGES_USED_MAX:
            raise RefusedError(Refusal.OVERLOADED, "too many log-ins at once: try again later")
        self._used[nonce] = expires_ms


def _key_of(device: str) -> VerifyKey:
    try:
        return parse_did_key(device)
    except DidError as error:
        raise RefusedError(Refusal.MALFORMED_REQUEST, f"device: {error}") from None


def _issue(held: Secrets, type_: str, device: str, clock: Clock, life_s: int) -> tuple[str, int]:
    issued_s = clock.now_ms() // 1000
    claims = {
        "sub": device,
        "iat": issued_s,
        "exp": issued_s + life_s,
        "jti": secrets.token_urlsafe(16),
    }
    key = OctKey.import_key(held()[0])
    text = jwt.encode({"alg": _ALGORITHM, "typ": type_}, claims, key, algorithms=[_ALGORITHM])
    return text, (issued_s + life_s) * 1000


def _read(held: Secrets, type_: str, text: str, forged: Refusal) -> Mapping[str, Any]:
    """The claims of a JWT that this node issued; whether it has expired is not looked at."""
    if len(text) <= limits.CREDENTIAL_BYTES_MAX and text.isascii():
        for secret in held():
            with contextlib.suppress(JoseError, ValueError):
                token = jwt.decode(text, OctKey.import_key(secret), algorithms=[_ALGORITHM])
                if token.header.get("typ") == type_:
                    return token.claims
    raise RefusedError(forged, "this node did not issue it")
