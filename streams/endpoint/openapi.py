"""The HTTP doors' own description (OpenAPI 3.1), served at ``/openapi.json``.

Written by hand beside the routes, because generated ones describe types and not refusals; a test
holds it to the routes, and fuzzes every operation against it.
"""

from collections.abc import Sequence
from typing import Final

from streams import limits
from streams.endpoint import bodies, queries, w3bstream
from streams.endpoint.admission import Refusal
from streams.endpoint.openapi_operators import operators_paths
from streams.endpoint.openapi_owners import owners_paths
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
    list_of,
    object_of,
    path,
    query,
    ref,
    refusals,
)
from streams.endpoint.published import PUBLISHED
from streams.wallet.credentials.status import STATUS_PATH
from streams.wallet.did_web import WELL_KNOWN

_EVENT_TYPE: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": limits.EVENT_TYPE_BYTES_MAX,
    "description": f"1 to {limits.EVENT_TYPE_BYTES_MAX} bytes of UTF-8",
}
_TIME: Final[Json] = {"type": "integer", "minimum": 0, "maximum": limits.TIME_MS_MAX}

_SENDER: Final = (
    Refusal.TOKEN_MISSING, Refusal.TOKEN_EXPIRED, Refusal.TOKEN_FORGED,
    Refusal.DEVICE_UNKNOWN, Refusal.DEVICE_REVOKED, Refusal.NOT_GRANTED,
    Refusal.CREDENTIAL_REFUSED,
)  # fmt: skip
_APPEND: Final = (
    Refusal.NO_MESSAGES, Refusal.TOO_MANY_MESSAGES, Refusal.DEVICE_RATE_EXCEEDED,
    Refusal.OWNER_RATE_EXCEEDED, Refusal.DAPP_RATE_EXCEEDED, Refusal.LOG_UNAVAILABLE,
)  # fmt: skip
_QUERY: Final = (
    Refusal.UNKNOWN_QUERY, Refusal.QUERY_REFUSED, Refusal.DATABASE_UNAVAILABLE, Refusal.OVERLOADED,
)  # fmt: skip


