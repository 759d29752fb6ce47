"""What every HTTP API here does alike: reads tokens and bodies, answers with JSON."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
import orjson
from aiohttp import web

from streams import limits
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.tls import certified_did

JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}

_T = TypeVar("_T")


def json_answer(
    body: Any, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] = JSON
) -> web.Response:
    """An answer."""
    return web.Response(body=orjson.dumps(body), status=status, headers=headers)


def bearer(request: web.Request, source: str = "POST /v1/tokens") -> str:
    """The request's token; ``source``: where one is to be had.

    Raises:
        RefusedError: TOKEN_MISSING.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RefusedError(
            Refusal.TOKEN_MISSING,
            f"send 'Authorization: Bearer TOKEN' with a token from {source}",
        )
    return token.strip()


def certificate_of(request: web.Request) -> str | None:
    """The DID of the certificate that a client has shown, where it sends no token.

    A browser shows one by itself, so what a page asks for (it has an ``Origin``) needs a token.
    """
    if "Authorization" in request.headers or "Origin" in request.headers:
        return None
    transport = request.transport
    return None if transport is None else certified_did(transport.get_extra_info("peercert"))


async def read_body(request: web.Request, body_bytes_max: int) -> bytes:
    """The body; never more of it than ``body_bytes_max`` is held.

    Raises:
        RefusedError: TOO_LARGE, TOO_SLOW, or MALFORMED_REQUEST (a broken transfer encoding).
    """
    if (request.content_length or 0) > body_bytes_max:
        raise _too_large(body_bytes_max)
    try:
        if request.content.is_eof():  # all of it came with the headers, as small bodies do
            body = request.content.read_nowait()
            if len(body) > body_bytes_max:
                raise _too_large(body_bytes_max)
            return body
        async with asyncio.timeout(limits.BODY_WAIT_S):
            return await _gather(request, body_bytes_max)
    except TimeoutError:
        raise RefusedError(
            Refusal.TOO_SLOW, f"the body was not complete after {limits.BODY_WAIT_S} s"
        ) from None
    except web.RequestPayloadError as error:
        raise RefusedError(Refusal.MALFORMED_REQUEST, f"broken body: {error}") from None


async def _gather(request: web.Request, body_bytes_max: int) -> bytes:
    chunks = []
    room_bytes = body_bytes_max
    async for chunk in request.content.iter_any():
        room_bytes -= len(chunk)
        if room_bytes < 0:
            raise _too_large(body_bytes_max)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(body_bytes_max: int) -> RefusedError:
    return RefusedError(
        Refusal.TOO_LARGE, f"a body of this content type may have {body_bytes_max} bytes"
    )


async def read_json(
    request: web.Request, type_: type[_T], bytes_max: int = 2 * limits.CREDENTIAL_BYTES_MAX
) -> _T:
    """A body of JSON that is of a type.

    Raises:
        RefusedError: as `read_body`, MALFORMED_JSON, or MALFORMED_REQUEST, of another type.
    """
    body = await read_body(request, bytes_max)
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        raise RefusedError(Refusal.MALFORMED_REQUEST, f"{error}") from None
    except (ValueError, RecursionError) as error:
        raise RefusedError(Refusal.MALFORMED_JSON, f"{error}") from None


def from_base64url(text: str) -> bytes:
    """The bytes of a signature.

    Raises:
        RefusedError: MALFORMED_REQUEST.
    """
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(Refusal.MALFORMED_REQUEST, "signature: not base64url") from None
