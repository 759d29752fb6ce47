"""The HTTP door, version 1 of its API (README has it with examples)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams import limits, metrics
from streams.clock import Clock
from streams.endpoint import openapi, w3bstream
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.bodies import bytes_max, read_options
from streams.endpoint.exchange import (
    JSON,
    bearer,
    certificate_of,
    from_base64url,
    json_answer,
    read_body,
    read_json,
)
from streams.endpoint.intake import Intake
from streams.endpoint.operators import OperatorsApi
from streams.endpoint.owners import OwnersApi
from streams.endpoint.published import PUBLISHED, Published
from streams.endpoint.queries import Queries
from streams.endpoint.refused import Refusals
from streams.endpoint.registrations import Registrations
from streams.endpoint.statuses import STATUS
from streams.endpoint.w3bstream import EventApi
from streams.registry.entries import Dapp
from streams.registry.view import Registry

log = logging.getLogger(__name__)

DOOR: Final = "http"
_RETRY_AFTER_S: Final = 1
_ANYTHING: Final = "/{path:.*}"
_ANYTHING_CANONICAL: Final = "/{path}"

_Text = Annotated[str, msgspec.Meta(max_length=limits.CREDENTIAL_BYTES_MAX)]


class _ChallengeRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: _Text


class _TokenRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: _Text
    challenge: _Text
    signature: _Text


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _RegistrationRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: _Text
    challenge: _Text
    signature: _Text
    credential: Annotated[str, msgspec.Meta(max_length=limits.REGISTRATION_BYTES_MAX)]


class HttpApi:
    """Answers requests; knows nothing of sockets (`streams.endpoint.server` does)."""

    def __init__(
        self,
        intake: Intake,
        registry: Registry,
        registrations: Registrations | None,
        owners: OwnersApi,
        operators: OperatorsApi,
        clock: Clock,
        published: Published,
        queries: Queries,
    ) -> None:
        self._registrations = registrations
        self._owners = owners
        self._operators = operators
        self._published = published
        self._intake = intake
        self._queries = queries
        self._registry = registry
        self._events = EventApi(intake, registry)
        self._clock = clock

    def application(self) -> web.Application:
        """The routes."""
        for refusal in Refusal:
            metrics.ENDPOINT_REFUSALS.labels(DOOR, refusal)  # at 0: a rate needs a value before
        app = web.Application()
        routes = [
            web.post("/v1/challenges", self._challenge),
            web.post("/v1/tokens", self._token),
            web.post("/v1/registrations", self._register),
            *self._owners.routes(),
            *self._operators.routes(),
            web.post("/v1/messages", self._messages),
            web.post("/v1/dapps/{dapp}/messages", self._messages),
            web.post(f"{w3bstream.PATH}{{project}}", self._event),
            web.get("/v1/dapps", self._dapps),
            web.get("/v1/dapps/{dapp}", self._dapp),
            *(web.get(path, self._document) for path in PUBLISHED),
            web.get("/v1/dapps/{dapp}/queries/{query}", self._query),
            web.get("/healthz", self._health),
            web.get("/metrics", self._metrics),
            web.get("/openapi.json", self._openapi),
            web.route("*", _ANYTHING, _unknown),  # found when nothing else is
        ]
        # Not as a middleware, which would cost a single message a tenth of all.
        app.add_routes(
            web.route(
                one.method, one.path, refusing(one.handler, self._intake.refusals), **one.kwargs
            )
            for one in routes
        )
        return app

    async def _challenge(self, request: web.Request) -> web.Response:
        self._intake.attempt(request.remote)
        asked = await read_json(request, _ChallengeRequest)
        challenge, expires_ms = self._intake.challenge(asked.device)
        return json_answer({"challenge": challenge, "expires_ms": expires_ms})

    async def _token(self, request: web.Request) -> web.Response:
        self._intake.attempt(request.remote)
        asked = await read_json(request, _TokenRequest)
        signature = from_base64url(asked.signature)
        token, expires_ms = self._intake.log_in(asked.device, asked.challenge, signature)
        return json_answer({"token": token, "expires_ms": expires_ms})

    async def _register(self, request: web.Request) -> web.Response:
        if self._registrations is None:
            raise RefusedError(Refusal.NOT_FOUND, "this node has no owners register devices")
        self._intake.attempt(request.remote)
        asked = await read_json(request, _RegistrationRequest, 2 * limits.REGISTRATION_BYTES_MAX)
        signature = from_base64url(asked.signature)
        # Only for who has the device's key is anything fetched, and is anything told.
        self._intake.prove(asked.device, asked.challenge, signature)
        device = await self._registrations.owned(asked.credential)
        if device.did != asked.device:
            raise RefusedError(Refusal.CREDENTIAL_REFUSED, "it is about another device")
        await self._registrations.add(device, asked.credential)
        return json_answer({"device": device.did, "owner": device.owner}, HTTPStatus.CREATED)

    async def _messages(self, request: web.Request) -> web.Response:
        # Everything that can be refused without the body is refused before it is read.
        dapp = request.match_info.get("dapp")
        did = certificate_of(request)
        if did is None:
            device, dapps = self._intake.admit(bearer(request), dapp)
        else:
            device, dapps = self._intake.admit_again(self._intake.certified(did), dapp)
        options = read_options(request.query, self._clock.now_ms())
        content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        body = await read_body(request, bytes_max(content_type))
        messages, took = await self._intake.accept(DOOR, device, dapps, body, content_type, options)
        return json_answer({"ids": messages.ids, "dapps": took}, HTTPStatus.ACCEPTED)

    async def _event(self, request: web.Request) -> web.Response:
        token = request.query.get("authorization", "").removeprefix("Bearer ").strip()
        token = token or bearer(request)
        self._intake.sender(token)  # who is nobody has no body read
        body = await read_body(request, limits.REQUEST_BYTES_MAX)
        project, now_ms = request.match_info["project"], self._clock.now_ms()
        said = await self._events.answer(project, request.query, token, body, now_ms)
        return json_answer(said, HTTPStatus.CREATED)

    async def _dapps(self, _: web.Request) -> web.Response:
        return json_answer({"dapps": [_described(dapp) for dapp in self._registry.dapps()]})

    async def _dapp(self, request: web.Request) -> web.Response:
        dapp = self._registry.dapp(request.match_info["dapp"])
        if dapp is None:
            raise RefusedError(
                Refusal.UNKNOWN_DAPP, "this node serves no such Dapp: GET /v1/dapps lists them"
            )
        return json_answer(_described(dapp))

    async def _document(self, request: web.Request) -> web.Response:
        path = request.path
        if path not in self._published:
            raise RefusedError(
                Refusal.NOT_FOUND, "this node has no name on the web (setting did_web_host)"
            )
        body = await asyncio.to_thread(self._published[path])
        return web.Response(body=body, headers={"Content-Type": PUBLISHED[path]})

    async def _query(self, request: web.Request) -> web.Response:
        reader = self._intake.reader(bearer(request))
        path = request.match_info
        body, content_type = await self._queries.answer(
            reader, path["dapp"], path["query"], request.query
        )
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _health(self, _: web.Request) -> web.Response:
        healthy = self._registry.is_live
        body = {"healthy": healthy, "registry": "live" if healthy else "not followed"}
        return json_answer(body, HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _openapi(self, _: web.Request) -> web.Response:
        return json_answer(openapi.document())

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def refusing(handler: _Handler, refusals: Refusals) -> _Handler:
    """The handler; an error leaves as ``{"error": name, "message": …}``, counted by its name."""
    return partial(_answered, handler, refusals)


async def _unknown(request: web.Request) -> web.StreamResponse:
    """Of a path that nothing is at, or not by this method."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        if resource.canonical != _ANYTHING_CANONICAL:
            allowed |= (await resource.resolve(request))[1]
    if allowed:
        raise web.HTTPMethodNotAllowed(request.method, allowed)
    raise RefusedError(Refusal.NOT_FOUND, "no such path: see the API in README")


async def _answered(
    handler: _Handler, refusals: Refusals, request: web.Request
) -> web.StreamResponse:
    allowed: str | None = None
    try:
        return await handler(request)
    except RefusedError as error:
        refused = error
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
    refusals.count(DOOR, refused)
    return _refuse(request, refused, allowed)


def _refuse(request: web.Request, refused: RefusedError, allowed: str | None) -> web.Response:
    status = STATUS[refused.refusal]
    body: dict[str, Any] = {"error": refused.refusal, "message": refused.message}
    if request.path.startswith(w3bstream.PATH):
        body |= w3bstream.refusal(refused, status)
    if refused.retry_id is not None:
        body["id"] = refused.retry_id
    headers = dict(JSON)
    if allowed is not None:  # RFC 9110, section 15.5.6
        headers["Allow"] = allowed
    if status is HTTPStatus.UNAUTHORIZED:  # RFC 6750, section 3
        headers["WWW-Authenticate"] = "Bearer"
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(refused.retry_after_s or _RETRY_AFTER_S)
    response = json_answer(body, status, headers)
    if not request.content.is_eof():
        response.force_close()  # rather than read a body that nobody wants
    return response


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
