"""What each refusal is called in gRPC; its own name goes along in the trailing metadata."""

from collections.abc import Mapping
from typing import Final

from grpc import StatusCode

from streams.endpoint.admission import Refusal, RefusedError

REFUSAL: Final = "w3b-refusal"
RETRY_ID: Final = "w3b-id"
RETRY_AFTER: Final = "retry-after"
_PUSHBACK: Final = "grpc-retry-pushback-ms"  # what gRPC's own retries go by (proposal A6)
_RETRY_AFTER_S: Final = 1

STATUS: Final[Mapping[Refusal, StatusCode]] = {
    Refusal.MALFORMED_REQUEST: StatusCode.INVALID_ARGUMENT,
    Refusal.MALFORMED_JSON: StatusCode.INVALID_ARGUMENT,
    Refusal.MALFORMED_CBOR: StatusCode.INVALID_ARGUMENT,
    Refusal.NO_MESSAGES: StatusCode.INVALID_ARGUMENT,
    Refusal.TOO_LARGE: StatusCode.INVALID_ARGUMENT,
    Refusal.TOO_MANY_MESSAGES: StatusCode.INVALID_ARGUMENT,
    Refusal.BROKEN_PROTOCOL: StatusCode.INVALID_ARGUMENT,
    Refusal.TOO_SLOW: StatusCode.DEADLINE_EXCEEDED,
    Refusal.TOKEN_MISSING: StatusCode.UNAUTHENTICATED,
    Refusal.TOKEN_EXPIRED: StatusCode.UNAUTHENTICATED,
    Refusal.TOKEN_FORGED: StatusCode.UNAUTHENTICATED,
    Refusal.CHALLENGE_EXPIRED: StatusCode.UNAUTHENTICATED,
    Refusal.CHALLENGE_FORGED: StatusCode.UNAUTHENTICATED,
    Refusal.CHALLENGE_USED: StatusCode.UNAUTHENTICATED,
    Refusal.SIGNATURE_INVALID: StatusCode.UNAUTHENTICATED,
    Refusal.DOMAIN_MISMATCH: StatusCode.UNAUTHENTICATED,
    Refusal.DEVICE_UNKNOWN: StatusCode.PERMISSION_DENIED,
    Refusal.DEVICE_REVOKED: StatusCode.PERMISSION_DENIED,
    Refusal.CREDENTIAL_REFUSED: StatusCode.PERMISSION_DENIED,
    Refusal.OWNER_UNKNOWN: StatusCode.PERMISSION_DENIED,
    Refusal.DEVICE_OWNED: StatusCode.ALREADY_EXISTS,
    Refusal.TOO_MANY_DEVICES: StatusCode.FAILED_PRECONDITION,
    Refusal.NOT_GRANTED: StatusCode.PERMISSION_DENIED,
    Refusal.UNKNOWN_DAPP: StatusCode.NOT_FOUND,
    Refusal.NOT_FOUND: StatusCode.NOT_FOUND,
    Refusal.UNKNOWN_QUERY: StatusCode.NOT_FOUND,
    Refusal.QUERY_REFUSED: StatusCode.INVALID_ARGUMENT,
    Refusal.DATABASE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Refusal.DEVICE_RATE_EXCEEDED: StatusCode.RESOURCE_EXHAUSTED,
    Refusal.OWNER_RATE_EXCEEDED: StatusCode.RESOURCE_EXHAUSTED,
    Refusal.ADDRESS_RATE_EXCEEDED: StatusCode.RESOURCE_EXHAUSTED,
    Refusal.DAPP_RATE_EXCEEDED: StatusCode.RESOURCE_EXHAUSTED,
    Refusal.OVERLOADED: StatusCode.RESOURCE_EXHAUSTED,
    Refusal.LOG_UNAVAILABLE: StatusCode.UNAVAILABLE,
    Refusal.NOT_POSSIBLE: StatusCode.FAILED_PRECONDITION,
    Refusal.METHOD_NOT_ALLOWED: StatusCode.UNIMPLEMENTED,
    Refusal.INTERNAL: StatusCode.INTERNAL,
}
_AGAIN: Final = frozenset({StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAVAILABLE})
# Of the sender, whatever it sends: they end a stream.
_SENDERS: Final = frozenset({StatusCode.UNAUTHENTICATED, StatusCode.INTERNAL})
_SENDERS_TOO: Final = frozenset(
    {Refusal.DEVICE_REVOKED, Refusal.DEVICE_UNKNOWN, Refusal.CREDENTIAL_REFUSED}
)


def ends_stream(refusal: Refusal) -> bool:
    """Whether no further message of the same stream can be taken either."""
    return STATUS[refusal] in _SENDERS or refusal in _SENDERS_TOO


def retry_after_s(refused: RefusedError) -> int | None:
    """When a retry may succeed; None: it will not."""
    if STATUS[refused.refusal] not in _AGAIN:
        return None
    return refused.retry_after_s or _RETRY_AFTER_S


def trailing(refused: RefusedError) -> tuple[tuple[str, str], ...]:
    """The metadata that go with a refusal's status."""
    said = [(REFUSAL, str(refused.refusal))]
    if refused.retry_id is not None:
        said.append((RETRY_ID, refused.retry_id))
    if (seconds := retry_after_s(refused)) is not None:
        said += [(RETRY_AFTER, str(seconds)), (_PUSHBACK, str(1000 * seconds))]
    return tuple(said)
