"""What owners can do, as OpenAPI says it; part of `streams.endpoint.openapi`."""

from typing import Final

from streams import limits
from streams.endpoint.admission import Refusal
from streams.endpoint.openapi_parts import (
    ANY,
    BODY,
    CHALLENGE,
    COUNT,
    CREDENTIAL,
    DAPP,
    REGISTER,
    TEXT,
    Json,
    answer,
    closed,
    json_body,
    object_of,
    path,
    query,
    refusals,
)

_OWNER: Final = (
    Refusal.TOKEN_MISSING, Refusal.TOKEN_EXPIRED, Refusal.TOKEN_FORGED, Refusal.NOT_FOUND,
    Refusal.INTERNAL,
)  # fmt: skip
_WRITTEN: Final = (
    Refusal.OWNER_UNKNOWN, Refusal.OVERLOADED, Refusal.LOG_UNAVAILABLE, Refusal.MALFORMED_REQUEST,
)  # fmt: skip
_NAME: Final[Json] = {"type": "string", "maxLength": limits.DEVICE_BYTES_MAX}
_NAMES: Final[Json] = {
    "type": ["array", "null"],
    "items": _NAME,
    "maxItems": limits.GRANT_DEVICES_MAX,
    "description": "DIDs of devices; null: all of the owner's",
}
_TYPES: Final[Json] = {
    "type": ["array", "null"],
    "items": {"type": "string", "minLength": 1, "maxLength": limits.EVENT_TYPE_BYTES_MAX},
    "minItems": 1,
    "maxItems": limits.GRANT_EVENT_TYPES_MAX,
    "description": "event types; null: all",
}
_UNTIL: Final[Json] = {"type": ["integer", "null"], "minimum": 0, "maximum": limits.TIME_MS_MAX}
_SIGNATURE: Final[Json] = {"type": "string", "pattern": "^0x[0-9a-fA-F]{130}$"}
_DEVICE: Final[Json] = object_of(
    device=TEXT, status={"enum": ["active", "revoked"]}, held={"type": ["string", "null"]}
)
_GRANT: Final[Json] = object_of(
    dapp=DAPP, since_ms=COUNT, until_ms=_UNTIL, devices=_NAMES, event_types=_TYPES
)
_STATE: Final[Json] = {"enum": ["asked", "under_way", "done"]}
_ERASURE: Final[Json] = object_of(
    {"certificate": {"type": "object"}},
    erasure=TEXT, owner=TEXT, devices={"type": "array", "items": TEXT}, asked_ms=COUNT,
    state=_STATE,
)  # fmt: skip
_ERASURES: Final[Json] = object_of(erasures={"type": "array", "items": _ERASURE})
_SECURITY: Final[Json] = {"security": [{"owner": []}]}


def owners_paths() -> Json:
    """The paths."""
    device, dapp = path("device", TEXT), path("dapp")
    return {
        "/v1/owners/nonce": {"get": _nonce()},
        "/v1/owners/session": {"post": _session()},
        "/v1/owners/me/devices": {"get": _devices(), "post": _add()},
        "/v1/owners/me/devices/{device}": {
            "delete": _change(
                "Revoke a device, for good.", device, object_of(device=TEXT, status=TEXT),
                Refusal.DEVICE_UNKNOWN,
            )
        },
        "/v1/owners/me/grants": {"get": _grants()},
        "/v1/owners/me/erasures": {"get": _erasures(), "post": _erase()},
        "/v1/owners/me/erasures/{erasure}": {"get": _erasure()},
        "/v1/owners/me/grants/{dapp}": {
            "put": _grant(),
            "delete": _change(
                "Withdraw what was granted.", dapp, object_of(dapp=DAPP, status=TEXT),
                Refusal.NOT_GRANTED,
            ),
        },
    }  # fmt: skip


def _nonce() -> Json:
    said = object_of(nonce=TEXT, domain=TEXT, chain_id=COUNT, version=TEXT, expires_ms=COUNT)
    return {
        "summary": "What a text of EIP-4361 has to have.",
        "responses": {"200": answer("A nonce, for one log-in.", said)}
        | refusals(Refusal.NOT_FOUND, Refusal.INTERNAL, Refusal.ADDRESS_RATE_EXCEEDED),
    }


def _session() -> Json:
    asked = closed(object_of(message=CREDENTIAL, signature=_SIGNATURE))
    said = object_of(owner=TEXT, token=TEXT, expires_ms=COUNT)
    return {
        "summary": "An owner's token, for a signed text of EIP-4361.",
        "requestBody": json_body(asked),
        "responses": {"200": answer("The token.", said)}
        | refusals(
            *ANY, *BODY, *CHALLENGE, Refusal.DOMAIN_MISMATCH, Refusal.OWNER_UNKNOWN,
            Refusal.NOT_FOUND,
        ),
    }  # fmt: skip


def _devices() -> Json:
    said = object_of({"after": TEXT}, devices={"type": "array", "items": _DEVICE})
    return _SECURITY | {
        "summary": "The owner's devices, a page at a time.",
        "parameters": [query("after", TEXT, "What the page before said, if it said so.")],
        "responses": {"200": answer("The devices.", said)} | refusals(*_OWNER),
    }


def _add() -> Json:
    asked = closed(object_of(device=CREDENTIAL, challenge=CREDENTIAL, signature=CREDENTIAL))
    return _SECURITY | {
        "summary": "Add a device, which has signed a challenge.",
        "requestBody": json_body(asked),
        "responses": {"201": answer("It is the owner's.", _DEVICE)}
        | refusals(*_OWNER, *_WRITTEN, *BODY, *CHALLENGE, *REGISTER),
    }


def _grants() -> Json:
    said = object_of(grants={"type": "array", "items": _GRANT})
    return _SECURITY | {
        "summary": "What the owner has granted.",
        "responses": {"200": answer("The grants.", said)} | refusals(*_OWNER),
    }


def _grant() -> Json:
    asked = closed(object_of({"until_ms": _UNTIL, "devices": _NAMES, "event_types": _TYPES}))
    return _SECURITY | {
        "summary": "Grant a Dapp what devices send, in place of what was granted.",
        "parameters": [path("dapp")],
        "requestBody": json_body(asked),
        "responses": {"200": answer("It is granted.", _GRANT)}
        | refusals(*_OWNER, *_WRITTEN, *BODY, Refusal.UNKNOWN_DAPP, Refusal.DEVICE_UNKNOWN),
    }


def _erasures() -> Json:
    return _SECURITY | {
        "summary": "What the owner has had erased.",
        "responses": {"200": answer("The erasures.", _ERASURES)} | refusals(*_OWNER),
    }


def _erase() -> Json:
    asked = closed(object_of({"devices": _NAMES, "erasure": _NAME}))
    return _SECURITY | {
        "summary": "Erase what devices have sent so far, and what came of it.",
        "requestBody": json_body(asked),
        "responses": {"202": answer("It is under way.", _ERASURES)}
        | refusals(*_OWNER, *_WRITTEN, *BODY, Refusal.DEVICE_UNKNOWN),
    }


def _erasure() -> Json:
    return _SECURITY | {
        "summary": "An erasure, with its certificate once it is carried out.",
        "parameters": [path("erasure", TEXT)],
        "responses": {"200": answer("The erasure.", _ERASURE)} | refusals(*_OWNER),
    }


def _change(summary: str, parameter: Json, said: Json, refusal: Refusal) -> Json:
    return _SECURITY | {
        "summary": summary,
        "parameters": [parameter],
        "responses": {"200": answer("Done.", said)} | refusals(*_OWNER, *_WRITTEN, refusal),
    }