def document() -> Json:
    """The whole of it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "W3bStream node",
            "version": "1",
            "description": "Messages of devices to Dapps; acknowledged once Kafka has them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/challenges": {"post": _challenge()},
            "/v1/tokens": {"post": _token()},
            "/v1/registrations": {"post": _registration()},
            **owners_paths(),
            "/v1/messages": {"post": _messages("To every Dapp that the device's owner granted.")},
            "/v1/dapps/{dapp}/messages": {
                "post": _messages("To one Dapp.", path("dapp"), Refusal.UNKNOWN_DAPP)
            },
            f"{w3bstream.PATH}{{project}}": {"post": _event()},
            "/v1/dapps": {
                "get": _get("The Dapps that are served.", object_of(dapps=list_of("Dapp")))
            },
            "/v1/dapps/{dapp}": {
                "get": _get("One Dapp.", ref("Dapp"), [path("dapp")], Refusal.UNKNOWN_DAPP)
            },
            WELL_KNOWN: {"get": _published("The DID document of the node's did:web.", WELL_KNOWN)},
            STATUS_PATH: {
                "get": _published("Which credentials the node has taken back.", STATUS_PATH)
            },
            "/v1/dapps/{dapp}/queries/{query}": {"get": _query_answer()},
            **operators_paths(),
            "/healthz": {"get": _health()},
            "/metrics": {
                "get": {
                    "summary": "Metrics, for Prometheus.",
                    "responses": {"200": answer("As text.", TEXT, "text/plain")},
                }
            },
            "/openapi.json": {"get": _get("This document.", {"type": "object"})},
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From POST /v1/tokens, or a publisher's (`w3b publisher add`).",
                },
                "operator": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From `w3b operator token`.",
                },
                "owner": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From POST /v1/owners/session.",
                },
            },
        },
    }


# --- operations -----------------------------------------------------------------------------------


def _challenge() -> Json:
    said = object_of(challenge=TEXT, expires_ms=COUNT)
    return {
        "summary": "A text for a device to sign.",
        "requestBody": json_body(closed(object_of(device=CREDENTIAL))),
        "responses": {"200": answer("The text.", said)}
        | refusals(*ANY, *BODY, Refusal.ADDRESS_RATE_EXCEEDED),
    }


def _token() -> Json:
    asked = object_of(device=CREDENTIAL, challenge=CREDENTIAL, signature=CREDENTIAL)
    said = object_of(token=TEXT, expires_ms=COUNT)
    return {
        "summary": "A token, for a challenge's signature.",
        "requestBody": json_body(closed(asked)),
        "responses": {"200": answer("The token.", said)} | refusals(*ANY, *BODY, *CHALLENGE),
    }


def _registration() -> Json:
    credential = {"type": "string", "maxLength": limits.REGISTRATION_BYTES_MAX}
    asked = object_of(
        device=CREDENTIAL, challenge=CREDENTIAL, signature=CREDENTIAL, credential=credential
    )
    return {
        "summary": "A device becomes the owner's who signed the credential.",
        "requestBody": json_body(closed(asked)),
        "responses": {"201": answer("It is the owner's.", object_of(device=TEXT, owner=TEXT))}
        | refusals(*ANY, *BODY, *CHALLENGE, *REGISTER),
    }


def _messages(summary: str, path: Json | None = None, *more: Refusal) -> Json:
    types = {
        bodies.JSON: {"schema": {}},
        bodies.NDJSON: {"schema": TEXT},
        bodies.ENVELOPES: {"schema": TEXT},
        bodies.CBOR: {"schema": {}},
        bodies.CBOR_SEQUENCE: {"schema": {}},
        "application/octet-stream": {"schema": {}},
    }
    parameters = [
        query("id", {"type": "string", "format": "uuid"}, "The same for a retry."),
        query("time_ms", _TIME, "The device's clock."),
        query("event_type", _EVENT_TYPE, "Says which handler runs."),
    ]
    said = object_of(ids={"type": "array", "items": TEXT}, dapps={"type": "array", "items": DAPP})
    return {
        "summary": summary,
        "description": "A body with a fault in it is refused as a whole.",
        "security": [{"token": []}],
        "parameters": parameters if path is None else [path, *parameters],
        "requestBody": {"required": True, "content": types},
        "responses": {"202": answer("Kafka has them.", said)}
        | refusals(*ANY, *BODY, *_SENDER, *_APPEND, Refusal.MALFORMED_CBOR, *more),
    }


def _event() -> Json:
    pushed = {"type": "array", "items": ref("Pushed")}
    return {
        "summary": "W3bStream's event API: answered when the program has run.",
        "description": f"With eventType {w3bstream.DATA_PUSH} the body is an array of events.",
        "security": [{"token": []}],
        "parameters": [
            path("project"),
            query("eventType", {"type": "string", "maxLength": limits.EVENT_TYPE_BYTES_MAX}),
            query("eventID", TEXT, "The same for a retry."),
            query("timestamp", {"type": "integer"}, "Milliseconds."),
            query("deviceID", TEXT, "Whose event it is, from a gateway."),
            query("authorization", TEXT, "The token, in place of the header."),
        ],
        "requestBody": {
            "content": {
                bodies.JSON: {"schema": {"anyOf": [pushed, {}]}},
                "application/octet-stream": {"schema": {}},
            }
        },
        "responses": {
            "201": answer("What became of it.", {"anyOf": [ref("Event"), list_of("Numbered")]})
        }
        | refusals(*ANY, *BODY, *_SENDER, *_APPEND, Refusal.UNKNOWN_DAPP),
    }


def _query_answer() -> Json:
    formats: Json = {type_.partition(";")[0]: {"schema": {}} for type_ in queries.FORMATS.values()}
    return {
        "summary": "The answer to a query that the Dapp has saved.",
        "description": "Further query parameters are the query's own, `{name:Type}` in its SQL.",
        "security": [{"token": []}],
        "parameters": [
            path("dapp"),
            path("query", TEXT),
            query("format", {"enum": list(queries.FORMATS)}, "json is an object a line."),
        ],
        "responses": {"200": {"description": "The answer.", "content": formats}}
        | refusals(*ANY, *_SENDER, Refusal.UNKNOWN_DAPP, *_QUERY),
    }


def _health() -> Json:
    said = object_of(healthy={"type": "boolean"}, registry=TEXT)
    return {
        "summary": "Whether this process is well.",
        "responses": {"200": answer("It is.", said), "503": answer("It is not.", said)},
    }


def _published(summary: str, path: str) -> Json:
    said = {"type": "object"}
    return {
        "summary": summary,
        "responses": {"200": answer(summary, said, PUBLISHED[path])}
        | refusals(Refusal.INTERNAL, Refusal.NOT_FOUND),
    }


def _get(summary: str, said: Json, parameters: Sequence[Json] = (), *named: Refusal) -> Json:
    return {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"200": answer(summary, said)} | refusals(*named),
    }


# --- schemas --------------------------------------------------------------------------------------


def _schemas() -> Json:
    return {
        "Refusal": object_of(
            optional={"id": TEXT},
            error={"enum": sorted(Refusal)},
            message=TEXT,
        ),
        "Dapp": object_of(
            name=DAPP,
            version=TEXT,
            description=TEXT,
            trust_model=TEXT,
            consensus=TEXT,
            partitions={"type": "integer", "minimum": 1},
            event_types={"type": "array", "items": TEXT},
            program_sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
        ),
        "Pushed": object_of(
            optional={
                "event_type": {"type": "string", "maxLength": limits.EVENT_TYPE_BYTES_MAX},
                "timestamp": {"type": "integer"},
            },
            device_id={"type": "string", "minLength": 1},
            payload=TEXT,
        ),
        "Result": object_of(
            optional={"error": TEXT},
            appletName=TEXT,
            instanceID=TEXT,
            handler=TEXT,
            returnValue={"type": "null"},
            code={"type": "integer"},
        ),
        "Numbered": object_of(index=COUNT, results=list_of("Result")),
        "Event": object_of(
            optional={"error": TEXT},
            channel=TEXT,
            publisherID=TEXT,
            publisherKey=TEXT,
            eventID=TEXT,
            timestamp={"type": "integer"},
            results=list_of("Result"),
        ),
    }
