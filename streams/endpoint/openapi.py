"""The HTTP doors' own description (OpenAPI 3.1), served at ``/openapi.json``.

Written by hand beside the routes, because generated ones describe types and not refusals; a test
holds it to the routes, and fuzzes every operation against it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from streams import limits
from streams.endpoint import bodies, queries, w3bstream
from streams.endpoint.admission import Refusal
from streams.endpoint.published import PUBLISHED
from streams.endpoint.statuses import STATUS
from streams.wallet.credentials.status import STATUS_PATH
from streams.wallet.did_web import WELL_KNOWN

_Json = dict[str, Any]

_TEXT: Final[_Json] = {"type": "string"}
_COUNT: Final[_Json] = {"type": "integer", "minimum": 0}
_CREDENTIAL: Final[_Json] = {"type": "string", "maxLength": limits.CREDENTIAL_BYTES_MAX}
_DAPP: Final[_Json] = {"type": "string", "pattern": "^[a-z0-9_]{1,32}$"}
_EVENT_TYPE: Final[_Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": limits.EVENT_TYPE_BYTES_MAX,
    "description": f"1 to {limits.EVENT_TYPE_BYTES_MAX} bytes of UTF-8",
}
_TIME: Final[_Json] = {"type": "integer", "minimum": 0, "maximum": limits.TIME_MS_MAX}

_ANY: Final = (Refusal.INTERNAL, Refusal.MALFORMED_REQUEST)
_BODY: Final = (Refusal.TOO_LARGE, Refusal.TOO_SLOW, Refusal.MALFORMED_JSON)
_SENDER: Final = (
    Refusal.TOKEN_MISSING, Refusal.TOKEN_EXPIRED, Refusal.TOKEN_FORGED,
    Refusal.DEVICE_UNKNOWN, Refusal.DEVICE_REVOKED, Refusal.NOT_GRANTED,
    Refusal.CREDENTIAL_REFUSED,
)  # fmt: skip
_APPEND: Final = (
    Refusal.NO_MESSAGES, Refusal.TOO_MANY_MESSAGES, Refusal.DEVICE_RATE_EXCEEDED,
    Refusal.OWNER_RATE_EXCEEDED, Refusal.DAPP_RATE_EXCEEDED, Refusal.LOG_UNAVAILABLE,
)  # fmt: skip
_CHALLENGE: Final = (
    Refusal.CHALLENGE_EXPIRED, Refusal.CHALLENGE_FORGED, Refusal.CHALLENGE_USED,
    Refusal.SIGNATURE_INVALID, Refusal.DEVICE_UNKNOWN, Refusal.DEVICE_REVOKED, Refusal.OVERLOADED,
)  # fmt: skip
_REGISTER: Final = (
    Refusal.CREDENTIAL_REFUSED, Refusal.OWNER_UNKNOWN, Refusal.DEVICE_OWNED,
    Refusal.TOO_MANY_DEVICES, Refusal.LOG_UNAVAILABLE, Refusal.NOT_FOUND,
)  # fmt: skip
_QUERY: Final = (
    Refusal.UNKNOWN_QUERY, Refusal.QUERY_REFUSED, Refusal.DATABASE_UNAVAILABLE, Refusal.OVERLOADED,
)  # fmt: skip
_SAYS_WHEN: Final = (429, 503)


def document() -> _Json:
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
            "/v1/messages": {"post": _messages("To every Dapp that the device's owner granted.")},
            "/v1/dapps/{dapp}/messages": {
                "post": _messages("To one Dapp.", _path("dapp"), Refusal.UNKNOWN_DAPP)
            },
            f"{w3bstream.PATH}{{project}}": {"post": _event()},
            "/v1/dapps": {"get": _get("The Dapps that are served.", _object(dapps=_list("Dapp")))},
            "/v1/dapps/{dapp}": {
                "get": _get("One Dapp.", _ref("Dapp"), [_path("dapp")], Refusal.UNKNOWN_DAPP)
            },
            WELL_KNOWN: {"get": _published("The DID document of the node's did:web.", WELL_KNOWN)},
            STATUS_PATH: {
                "get": _published("Which credentials the node has taken back.", STATUS_PATH)
            },
            "/v1/dapps/{dapp}/queries/{query}": {"get": _query_answer()},
            "/healthz": {"get": _health()},
            "/metrics": {
                "get": {
                    "summary": "Metrics, for Prometheus.",
                    "responses": {"200": _answer("As text.", _TEXT, "text/plain")},
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
                }
            },
        },
    }


# --- operations -----------------------------------------------------------------------------------


def _challenge() -> _Json:
    said = _object(challenge=_TEXT, expires_ms=_COUNT)
    return {
        "summary": "A text for a device to sign.",
        "requestBody": _json_body(_closed(_object(device=_CREDENTIAL))),
        "responses": {"200": _answer("The text.", said)} | _refusals(*_ANY, *_BODY),
    }


def _token() -> _Json:
    asked = _object(device=_CREDENTIAL, challenge=_CREDENTIAL, signature=_CREDENTIAL)
    said = _object(token=_TEXT, expires_ms=_COUNT)
    return {
        "summary": "A token, for a challenge's signature.",
        "requestBody": _json_body(_closed(asked)),
        "responses": {"200": _answer("The token.", said)} | _refusals(*_ANY, *_BODY, *_CHALLENGE),
    }


def _registration() -> _Json:
    credential = {"type": "string", "maxLength": limits.REGISTRATION_BYTES_MAX}
    asked = _object(
        device=_CREDENTIAL, challenge=_CREDENTIAL, signature=_CREDENTIAL, credential=credential
    )
    return {
        "summary": "A device becomes the owner's who signed the credential.",
        "requestBody": _json_body(_closed(asked)),
        "responses": {"201": _answer("It is the owner's.", _object(device=_TEXT, owner=_TEXT))}
        | _refusals(*_ANY, *_BODY, *_CHALLENGE, *_REGISTER),
    }


def _messages(summary: str, path: _Json | None = None, *more: Refusal) -> _Json:
    types = {
        bodies.JSON: {"schema": {}},
        bodies.NDJSON: {"schema": _TEXT},
        bodies.ENVELOPES: {"schema": _TEXT},
        bodies.CBOR: {"schema": {}},
        bodies.CBOR_SEQUENCE: {"schema": {}},
        "application/octet-stream": {"schema": {}},
    }
    parameters = [
        _query("id", {"type": "string", "format": "uuid"}, "The same for a retry."),
        _query("time_ms", _TIME, "The device's clock."),
        _query("event_type", _EVENT_TYPE, "Says which handler runs."),
    ]
    said = _object(ids={"type": "array", "items": _TEXT}, dapps={"type": "array", "items": _DAPP})
    return {
        "summary": summary,
        "description": "A body with a fault in it is refused as a whole.",
        "security": [{"token": []}],
        "parameters": parameters if path is None else [path, *parameters],
        "requestBody": {"required": True, "content": types},
        "responses": {"202": _answer("Kafka has them.", said)}
        | _refusals(*_ANY, *_BODY, *_SENDER, *_APPEND, Refusal.MALFORMED_CBOR, *more),
    }


def _event() -> _Json:
    pushed = {"type": "array", "items": _ref("Pushed")}
    return {
        "summary": "W3bStream's event API: answered when the program has run.",
        "description": f"With eventType {w3bstream.DATA_PUSH} the body is an array of events.",
        "security": [{"token": []}],
        "parameters": [
            _path("project"),
            _query("eventType", {"type": "string", "maxLength": limits.EVENT_TYPE_BYTES_MAX}),
            _query("eventID", _TEXT, "The same for a retry."),
            _query("timestamp", {"type": "integer"}, "Milliseconds."),
            _query("deviceID", _TEXT, "Whose event it is, from a gateway."),
            _query("authorization", _TEXT, "The token, in place of the header."),
        ],
        "requestBody": {
            "content": {
                bodies.JSON: {"schema": {"anyOf": [pushed, {}]}},
                "application/octet-stream": {"schema": {}},
            }
        },
        "responses": {
            "201": _answer("What became of it.", {"anyOf": [_ref("Event"), _list("Numbered")]})
        }
        | _refusals(*_ANY, *_BODY, *_SENDER, *_APPEND, Refusal.UNKNOWN_DAPP),
    }


def _query_answer() -> _Json:
    formats: _Json = {type_.partition(";")[0]: {"schema": {}} for type_ in queries.FORMATS.values()}
    return {
        "summary": "The answer to a query that the Dapp's manifest has saved.",
        "description": "Further query parameters are the query's own, `{name:Type}` in its SQL.",
        "security": [{"token": []}],
        "parameters": [
            _path("dapp"),
            {"name": "query", "in": "path", "required": True, "schema": _TEXT},
            _query("format", {"enum": list(queries.FORMATS)}, "json is an object a line."),
        ],
        "responses": {"200": {"description": "The answer.", "content": formats}}
        | _refusals(*_ANY, *_SENDER, Refusal.UNKNOWN_DAPP, *_QUERY),
    }


def _health() -> _Json:
    said = _object(healthy={"type": "boolean"}, registry=_TEXT)
    return {
        "summary": "Whether this process is well.",
        "responses": {"200": _answer("It is.", said), "503": _answer("It is not.", said)},
    }


def _published(summary: str, path: str) -> _Json:
    said = {"type": "object"}
    return {
        "summary": summary,
        "responses": {"200": _answer(summary, said, PUBLISHED[path])}
        | _refusals(Refusal.INTERNAL, Refusal.NOT_FOUND),
    }


def _get(summary: str, said: _Json, parameters: Sequence[_Json] = (), *refusals: Refusal) -> _Json:
    return {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"200": _answer(summary, said)} | _refusals(*refusals),
    }


# --- schemas --------------------------------------------------------------------------------------


def _schemas() -> _Json:
    return {
        "Refusal": _object(
            optional={"id": _TEXT},
            error={"enum": sorted(Refusal)},
            message=_TEXT,
        ),
        "Dapp": _object(
            name=_DAPP,
            version=_TEXT,
            description=_TEXT,
            trust_model=_TEXT,
            consensus=_TEXT,
            partitions={"type": "integer", "minimum": 1},
            event_types={"type": "array", "items": _TEXT},
            program_sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
        ),
        "Pushed": _object(
            optional={
                "event_type": {"type": "string", "maxLength": limits.EVENT_TYPE_BYTES_MAX},
                "timestamp": {"type": "integer"},
            },
            device_id={"type": "string", "minLength": 1},
            payload=_TEXT,
        ),
        "Result": _object(
            optional={"error": _TEXT},
            appletName=_TEXT,
            instanceID=_TEXT,
            handler=_TEXT,
            returnValue={"type": "null"},
            code={"type": "integer"},
        ),
        "Numbered": _object(index=_COUNT, results=_list("Result")),
        "Event": _object(
            optional={"error": _TEXT},
            channel=_TEXT,
            publisherID=_TEXT,
            publisherKey=_TEXT,
            eventID=_TEXT,
            timestamp={"type": "integer"},
            results=_list("Result"),
        ),
    }


def _object(optional: _Json | None = None, **fields: _Json) -> _Json:
    return {
        "type": "object",
        "required": list(fields),
        "properties": fields | (optional or {}),
    }


def _closed(schema: _Json) -> _Json:
    return schema | {"additionalProperties": False}


def _list(name: str) -> _Json:
    return {"type": "array", "items": _ref(name)}


def _ref(name: str) -> _Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _path(name: str) -> _Json:
    return {"name": name, "in": "path", "required": True, "schema": _DAPP}


def _query(name: str, schema: _Json, description: str = "") -> _Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _json_body(schema: _Json) -> _Json:
    return {"required": True, "content": {bodies.JSON: {"schema": schema}}}


def _answer(description: str, schema: _Json, type_: str = bodies.JSON) -> _Json:
    return {"description": description, "content": {type_: {"schema": schema}}}


def _refusals(*refusals: Refusal) -> _Json:
    """Responses by status, each saying which names it may have."""
    by_status: dict[int, list[Refusal]] = {}
    for refusal in refusals:
        by_status.setdefault(STATUS[refusal], []).append(refusal)
    return {str(status): _refused(status, names) for status, names in sorted(by_status.items())}


def _refused(status: int, names: Iterable[Refusal]) -> _Json:
    named = {"properties": {"error": {"enum": sorted(names)}}}
    answer = _answer(", ".join(sorted(names)), {"allOf": [_ref("Refusal"), named]})
    if status in _SAYS_WHEN:
        answer["headers"] = {
            "Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}
        }
    return answer
