"""What operators can do, as OpenAPI says it: made from the calls' protocol buffers.

Answers have fewer fields than their message where a field is not set.
"""

from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from streams.endpoint.admission import Refusal
from streams.endpoint.openapi_parts import (
    ANY,
    BODY,
    COUNT,
    TEXT,
    Json,
    answer,
    closed,
    path,
    query,
    refusals,
)
from streams.endpoint.operators import RULES, SERVICE, Rule

_CALL: Final = (
    Refusal.TOKEN_MISSING, Refusal.TOKEN_EXPIRED, Refusal.TOKEN_FORGED, Refusal.NOT_FOUND,
    Refusal.NOT_POSSIBLE, Refusal.LOG_UNAVAILABLE, Refusal.DATABASE_UNAVAILABLE,
    Refusal.QUERY_REFUSED,
)  # fmt: skip
_STRUCT: Final = "google.protobuf.Struct"
_TYPES: Final = {
    FieldDescriptor.CPPTYPE_STRING: TEXT,
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_UINT32: COUNT | {"maximum": 2**32 - 1},
    FieldDescriptor.CPPTYPE_INT64: {"type": "integer"},
    FieldDescriptor.CPPTYPE_UINT64: COUNT,
}


def operators_paths() -> Json:
    """The paths, and what they take and answer."""
    paths: Json = {}
    for name, rule in RULES.items():
        paths.setdefault(rule.path, {})[rule.method.lower()] = _operation(name, rule)
    return paths


def _operation(name: str, rule: Rule) -> Json:
    method = SERVICE.methods_by_name[name]
    fields = list(method.input_type.fields)
    in_path = [field for field in fields if f"{{{field.name}}}" in rule.path]
    others = [field for field in fields if field not in in_path]
    described: Json = {
        "summary": rule.summary,
        "security": [{"operator": []}],
        "parameters": [path(field.name, TEXT) for field in in_path],
        "responses": {"200": answer(rule.summary, _schema(method.output_type))}
        | refusals(*ANY, *BODY, *_CALL),
    }
    if rule.has_body and others:
        properties = {field.name: _field(field) for field in others}
        schema = closed({"type": "object", "properties": properties})
        described["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    else:
        described["parameters"] += [query(field.name, _field(field)) for field in others]
    return described


def _schema(message: Descriptor) -> Json:
    if message.full_name == _STRUCT:
        return {"type": "object"}
    return closed(
        {"type": "object", "properties": {one.name: _field(one) for one in message.fields}}
    )


def _field(field: FieldDescriptor) -> Json:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _field(message.fields_by_name["value"])}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    one: Any = _schema(message) if message is not None else _TYPES[field.cpp_type]
    return {"type": "array", "items": one} if field.is_repeated else one
