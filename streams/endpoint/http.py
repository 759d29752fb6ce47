"""The HTTP door, version 1 of its API (README has it with examples)."""

import asyncio
import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import msgspec
import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams import limits, metrics
from streams.clock import Clock
from streams.endpoint import openapi, w3bstream
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.bodies import bytes_max, read_options
from streams.endpoint.intake import Intake
from streams.endpoint.published import PUBLISHED, Published
from streams.endpoint.statuses import STATUS
from streams.endpoint.w3bstream import EventApi
from streams.registry.entries import Dapp
from streams.registry.view import Registry

log = logging.getLogger(__name__)

DOOR: Final = "http"
_RETRY_AFTER_S: Final = 1
_JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}

_Text = Annotated[str, msgspec.Meta(max_length=limits.CREDENTIAL_BYTES_MAX)]


class _ChallengeRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: _Text


class _TokenRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: _Text
    challenge: _Text
    signature: _Text


_T = TypeVar("_T")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpApi:
    """Answers requests; knows nothing of sockets (`streams.endpoint.server` does)."""

    def __init__(
        self, intake: Intake, registry: Registry, clock: Clock, published: Published
    ) -> None:
        self._published = published
        self._intake = intake
        self._registry = registry
        self._events = EventApi(intake, registry)
        self._clock = clock

    def application(self) -> web.Application:
        """The routes."""
        for refusal in Refusal:
            metrics.ENDPOINT_REFUSALS.labels(DOOR, refusal)  # at 0: a rate needs a value before
        app = web.Application(middlewares=[_refusals])
        app.add_routes(
            [
                web.post("/v1/challenges", self._challenge),
                web.post("/v1/tokens", self._token),
                web.post("/v1/messages", self._messages),
                web.post("/v1/dapps/{dapp}/messages", self._messages),
                web.post(f"{w3bstream.PATH}{{project}}", self._event),
                web.get("/v1/dapps", self._dapps),
                web.get("/v1/dapps/{dapp}", self._dapp),
                *(web.get(path, self._document) for path in PUBLISHED),
                web.get("/healthz", self._health),
                web.get("/metrics", self._metrics),
                web.get("/openapi.json", self._openapi),
            ]
        )
        return app

    async def _challenge(self, request: web.Request) -> web.Response:
        asked = await _read_json(request, _ChallengeRequest)
        challenge, expires_ms = self._intake.challenge(asked.device)
        return _json({"challenge": challenge, "expires_ms": expires_ms})

    async def _token(self, request: web.Request) -> web.Response:
        asked = await _read_json(request, _TokenRequest)
        signature = _from_base64url(asked.signature)
        token, expires_ms = self._intake.log_in(asked.device, asked.challenge, signature)
        return _json({"token": token, "expires_ms": expires_ms})

    async def _messages(self, request: web.Request) -> web.Response:
        # Everything that can be refused without the body is refused before it is read.
        dapp = request.match_info.get("dapp")
        device, dapps = self._intake.admit(_bearer(request), dapp)
        options = read_options(request.query, self._clock.now_ms())
        content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        body = await _read_body(request, bytes_max(content_type))
        messages = await self._intake.accept(DOOR, device, dapps, body, content_type, options)
        return _json({"ids": messages.ids, "dapps": dapps}, HTTPStatus.ACCEPTED)

    async def _event(self, request: web.Request) -> web.Response:
        token = request.query.get("authorization", "").removeprefix("Bearer ").strip()
        token = token or _bearer(request)
        self._intake.sender(token)  # who is nobody has no body read
        body = await _read_body(request, limits.REQUEST_BYTES_MAX)
        project, now_ms = request.match_info["project"], self._clock.now_ms()
        said = await self._events.answer(project, request.query, token, body, now_ms)
        return _json(said, HTTPStatus.CREATED)

    async def _dapps(self, _: web.Request) -> web.Response:
        return _json({"dapps": [_described(dapp) for dapp in self._registry.dapps()]})

    async def _dapp(self, request: web.Request) -> web.Response:
        dapp = self._registry.dapp(request.match_info["dapp"])
        if dapp is None:
            raise RefusedError(
                Refusal.UNKNOWN_DAPP, "this node serves no such Dapp: GET /v1/dapps lists them"
            )
        return _json(_described(dapp))

    async def _document(self, request: web.Request) -> web.Response:
        path = request.path
        if path not in self._published:
            raise RefusedError(
                Refusal.NOT_FOUND, "this node has no name on the web (setting did_web_host)"
            )
        body = await asyncio.to_thread(self._published[path])
        return web.Response(body=body, headers={"Content-Type": PUBLISHED[path]})

    async def _health(self, _: web.Request) -> web.Response:
        healthy = self._registry.is_live
        body = {"healthy": healthy, "registry": "live" if healthy else "not followed"}
        return _json(body, HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _openapi(self, _: web.Request) -> web.Response:
        return _json(openapi.document())

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@web.middleware
async def _refusals(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every error leaves as ``{"error": name, "message": …}`` and is counted by its name."""
    allowed: str | None = None
    try:
        return await handler(request)
    except RefusedError as error:
        refused = error
    except web.HTTPNotFound:
        refused = RefusedError(Refusal.NOT_FOUND, "no such path: see the API in README")
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        refused = RefusedError(Refusal.METHOD_NOT_ALLOWED, f"this path takes {allowed}")
    except web.HTTPException as error:
        refused = RefusedError(Refusal.MALFORMED_REQUEST, error.reason)
    except ConnectionError:
        raise  # the client has gone: nobody to answer
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        refused = RefusedError(Refusal.INTERNAL, "the node failed; its log says more")
    metrics.ENDPOINT_REFUSALS.labels(DOOR, refused.refusal).inc()
    return _refuse(request, refused, allowed)


def _refuse(request: web.Request, refused: RefusedError, allowed: str | None) -> web.Response:
    status = STATUS[refused.refusal]
    body: dict[str, Any] = {"error": refused.refusal, "message": refused.message}
    if request.path.startswith(w3bstream.PATH):
        body |= w3bstream.refusal(refused, status)
    if refused.retry_id is not None:
        body["id"] = refused.retry_id
    headers = dict(_JSON)
    if allowed is not None:  # RFC 9110, section 15.5.6
        headers["Allow"] = allowed
    if status is HTTPStatus.UNAUTHORIZED:  # RFC 6750, section 3
        headers["WWW-Authenticate"] = "Bearer"
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(refused.retry_after_s or _RETRY_AFTER_S)
    response = _json(body, status, headers)
    if not request.content.is_eof():
        response.force_close()  # rather than read a body that nobody wants
    return response


def _json(
    body: Any, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] = _JSON
) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers)


def _described(dapp: Dapp) -> dict[str, Any]:
    section = dapp.manifest.dapp
    return {
        "name": section.name,
        "version": section.version,
        "description": section.description,
        "trust_model": section.trust_model,
        "consensus": section.consensus,
        "partitions": section.partitions,
        "event_types": sorted(dapp.manifest.events),
        "program_sha256": dapp.program_sha256,
    }


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RefusedError(
            Refusal.TOKEN_MISSING,
            "send 'Authorization: Bearer TOKEN' with a token from POST /v1/tokens",
        )
    return token.strip()


async def _read_body(request: web.Request, body_bytes_max: int) -> bytes:
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


async def _read_json(request: web.Request, type_: type[_T]) -> _T:
    body = await _read_body(request, 2 * limits.CREDENTIAL_BYTES_MAX)
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        raise RefusedError(Refusal.MALFORMED_REQUEST, f"{error}") from None
    except (ValueError, RecursionError) as error:
        raise RefusedError(Refusal.MALFORMED_JSON, f"{error}") from None


def _from_base64url(text: str) -> bytes:
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(Refusal.MALFORMED_REQUEST, "signature: not base64url") from None
