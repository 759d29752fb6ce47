"""W3bStream's own event API, so that clients written for it work as they are.

``POST /srv-applet-mgr/v0/event/{project}``: the body is one event, or with the event type
``DA-TA_PU-SH`` a JSON array of events of several devices. The answer comes when the program has
run, within `limits.ANSWER_WAIT_S`; an event that takes longer counts all the same. Here an event
is a message like any other: it is in Kafka before it is answered, and an ``eventID`` that came
before is not run again.

Source: the shapes are those of github.com/machinefi/w3bstream, ``cmd/srv-applet-mgr/apis/event``.
"""

import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import msgspec

from streams import limits
from streams.endpoint.admission import Refusal, RefusedError, name_of
from streams.endpoint.bodies import derived_id
from streams.endpoint.intake import Intake
from streams.records import DEFAULT_EVENT_TYPE, PROCESSED, REPEAT, WANTS_ANSWER, Answer, Message
from streams.registry.view import Registry

DOOR: Final = "w3bstream"
PATH: Final = "/srv-applet-mgr/v0/event/"
DATA_PUSH: Final = "DA-TA_PU-SH"

_FAILED: Final = -1
_CLOCK_SKEW_MS: Final = 1_000_000  # past it W3bStream takes its own clock for the device's
MADE_HERE: Final = "_w3b"  # ends the ids of events that came without one
_EVENT_ID_BYTES_MAX: Final = 256
_QUERY: Final = frozenset({"eventType", "eventID", "timestamp", "deviceID", "authorization"})
_WAIT_TIMEOUT: Final = "wait timeout"

_EventType = Annotated[str, msgspec.Meta(max_length=limits.EVENT_TYPE_BYTES_MAX)]


class _Pushed(msgspec.Struct, gc=False):
    """One element of a pushed array; W3bStream ignores further fields, and so does this."""

    device_id: Annotated[str, msgspec.Meta(min_length=1)]
    payload: str
    event_type: _EventType = ""
    timestamp: int = 0


_PUSHED: Final = msgspec.json.Decoder(list[_Pushed])


class EventApi:
    """From a request's query and body to its answer; knows nothing of HTTP but the statuses."""

    def __init__(self, intake: Intake, registry: Registry) -> None:
        self._intake = intake
        self._registry = registry

    async def answer(
        self, project: str, query: Mapping[str, str], token: str, body: bytes, now_ms: int
    ) -> Any:
        """The JSON of a 201.

        Raises:
            RefusedError: as `Intake.admit`, `Asking.ask`; MALFORMED_REQUEST, MALFORMED_JSON,
                NO_MESSAGES, TOO_LARGE or TOO_MANY_MESSAGES.
        """
        if unknown := sorted(query.keys() - _QUERY):
            raise _malformed(f"unknown parameter {unknown[0][:40]!r}")
        event_type = query.get("eventType") or DEFAULT_EVENT_TYPE
        event_id = query.get("eventID") or f"{uuid4()}{MADE_HERE}"
        if len(event_id.encode(errors="replace")) > _EVENT_ID_BYTES_MAX:
            raise _malformed(f"eventID: over {_EVENT_ID_BYTES_MAX} bytes")
        time_ms = _read_time(query.get("timestamp"), now_ms)
        device = query.get("deviceID")
        if event_type == DATA_PUSH:
            pushed = _read_pushed(body)
        elif device:
            pushed = [_Pushed(device, "", event_type, time_ms)]
        else:
            return await self._single(project, token, body, event_type, event_id, time_ms)
        payloads = [body] if event_type != DATA_PUSH else [one.payload.encode() for one in pushed]
        return await self._several(project, token, pushed, payloads, message_id(event_id), now_ms)

    async def _single(
        self, project: str, token: str, body: bytes, event_type: str, event_id: str, time_ms: int
    ) -> Any:
        _check(body, event_type)
        sender = self._intake.sender(token)
        device = name_of(sender)
        try:
            self._intake.admit(token, project)
        except RefusedError as error:
            # W3bStream's own answer to a token that is for another project.
            if error.refusal not in (Refusal.UNKNOWN_DAPP, Refusal.NOT_GRANTED):
                raise
            said = _event(project, device, event_id, time_ms, [])
            return said | {"error": "InvalidEventChannel"}
        id_ = message_id(event_id).bytes
        message = Message(device, body, id_, time_ms, event_type, WANTS_ANSWER)
        (answer,) = await self._intake.asking.ask(DOOR, sender.owner, project, [message])
        return self.described(project, message, event_id, answer)

    def described(
        self, project: str, message: Message, event_id: str, answer: Answer | None
    ) -> dict[str, Any]:
        """What a publisher is told of an event; ``answer`` None: not known in time."""
        results = self._results(project, message.event_type, answer)
        return _event(project, message.device, event_id, message.time_ms, results)

    async def _several(
        self,
        project: str,
        token: str,
        pushed: Sequence[_Pushed],
        payloads: Sequence[bytes],
        request_id: UUID,
        now_ms: int,
    ) -> Any:
        self._intake.admit(token, project)
        sender = self._intake.sender(token)
        messages: dict[int, Message] = {}
        results: list[list[dict[str, Any]]] = [[]] * len(pushed)
        for number, (one, payload) in enumerate(zip(pushed, payloads, strict=True)):
            event_type = one.event_type or DEFAULT_EVENT_TYPE
            try:
                _check(payload, event_type)
                self._intake.admit_as(sender, one.device_id)
            except RefusedError as error:
                results[number] = [_result(code=_FAILED, error=f"{error}")]
                continue
            id_ = derived_id(request_id, number).bytes
            time_ms = near(one.timestamp, now_ms)
            messages[number] = Message(
                one.device_id, payload, id_, time_ms, event_type, WANTS_ANSWER
            )
        answers = await self._intake.asking.ask(
            DOOR, sender.owner, project, list(messages.values())
        )
        for (number, message), answer in zip(messages.items(), answers, strict=True):
            results[number] = self._results(project, message.event_type, answer)
        return [{"index": number, "results": one} for number, one in enumerate(results)]

    def _results(
        self, project: str, event_type: str, answer: Answer | None
    ) -> list[dict[str, Any]]:
        """One for each handler that the event reached; none if it had been run before."""
        dapp = self._registry.dapp(project)
        events = dapp.manifest.events if dapp is not None else {}
        routed = events.get(event_type, events.get(DEFAULT_EVENT_TYPE, ""))
        handlers = [routed] if isinstance(routed, str) else list(routed)
        if answer is not None and answer.outcome == REPEAT:
            return []
        codes = [] if answer is None else list(answer.codes)
        if answer is None or (answer.outcome != PROCESSED and all(code >= 0 for code in codes)):
            codes.append(_FAILED)  # of the handler at which it ended, and which gave none
        names = [*handlers, *[""] * len(codes)]
        said = [
            _result(project, handler, code) for handler, code in zip(names, codes, strict=False)
        ]
        if answer is None:
            said[-1]["error"] = _WAIT_TIMEOUT
        elif answer.outcome != PROCESSED:
            first = next(one for one in said if one["code"] < 0)
            first["error"] = answer.why or answer.outcome
        return said


