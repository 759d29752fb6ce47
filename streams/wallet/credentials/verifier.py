"""Whether a credential or a presentation is to be believed, now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from streams import limits
from streams.clock import Clock
from streams.wallet.credentials.envelope import (
    CREDENTIAL_TYPE,
    PRESENTATION_TYPE,
    open_jwt,
)
from streams.wallet.credentials.evidence import Evidence
from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.integrity import Proof, check_proofs
from streams.wallet.credentials.model import (
    Credential,
    Presentation,
    read_credential,
    read_presentation,
)
from streams.wallet.credentials.strict_json import read_object
from streams.wallet.did import DidError, VerifyKey
from streams.wallet.documents import Purpose
from streams.wallet.resolver import Resolver, UnresolvedError

_SECONDS_MAX: Final = 1e12  # past all calendars
_UNCHANGING: Final = "did:key:"  # a document that follows from the name


@dataclass(frozen=True, slots=True)
class Presented:
    """A presentation that holds, with its credentials, all of which hold."""

    presentation: Presentation
    credentials: tuple[Credential, ...]


class StatusChecker(Protocol):
    """Knows whether a credential was taken back."""

    def check(self, status: Mapping[str, Any], issuer: str) -> None:
        """Returns if by an entry of ``credentialStatus`` the issuer's credential still holds.

        Raises:
            CredentialError: it does not, or this cannot be known now.
        """
        ...


class Verifier:
    """Checks whatever is shown, each time from nothing: what held before may be revoked now."""

    def __init__(
        self, resolver: Resolver, clock: Clock, statuses: StatusChecker | None = None
    ) -> None:
        """A verifier.

        Args:
            resolver: finds the documents of issuers and holders.
            clock: which time it is.
            statuses: knows what was revoked; without it a credential that can be is refused.
        """
        self._statuses = statuses
        self._resolver = resolver
        self._clock = clock

    def credential(self, secured: bytes | str | Mapping[str, Any]) -> Credential:
        """A credential that holds now.

        Args:
            secured: JSON with a proof, or a ``vc+jwt``, as text; or such JSON already read by
                `strict_json.read_object`.

        Raises:
            CredentialError: it does not; ``fault`` says why.
        """
        shown = secured if isinstance(secured, Mapping) else _read(secured)
        if isinstance(shown, str):
            opened = open_jwt(shown, CREDENTIAL_TYPE, Purpose.ASSERTION, self._key)
            credential = read_credential(opened.payload)
            self._check_claims(opened.payload, credential)
            methods = [opened.method]
        else:
            read_credential(shown)  # refused for its form before anything is resolved for it
            signed, proofs = check_proofs(shown, Purpose.ASSERTION, self._key)
            credential = read_credential(signed)
            self._check_proof_times(proofs)
            methods = [proof.method for proof in proofs]
        _check_methods(methods, credential.issuer, "issuer")
        self._check_period(credential.valid_from_ms, credential.valid_until_ms, "the credential")
        self._check_statuses(credential.statuses, credential.issuer)
        return replace(credential, methods=tuple(methods))

    def still_holds(self, issuer: str, evidence: Evidence) -> None:
        """Returns if what `credential` believed is to be believed now.

        Raises:
            CredentialError: it has ended or was taken back, or this cannot be known now.
        """
        for method in evidence.methods:
            if not method.startswith(_UNCHANGING):
                self._key(method, Purpose.ASSERTION)
        self._check_period(None, evidence.until_ms, "the credential")
        self._check_statuses(evidence.status_entries, issuer)

    def presentation(self, secured: bytes | str, *, challenge: str, domain: str) -> Presented:
        """A presentation made by its holder for this challenge and domain; its credentials hold.

        Whose credentials they are (``subject_ids``) is the caller's to compare with the holder.

        Raises:
            CredentialError: it does not hold, or one of its credentials does not.
        """
        shown = _read(secured)
        if isinstance(shown, str):
            opened = open_jwt(shown, PRESENTATION_TYPE, Purpose.AUTHENTICATION, self._key)
            presentation, methods = read_presentation(opened.payload), [opened.method]
            self._check_jwt_times(opened.payload)
            audience = opened.payload.get("aud", [])
            _check_binding(
                opened.payload.get("nonce"), challenge,
                audience if isinstance(audience, list) else [audience], domain,
            )  # fmt: skip
        else:
            read_presentation(shown)
            signed, proofs = check_proofs(shown, Purpose.AUTHENTICATION, self._key)
            presentation, methods = read_presentation(signed), [one.method for one in proofs]
            self._check_proof_times(proofs)
            for proof in proofs:
                _check_binding(proof.challenge, challenge, proof.domain, domain)
        _check_methods(methods, presentation.holder, "holder")
        return Presented(presentation, tuple(map(self.credential, presentation.credentials)))

    def _check_statuses(self, statuses: Sequence[Mapping[str, Any]], issuer: str) -> None:
        for status in statuses:
            if self._statuses is None:
                raise CredentialError(Fault.STATUS_UNSUPPORTED, "its status cannot be looked at")
            self._statuses.check(status, issuer)

    def _key(self, method: str, purpose: Purpose) -> VerifyKey:
        did = method.partition("#")[0]
        try:
            return self._resolver.resolve(did).verify_key(method, purpose)
        except UnresolvedError as error:
            raise CredentialError(Fault.DID_UNRESOLVED, str(error)) from error
        except DidError as error:
            raise CredentialError(Fault.METHOD_NOT_AUTHORIZED, str(error)) from error

    def _check_proof_times(self, proofs: list[Proof]) -> None:
        for proof in proofs:
            self._check_period(proof.created_ms, proof.expires_ms, "the proof")

    def _check_claims(self, payload: Mapping[str, Any], credential: Credential) -> None:
        """JWT claims that repeat what the credential says have to say the same."""
        if "vc" in payload or "vp" in payload:
            raise CredentialError(Fault.MALFORMED_CREDENTIAL, "vc, vp: not in a vc+jwt of 2.0")
        same = {
            "iss": credential.issuer,
            "jti": credential.body.get("id"),
            "sub": next(iter(credential.subject_ids), None),
        }
        for name, value in same.items():
            if name in payload and payload[name] != value:
                raise CredentialError(
                    Fault.MALFORMED_CREDENTIAL, f"{name}: the credential says otherwise"
                )
        self._check_jwt_times(payload)

    def _check_jwt_times(self, payload: Mapping[str, Any]) -> None:
        times: dict[str, int | None] = {}
        for name in ("nbf", "iat", "exp"):
            value = payload.get(name)
            if value is not None and not _is_seconds(value):
                raise CredentialError(Fault.MALFORMED_JWT, f"{name}: not a number of seconds")
            times[name] = None if value is None else int(value * 1000)
        self._check_period(times["nbf"], times["exp"], "the token")
        self._check_period(times["iat"], None, "the token")

    def _check_period(self, from_ms: int | None, until_ms: int | None, what: str) -> None:
        now_ms, skew_ms = self._clock.now_ms(), limits.CLOCK_SKEW_MS
        if from_ms is not None and now_ms + skew_ms < from_ms:
            raise CredentialError(Fault.NOT_YET_VALID, f"{what} is not valid yet")
        if until_ms is not None and now_ms - skew_ms >= until_ms:
            raise CredentialError(Fault.EXPIRED, f"{what} has expired")


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _SECONDS_MAX


def _read(secured: bytes | str) -> dict[str, Any] | str:
    """JSON, or else the text of a token."""
    text = secured
    if isinstance(text, bytes):
        if len(text) > limits.VC_BYTES_MAX:
            raise CredentialError(Fault.TOO_LARGE, f"over {limits.VC_BYTES_MAX} bytes")
        try:
            text = text.decode()
        except UnicodeDecodeError:
            raise CredentialError(Fault.MALFORMED_JSON, "not UTF-8") from None
    text = text.strip()
    return read_object(text) if text.startswith("{") else text


def _check_methods(methods: list[str], controller: str, role: str) -> None:
    """Whoever a document names has to be the one whose key signed it."""
    for method in methods:
        if method.partition("#")[0] != controller:
            raise CredentialError(
                Fault.METHOD_NOT_AUTHORIZED, f"signed with a key that is not the {role}'s"
            )


def _check_binding(
    shown_challenge: object, challenge: str, domains: list[Any] | tuple[str, ...], domain: str
) -> None:
    if shown_challenge != challenge:
        raise CredentialError(Fault.CHALLENGE_MISMATCH, "made for another challenge")
    if domain not in domains:
        raise CredentialError(Fault.DOMAIN_MISMATCH, f"not made for {domain}")
