"""What the data model asks of a credential and of a presentation.

Source: W3C Verifiable Credentials Data Model 2.0, section 4. Terms that the model does not define
are the contexts' to define; they are signed, and read by whoever knows the type.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streams.wallet.credentials.faults import CredentialError, Fault
from streams.wallet.credentials.instants import read_instant

CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
CREDENTIAL: Final = "VerifiableCredential"
PRESENTATION: Final = "VerifiablePresentation"
ENVELOPED: Final = "EnvelopedVerifiableCredential"
_ENVELOPE: Final = "data:application/vc+jwt,"
_HELD_MAX: Final = 16  # in a presentation: each costs a resolution and a check
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
# Each of these is an object, or a list of objects, that says its type.
_TYPED: Final = (
    "credentialStatus",
    "credentialSchema",
    "evidence",
    "refreshService",
    "relatedResource",
    "renderMethod",
    "termsOfUse",
)


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential of the model's form. Times are in ms since 1970."""

    body: Mapping[str, Any]
    types: tuple[str, ...]
    issuer: str
    subjects: tuple[Mapping[str, Any], ...]
    valid_from_ms: int | None
    valid_until_ms: int | None
    statuses: tuple[Mapping[str, Any], ...]
    methods: tuple[str, ...] = ()  # that signed it: the verifier knows

    @property
    def subject_ids(self) -> tuple[str, ...]:
        """The ids of those subjects that have one."""
        return tuple(one["id"] for one in self.subjects if "id" in one)


def read_credential(body: Mapping[str, Any]) -> Credential:
    """A credential's parts.

    Raises:
        CredentialError: CONTEXT_MISSING, TYPE_MISSING or MALFORMED_CREDENTIAL.
    """
    fault = Fault.MALFORMED_CREDENTIAL
    _check_context(body)
    types = _types(body, CREDENTIAL)
    _url(body.get("id", "urn:none"), "id", fault)
    issuer = body.get("issuer")
    if isinstance(issuer, Mapping):
        issuer = issuer.get("id")
    subjects = _objects(body.get("credentialSubject"), "credentialSubject", fault)
    for subject in subjects:
        if not subject:
            raise CredentialError(fault, "credentialSubject: an object that says nothing")
        _url(subject.get("id", "urn:none"), "credentialSubject.id", fault)
    for name in _TYPED:
        for entry in _objects(body.get(name, []), name, fault):
            if name != "relatedResource" and "type" not in entry:
                raise CredentialError(fault, f"{name}: an object without a type")
    valid_from_ms = read_instant(body.get("validFrom"), "validFrom", fault)
    valid_until_ms = read_instant(body.get("validUntil"), "validUntil", fault)
    if valid_from_ms is not None and (valid_until_ms or valid_from_ms) < valid_from_ms:
        raise CredentialError(fault, "validUntil: before validFrom")
    if not subjects:
        raise CredentialError(fault, "credentialSubject: missing")
    return Credential(
        body,
        types,
        _url(issuer, "issuer", fault),
        tuple(subjects),
        valid_from_ms,
        valid_until_ms,
        tuple(_objects(body.get("credentialStatus", []), "credentialStatus", fault)),
    )


@dataclass(frozen=True, slots=True)
class Presentation:
    """A presentation of the model's form; its credentials are still to be checked.

    Each credential is an object with a proof, or the text of a ``vc+jwt``.
    """

    body: Mapping[str, Any]
    holder: str
    credentials: tuple[Mapping[str, Any] | str, ...]


def read_presentation(body: Mapping[str, Any]) -> Presentation:
    """A presentation's parts. It has to name its holder.

    Raises:
        CredentialError: CONTEXT_MISSING, TYPE_MISSING or MALFORMED_PRESENTATION.
    """
    fault = Fault.MALFORMED_PRESENTATION
    _check_context(body)
    _types(body, PRESENTATION)
    holder = body.get("holder")
    if isinstance(holder, Mapping):
        holder = holder.get("id")
    held = _objects(body.get("verifiableCredential", []), "verifiableCredential", fault)
    if len(held) > _HELD_MAX:
        raise CredentialError(fault, f"more than {_HELD_MAX} credentials")
    return Presentation(body, _url(holder, "holder", fault), tuple(_unwrapped(one) for one in held))


def enveloped(token: str) -> dict[str, Any]:
    """A ``vc+jwt`` as it lies in a presentation."""
    return {"@context": CONTEXT, "id": _ENVELOPE + token, "type": ENVELOPED}


def _unwrapped(held: Mapping[str, Any]) -> Mapping[str, Any] | str:
    if held.get("type") not in (ENVELOPED, [ENVELOPED]):
        return held
    address = held.get("id")
    if not isinstance(address, str) or not address.startswith(_ENVELOPE):
        raise CredentialError(
            Fault.MALFORMED_PRESENTATION, f"{ENVELOPED}: its id does not begin with {_ENVELOPE}"
        )
    return address.removeprefix(_ENVELOPE)


def _check_context(body: Mapping[str, Any]) -> None:
    contexts = body.get("@context")
    if not isinstance(contexts, list) or not contexts or contexts[0] != CONTEXT:
        raise CredentialError(Fault.CONTEXT_MISSING, f"@context: does not begin with {CONTEXT}")
    for one in contexts[1:]:
        if not isinstance(one, Mapping):
            _url(one, "@context", Fault.CONTEXT_MISSING)


def _types(body: Mapping[str, Any], needed: str) -> tuple[str, ...]:
    types = body.get("type")
    types = types if isinstance(types, list) else [types]
    if needed not in types or not all(isinstance(one, str) for one in types):
        raise CredentialError(Fault.TYPE_MISSING, f"type: is not, or does not contain, {needed}")
    return tuple(types)


def _objects(value: object, name: str, fault: Fault) -> Sequence[Mapping[str, Any]]:
    entries = value if isinstance(value, list) else [value]
    objects = [one for one in entries if isinstance(one, Mapping)]
    if len(objects) != len(entries):
        raise CredentialError(fault, f"{name}: missing, or not an object or a list of them")
    return objects


def _url(value: object, name: str, fault: Fault) -> str:
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise CredentialError(fault, f"{name}: missing, or not a URL")
    return value
