"""What descriptions of the HTTP doors are made of: schemas, parameters, answers, refusals."""

from collections.abc import Iterable
from typing import Any, Final

from streams import limits
from streams.endpoint import bodies
from streams.endpoint.admission import Refusal
from streams.endpoint.statuses import STATUS

Json = dict[str, Any]

TEXT: Final[Json] = {"type": "string"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
CREDENTIAL: Final[Json] = {"type": "string", "maxLength": limits.CREDENTIAL_BYTES_MAX}
DAPP: Final[Json] = {"type": "string", "pattern": "^[a-z0-9_]{1,32}$"}
ANY: Final = (Refusal.INTERNAL, Refusal.MALFORMED_REQUEST)
BODY: Final = (Refusal.TOO_LARGE, Refusal.TOO_SLOW, Refusal.MALFORMED_JSON)
CHALLENGE: Final = (
    Refusal.CHALLENGE_EXPIRED, Refusal.CHALLENGE_FORGED, Refusal.CHALLENGE_USED,
    Refusal.SIGNATURE_INVALID, Refusal.DEVICE_UNKNOWN, Refusal.DEVICE_REVOKED, Refusal.OVERLOADED,
    Refusal.ADDRESS_RATE_EXCEEDED,
)  # fmt: skip
REGISTER: Final = (
    Refusal.CREDENTIAL_REFUSED, Refusal.OWNER_UNKNOWN, Refusal.DEVICE_OWNED,
    Refusal.TOO_MANY_DEVICES, Refusal.LOG_UNAVAILABLE, Refusal.NOT_FOUND,
)  # fmt: skip
_SAYS_WHEN: Final = (429, 503)


def object_of(optional: Json | None = None, **fields: Json) -> Json:
    """An object; the fields that are not optional have to be there."""
    return {
        "type": "object",
        "required": list(fields),
        "properties": fields | (optional or {}),
    }


def closed(schema: Json) -> Json:
    """The same without any other field."""
    return schema | {"additionalProperties": False}


def list_of(name: str) -> Json:
    """A list of one of the document's schemas."""
    return {"type": "array", "items": ref(name)}


def ref(name: str) -> Json:
    """One of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def path(name: str, schema: Json = DAPP) -> Json:
    """A part of a path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


def query(name: str, schema: Json, description: str = "") -> Json:
    """A parameter of a query."""
    return {"name": name, "in": "query", "schema": schema, "description": description}


def json_body(schema: Json) -> Json:
    """A body of JSON."""
    return {"required": True, "content": {bodies.JSON: {"schema": schema}}}


def answer(description: str, schema: Json, type_: str = bodies.JSON) -> Json:
    """An answer's content."""
    return {"description": description, "content": {type_: {"schema": schema}}}


def refusals(*named: Refusal) -> Json:
    """Responses by status, each saying which names it may have."""
    by_status: dict[int, list[Refusal]] = {}
    for refusal in dict.fromkeys(named):
        by_status.setdefault(STATUS[refusal], []).append(refusal)
    return {str(status): _refused(status, names) for status, names in sorted(by_status.items())}


def _refused(status: int, names: Iterable[Refusal]) -> Json:
    named = {"properties": {"error": {"enum": sorted(names)}}}
    said = answer(", ".join(sorted(names)), {"allOf": [ref("Refusal"), named]})
    if status in _SAYS_WHEN:
        said["headers"] = {
            "Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}
        }
    return said