def message_id(event_id: str) -> UUID:
    """An event's id as a message's: itself if it is a UUID, else a UUIDv8 of its SHA-256."""
    text = event_id.lower().removesuffix(MADE_HERE)
    try:
        return UUID(text)
    except ValueError:
        digest = bytearray(hashlib.sha256(text.encode(errors="replace")).digest()[:16])
        digest[6] = 0x80 | digest[6] & 0x0F  # version 8
        digest[8] = 0x80 | digest[8] & 0x3F  # the variant of RFC 9562
        return UUID(bytes=bytes(digest))


def refusal(error: RefusedError, status: HTTPStatus) -> dict[str, Any]:
    """W3bStream's fields of an error, beside those that every refusal has."""
    as_result = [_result(code=_FAILED, error=f"{error}")]
    key = "".join(part.capitalize() for part in error.refusal.split("_"))
    return {
        "key": key,
        "code": status * 1_000_000,
        "msg": error.refusal,
        "desc": error.message,
        "canBeTalk": True,
        "id": "",
        "sources": None,
        "fields": None,
        "results": as_result if status is HTTPStatus.TOO_MANY_REQUESTS else None,
    }


def _event(
    project: str, device: str, event_id: str, time_ms: int, results: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "channel": project,
        "publisherID": _number(f"{project}/{device}"),
        "publisherKey": device,
        "eventID": event_id,
        "timestamp": time_ms,
        "results": results,
    }


def _result(
    project: str = "", handler: str = "", code: int = 0, error: str | None = None
) -> dict[str, Any]:
    said: dict[str, Any] = {
        "appletName": project,
        "instanceID": _number(project) if project else "0",
        "handler": handler,
        "returnValue": None,
        "code": code,
    }
    return said if error is None else said | {"error": error}


def _number(name: str) -> str:
    """A number of 63 bits that stands for a name, as text: what W3bStream's ids look like."""
    return str(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1)


def _check(payload: bytes, event_type: str) -> None:
    if len(payload) > limits.PAYLOAD_BYTES_MAX:
        raise RefusedError(
            Refusal.TOO_LARGE, f"a payload may have {limits.PAYLOAD_BYTES_MAX} bytes"
        )
    if len(event_type.encode(errors="replace")) > limits.EVENT_TYPE_BYTES_MAX:
        raise _malformed(f"eventType: over {limits.EVENT_TYPE_BYTES_MAX} bytes of UTF-8")


def _read_time(text: str | None, now_ms: int) -> int:
    if not text:
        return now_ms
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 20:
        raise _malformed("timestamp: not a number of milliseconds since 1970")
    return near(int(text), now_ms)


def near(time_ms: int, now_ms: int) -> int:
    """A publisher's time, or now if it is too far off; milliseconds since 1970."""
    return time_ms if abs(time_ms - now_ms) <= _CLOCK_SKEW_MS else now_ms


def _read_pushed(body: bytes) -> list[_Pushed]:
    try:
        pushed = _PUSHED.decode(body)
    except msgspec.ValidationError as error:
        raise _malformed(f"{error}") from None
    except (ValueError, RecursionError) as error:
        raise RefusedError(Refusal.MALFORMED_JSON, f"{error}") from None
    if not pushed:
        raise RefusedError(Refusal.NO_MESSAGES, "the body has no events: a JSON array of them")
    if len(pushed) > limits.REQUEST_MESSAGES_MAX:
        raise RefusedError(
            Refusal.TOO_MANY_MESSAGES, f"a body may have {limits.REQUEST_MESSAGES_MAX} events"
        )
    return pushed


def _malformed(said: str) -> RefusedError:
    return RefusedError(Refusal.MALFORMED_REQUEST, said)
