"""Credentials and presentations of one's own."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from streams.wallet.credentials.envelope import CREDENTIAL_TYPE, PRESENTATION_TYPE, seal
from streams.wallet.credentials.instants import write_instant
from streams.wallet.credentials.integrity import add_proof
from streams.wallet.credentials.model import (
    CONTEXT,
    CREDENTIAL,
    PRESENTATION,
    enveloped,
    read_credential,
)
from streams.wallet.credentials.strict_json import canonical, read_object
from streams.wallet.documents import Purpose
from streams.wallet.keys import Signer


class Securing(StrEnum):
    """How a document is signed."""

    DATA_INTEGRITY = "data-integrity"
    JWT = "jwt"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs: a DID, the verification method of the key, and the key."""

    did: str
    method: str
    signer: Signer

    @classmethod
    def of_key(cls, signer: Signer) -> "Identity":
        """The did:key of a key."""
        did = signer.public.did
        return cls(did, f"{did}#{signer.public.multikey}", signer)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a credential is to say."""

    types: Sequence[str]  # beside VerifiableCredential
    subject: Mapping[str, Any]
    contexts: Sequence[str | Mapping[str, Any]] = ()  # beside the model's own
    valid_until_ms: int | None = None
    status: Mapping[str, Any] | None = None
    id: str | None = None  # by default a random one


def issue(statement: Statement, issuer: Identity, now_ms: int, securing: Securing) -> str:
    """A signed credential: JSON with a proof, or a token.

    Raises:
        CredentialError: the statement makes no credential of the model's form.
        ValueError: a key that cannot sign so (data-integrity takes Ed25519).
    """
    now = write_instant(now_ms)
    body: dict[str, Any] = {
        "@context": [CONTEXT, *statement.contexts],
        "id": statement.id or f"urn:uuid:{uuid.uuid4()}",
        "type": [CREDENTIAL, *statement.types],
        "issuer": issuer.did,
        "validFrom": now,
        "credentialSubject": dict(statement.subject),
    }
    if statement.valid_until_ms is not None:
        body["validUntil"] = write_instant(statement.valid_until_ms)
    if statement.status is not None:
        body["credentialStatus"] = dict(statement.status)
    read_credential(body)
    if securing is Securing.JWT:
        return seal(body, CREDENTIAL_TYPE, issuer.method, issuer.signer)
    options = {
        "created": now,
        "verificationMethod": issuer.method,
        "proofPurpose": Purpose.ASSERTION,
    }
    return canonical(add_proof(body, options, issuer.signer)).decode()


def present(
    credentials: Sequence[str],
    holder: Identity,
    now_ms: int,
    *,
    challenge: str,
    domain: str,
    securing: Securing,
) -> str:
    """A presentation of signed credentials (each JSON or a token), for one challenge and domain.

    Raises:
        CredentialError: what is to be presented is not JSON.
        ValueError: a key that cannot sign so.
    """
    held = [
        read_object(one) if one.startswith("{") else enveloped(one)
        for one in (text.strip() for text in credentials)
    ]
    body: dict[str, Any] = {
        "@context": [CONTEXT],
        "type": [PRESENTATION],
        "holder": holder.did,
        "verifiableCredential": held,
    }
    if securing is Securing.JWT:
        bound = {**body, "aud": domain, "nonce": challenge, "iat": now_ms // 1000}
        return seal(bound, PRESENTATION_TYPE, holder.method, holder.signer)
    options = {
        "created": write_instant(now_ms),
        "verificationMethod": holder.method,
        "proofPurpose": Purpose.AUTHENTICATION,
        "challenge": challenge,
        "domain": domain,
    }
    return canonical(add_proof(body, options, holder.signer)).decode()
