"""What W3bStream's clients publish, read: their topic, and the event in its payload.

On ``{dapp}/push/{token}/{event_type}`` the payload is the event's. On ``{dapp}`` it is the event
with its header: a protocol buffer, or the same as JSON with the payload in base64; also several of
the latter, as ``{"events": [...]}``. A protocol buffer of that type never begins as JSON does.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
from google.protobuf.message import DecodeError

from streams import limits
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.bodies import check_event_type, read_options
from streams.endpoint.mqtt.addresses import Address
from streams.endpoint.rpc.event_pb2 import Event as EventMessage
from streams.endpoint.w3bstream import near
from streams.records import DEFAULT_EVENT_TYPE

_JSON_START: Final = b"{"


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        payload: its bytes.
        event_type: which.
        event_id: as its publisher said it; empty: it said none.
        time_ms: when, since 1970.
        token: whose it is; empty: the connection's.
    """

    payload: bytes
    event_type: str
    event_id: str
    time_ms: int
    token: str


class _Header(msgspec.Struct):
    event_type: str = ""
    token: str = ""
    pub_time: int = 0
    timestamp: int = 0
    event_id: str = ""


class _Event(msgspec.Struct):
    header: _Header = msgspec.field(default_factory=_Header)
    payload: bytes = b""


class _Events(_Event):
    events: list[_Event] | None = None


_EVENTS: Final = msgspec.json.Decoder(_Events)


def read_events(payload: bytes, address: Address, now_ms: int) -> list[Event]:
    """The events of a PUBLISH of W3bStream's forms.

    Args:
        payload: of the PUBLISH.
        address: what its topic says.
        now_ms: the time of events that say none, or one too far off.

    Raises:
        RefusedError: MALFORMED_REQUEST, MALFORMED_JSON, NO_MESSAGES, TOO_LARGE.
    """
    if address.token is not None:
        options = read_options(address.options, now_ms)
        found = [
            Event(payload, options.event_type, address.event_id, options.time_ms, address.token)
        ]
    elif payload.startswith(_JSON_START):  # behind white space it could be a header
        found = _read_json(payload, now_ms)
    else:
        found = [_read_message(payload, now_ms)]
    for one in found:
        check_event_type(one.event_type)
        if len(one.payload) > limits.PAYLOAD_BYTES_MAX:
            raise RefusedError(
                Refusal.TOO_LARGE, f"a payload may have {limits.PAYLOAD_BYTES_MAX} bytes"
            )
    return found


def _read_json(payload: bytes, now_ms: int) -> list[Event]:
    try:
        said = _EVENTS.decode(payload)
    except msgspec.ValidationError as error:
        raise RefusedError(Refusal.MALFORMED_REQUEST, f"{error}") from None
    except (ValueError, RecursionError) as error:
        raise RefusedError(Refusal.MALFORMED_JSON, f"{error}") from None
    events: list[_Event] = [said] if said.events is None else said.events
    if not events:
        raise RefusedError(Refusal.NO_MESSAGES, "events: there are none")
    return [
        Event(
            one.payload,
            one.header.event_type or DEFAULT_EVENT_TYPE,
            one.header.event_id,
            near(one.header.pub_time or one.header.timestamp, now_ms),
            one.header.token,
        )
        for one in events
    ]


def _read_message(payload: bytes, now_ms: int) -> Event:
    try:
        said = EventMessage.FromString(payload)
    except DecodeError:
        raise RefusedError(
            Refusal.MALFORMED_REQUEST,
            "this topic takes W3bStream's events, as protocol buffers or JSON; for others publish "
            "to v1/dapps/{dapp}/messages",
        ) from None
    header = said.header
    return Event(
        said.payload,
        header.event_type or DEFAULT_EVENT_TYPE,
        header.event_id,
        near(header.pub_time, now_ms),
        header.token,
    )
