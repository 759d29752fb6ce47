"""W3bStream's API for programs (``ws_api_call``): what answers look like.

A request that was accepted while the event ran is an effect; its answer is an event of the type
that the request's header ``Eventtype`` names, whose payload is the response as JSON:
``{"Status", "StatusCode", "Proto", "Header", "Body" (base64)}``. As in the original, a response
has the request's own header besides its own.
"""

import base64
import http
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

EVENT_TYPE: Final = "Eventtype"  # as Go spells a header's name
_JSON: Final = "application/json; charset=utf-8"

Header = Mapping[str, Sequence[str]]


def header_of(request: Mapping[str, Any]) -> dict[str, list[str]]:
    """A request's header; what is no list of texts is left out."""
    given = request.get("Header")
    return {
        str(name): [str(value) for value in values]
        for name, values in (given.items() if isinstance(given, dict) else ())
        if isinstance(values, list)
    }


def event_type_of(header: Header) -> str:
    """The event type that the answer shall have; empty where the header names none."""
    return next(iter(header.get(EVENT_TYPE, ())), "")


def body_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request's body, a JSON object.

    Raises:
        ValueError: it is none.
    """
    body = orjson.loads(base64.b64decode(str(request.get("Body") or "")))
    if not isinstance(body, dict):
        raise ValueError("the body is no JSON object")
    return {name[:1].lower() + name[1:]: value for name, value in body.items()}


def response(status: int, header: Header, body: object) -> bytes:
    """A response as JSON; ``body`` becomes JSON within it."""
    return orjson.dumps(
        {
            "Status": f"{status} {http.HTTPStatus(status).phrase}",
            "StatusCode": status,
            "Proto": "HTTP/1.1",
            "Header": {**header, "Content-Type": [_JSON]},
            "Body": base64.b64encode(orjson.dumps(body)).decode(),
        }
    )


def failed(status: int, header: Header, reason: str) -> bytes:
    """A response that says what went wrong."""
    return response(status, header, {"error": reason})


def greeted(header: Header) -> bytes:
    """What ``/system/hello`` comes to."""
    name = next(iter(header.get("Name", ())), "")
    return response(200, header, f'{{"async message": "hello {name}"}}')


def sent(id: str, header: Header, is_confirmed: bool, hash: str | None) -> bytes:
    """What ``/system/send_tx`` comes to: the id that the program was given, and the state."""
    state = "CONFIRMED" if is_confirmed else "FAILED"
    body = {"transactionID": id, "state": state, "hash": hash}
    return response(200, header, {name: value for name, value in body.items() if value})
