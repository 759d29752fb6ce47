"""Operators' calls: what the `w3b` command does, at the doors.

Who carries them out is given (``Operators``). ``rpc/operator.proto`` says what each asks and
answers; here is by which path HTTP has it. A token is a JWT under the node's token secrets, of a
kind of its own; there is no other way in.
"""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import orjson
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message

from streams import limits
from streams.audit.record import Author, operator
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.exchange import bearer, json_answer, read_body
from streams.endpoint.rpc import operator_pb2 as pb
from streams.endpoint.tokens import Tokens

log = logging.getLogger(__name__)

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Operator"]
TOKEN_SOURCE: Final = "`w3b operator token`"
_AT_ONCE: Final = 8  # calls wait for Kafka, ClickHouse and other processes


class Operators(Protocol):
    """Who carries calls out."""

    def call(self, author: Author, name: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a call of an operator's answers, as JSON has it. It may block.

        Raises:
            RefusedError: it cannot be done; nothing was.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """A call's place in HTTP. What is not in the path is in the query, or in the JSON body."""

    method: str
    path: str
    summary: str
    body_bytes_max: int = limits.OPERATOR_BODY_BYTES_MAX

    @property
    def has_body(self) -> bool:
        """Whether fields come in a body."""
        return self.method in ("POST", "PUT")


_ROOT: Final = "/v1/operator"
_DAPP: Final = f"{_ROOT}/dapps/{{dapp}}"
_RETENTION: Final = f"{_DAPP}/retention"
_QUERY: Final = f"{_DAPP}/queries/{{name}}"
_GRANT: Final = f"{_ROOT}/grants/{{owner}}/{{dapp}}"
RULES: Final[Mapping[str, Rule]] = {
    "ListDapps": Rule("GET", f"{_ROOT}/dapps", "All Dapps, whole."),
    "GetDapp": Rule("GET", _DAPP, "A Dapp's manifest, program and history."),
    "AddDapp": Rule(
        "POST", f"{_ROOT}/dapps", "A Dapp, or a new version of one.", limits.UPLOAD_BODY_BYTES_MAX
    ),
    "PauseDapp": Rule("POST", f"{_DAPP}/pause", "Run its program no more; messages wait."),
    "ResumeDapp": Rule("POST", f"{_DAPP}/resume", "Go on with what has waited."),
    "RollBackDapp": Rule("POST", f"{_DAPP}/rollback", "Go back to the deployment before."),
    "AllowKey": Rule("PUT", f"{_DAPP}/keys/{{key}}", "Let it pay with an operator's key."),
    "DenyKey": Rule("DELETE", f"{_DAPP}/keys/{{key}}", "Let it no longer."),
    "ListOwners": Rule("GET", f"{_ROOT}/owners", "All owners."),
    "AddOwner": Rule("POST", f"{_ROOT}/owners", "An owner, and grants."),
    "ListGrants": Rule("GET", f"{_ROOT}/grants", "All grants, or an owner's."),
    "GrantDapp": Rule(
        "PUT", _GRANT, "Let a Dapp have what an owner's devices send, in place of what was granted."
    ),
    "WithdrawGrant": Rule("DELETE", _GRANT, "Let it have nothing more of them."),
    "ListDevices": Rule("GET", f"{_ROOT}/devices", "All devices, or an owner's."),
    "AddDevice": Rule("POST", f"{_ROOT}/devices", "A device of an owner's, and grants."),
    "RevokeDevice": Rule("DELETE", f"{_ROOT}/devices/{{device}}", "For good."),
    "EraseDevice": Rule(
        "POST", f"{_ROOT}/devices/{{device}}/erasures", "Erase what it has sent so far."
    ),
    "EraseOwner": Rule(
        "POST",
        f"{_ROOT}/owners/{{owner}}/erasures",
        "Erase what the owner's devices have sent so far.",
    ),
    "ListErasures": Rule("GET", f"{_ROOT}/erasures", "All erasures, without their certificates."),
    "GetErasure": Rule(
        "GET", f"{_ROOT}/erasures/{{erasure}}", "Its certificate, or how far it is."
    ),
    "ListPublishers": Rule("GET", f"{_ROOT}/publishers", "All publishers."),
    "AddPublisher": Rule("POST", f"{_ROOT}/publishers", "A publisher's token, told once."),
    "RevokePublisher": Rule(
        "DELETE", f"{_ROOT}/publishers/{{dapp}}/{{key}}", "Its token is taken no more."
    ),
    "GetStatus": Rule("GET", f"{_ROOT}/status", "Whether components and roles are well."),
    "Query": Rule("POST", f"{_ROOT}/query", "Ask the database in SQL, read-only."),
    "GetProof": Rule("GET", f"{_DAPP}/proof", "A claim's proof."),
    "GetState": Rule("GET", f"{_DAPP}/state", "What its program keeps under a key."),
    "GetRetention": Rule("GET", _RETENTION, "How long its rows are kept, and what goes soon."),
    "SetRetention": Rule("PUT", _RETENTION, "Keep its rows longer or shorter."),
    "ListQueries": Rule("GET", f"{_DAPP}/queries", "What its users may ask."),
    "SaveQuery": Rule("PUT", _QUERY, "Let them ask something."),
    "ForgetQuery": Rule("DELETE", _QUERY, "Let them ask it no more."),
    "RebuildRows": Rule("POST", f"{_DAPP}/rebuild", "Its rows anew; with the sink stopped."),
    "GetRights": Rule("GET", f"{_ROOT}/rights", "SQL that makes roles on a ClickHouse server."),
    "CollectFiles": Rule("POST", f"{_ROOT}/files/collect", "Remove files without a name."),
    "ShowWallet": Rule("GET", f"{_ROOT}/wallet", "The node's DID, keys' addresses, credentials."),
    "ListAudit": Rule("GET", f"{_ROOT}/audit", "Who changed what, and who was refused."),
    "RemoveDapp": Rule("DELETE", _DAPP, "Serve it no longer; what it has is kept."),
}


class OperatorsApi:
    """The calls, at every door."""

    def __init__(self, operators: Operators | None, tokens: Tokens) -> None:
        """``operators``: without them, no call is found; ``tokens``: the operators'."""
        self._operators = operators
        self._tokens = tokens
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="operators")

    def check(self, token: str) -> None:
        """Whether it is an operator's token, before anything else of a call is read.

        Raises:
            RefusedError: TOKEN_FORGED or TOKEN_EXPIRED.
        """
        self._tokens.holder_of(token)

    async def call(self, door: str, token: str, name: str, asked: Message) -> dict[str, Any]:
        """What a call answers, as JSON has it.

        Raises:
            RefusedError: TOKEN_FORGED, TOKEN_EXPIRED; or as `Operators.call`.
        """
        who = self._tokens.holder_of(token)
        if self._operators is None:
            raise RefusedError(Refusal.NOT_FOUND, "this endpoint serves no operators")
        fields = _fields(asked)
        do = partial(self._operators.call, operator(who, door), name, fields)
        said = await asyncio.get_running_loop().run_in_executor(self._threads, do)
        log.info("operator %s, over %s: %s %.300r", who, door, name, fields)
        return dict(said)

    def close(self) -> None:
        """Wait for what is under way."""
        self._threads.shutdown()

    # --- HTTP ------------------------------------------------------------------------------------

    def routes(self) -> list[web.RouteDef]:
        """The paths that it answers."""
        return [
            web.route(rule.method, rule.path, partial(self._answer, name))
            for name, rule in RULES.items()
        ]

    async def _answer(self, name: str, request: web.Request) -> web.Response:
        token = bearer(request, TOKEN_SOURCE)
        self.check(token)  # who is nobody has no body read
        given = dict(request.match_info) | dict(request.query)
        if RULES[name].has_body:
            given = _object(await read_body(request, RULES[name].body_bytes_max)) | given
        method = SERVICE.methods_by_name[name]
        asked = getattr(pb, method.input_type.name)()
        try:
            json_format.ParseDict(given, asked)
        except (json_format.ParseError, ValueError, RecursionError) as error:
            raise RefusedError(Refusal.MALFORMED_REQUEST, f"{error}") from None
        return json_answer(await self.call("http", token, name, asked))


def _object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(Refusal.MALFORMED_JSON, f"{error}") from None
    if not isinstance(found, dict):
        raise RefusedError(Refusal.MALFORMED_REQUEST, "not a JSON object")
    return found


def _fields(message: Message) -> dict[str, Any]:
    """A request's fields by name; one that may be left out and was, is."""
    fields = message.DESCRIPTOR.fields
    return {
        field.name: _plain(getattr(message, field.name))
        for field in fields
        if not field.has_presence or message.HasField(field.name)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | bytes):
        return value
    return dict(value) if hasattr(value, "items") else list(value)
