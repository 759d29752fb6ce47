"""How an owner logs in: by signing a text with an Ethereum account, for a token of short life.

A nonce carries its own end and an HMAC under the secret of tokens, so that nothing is stored when
one is asked for. A process takes each once; several behind one address do not tell each other.
"""

import hashlib
import hmac
import secrets as randomness
from dataclasses import dataclass
from typing import Final

from streams import limits
from streams.clock import Clock
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.tokens import OWNER_TYPE, Secrets, Tokens, UsedOnce
from streams.wallet.sign_in import SignInError, is_signed_by, read_sign_in

_PURPOSE: Final = b"w3b owner's nonce"
_END_BYTES: Final = 6
_RANDOM_BYTES: Final = 10
_MAC_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Site:
    """For whom a text has to be made."""

    domain: str  # host, or host:port
    chain_id: int  # of EIP-155: which accounts are meant


class OwnerLogins:
    """Logs owners in."""

    def __init__(self, secrets: Secrets, site: Site, clock: Clock) -> None:
        """``secrets``: as those of `Tokens`."""
        self.site = site
        self._secrets = secrets
        self._clock = clock
        self._tokens = Tokens(secrets, clock, OWNER_TYPE)
        self._used = UsedOnce()

    def nonce(self) -> tuple[str, int]:
        """A nonce for a text, of letters and digits, and when it ends (ms since 1970)."""
        end_ms = self._clock.now_ms() + 1000 * limits.OWNER_NONCE_LIFE_S
        body = end_ms.to_bytes(_END_BYTES) + randomness.token_bytes(_RANDOM_BYTES)
        return (body + _mac(self._secrets()[0], body)).hex(), end_ms

    def log_in(self, text: str, signature: bytes) -> tuple[str, str, int]:
        """The owner's DID, a token, and when it ends (ms), for who signed a text.

        Raises:
            RefusedError: MALFORMED_REQUEST, CHALLENGE_FORGED, CHALLENGE_EXPIRED, CHALLENGE_USED,
                DOMAIN_MISMATCH, SIGNATURE_INVALID, or OVERLOADED.
        """
        try:
            said = read_sign_in(text)
        except SignInError as error:
            raise RefusedError(Refusal.MALFORMED_REQUEST, f"message: {error}") from None
        now_ms = self._clock.now_ms()
        end_ms = self._end_of(said.nonce)
        if now_ms >= end_ms or not said.holds_at(now_ms):
            raise RefusedError(
                Refusal.CHALLENGE_EXPIRED, "the nonce or the text is not of now: ask for another"
            )
        self._used.check(said.nonce)
        site = self.site
        if not said.is_for(site.domain) or said.chain_id != site.chain_id:
            raise RefusedError(
                Refusal.DOMAIN_MISMATCH,
                f"sign for {site.domain} and chain {site.chain_id}: GET /v1/owners/nonce says so",
            )
        if not is_signed_by(text, signature, said.address):
            raise RefusedError(
                Refusal.SIGNATURE_INVALID,
                "not the account's signature over the message (EIP-191, 65 bytes as 0x…)",
                owner=said.did,
            )
        self._used.remember(said.nonce, end_ms, now_ms)
        token, expires_ms = self._tokens.issue(said.did)
        return said.did, token, expires_ms

    def owner_of(self, token: str) -> str:
        """Whose token it is.

        Raises:
            RefusedError: TOKEN_FORGED or TOKEN_EXPIRED.
        """
        return self._tokens.holder_of(token)

    def _end_of(self, nonce: str) -> int:
        try:
            raw = bytes.fromhex(nonce)
        except ValueError:
            raw = b""
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        known = [hmac.compare_digest(_mac(secret, body), mac) for secret in self._secrets()]
        if len(body) != _END_BYTES + _RANDOM_BYTES or not any(known):
            raise RefusedError(
                Refusal.CHALLENGE_FORGED, "this node did not give the nonce: GET /v1/owners/nonce"
            )
        return int.from_bytes(body[:_END_BYTES])


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + body, hashlib.sha256)[:_MAC_BYTES]
