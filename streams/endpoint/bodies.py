"""From a request's body to the records that go to Kafka. Pure, a whole body at a time.

Four forms:

- one message: the body is the payload, any bytes (JSON or CBOR is checked if it is said to be it);
- NDJSON (``application/x-ndjson``): each line is a payload;
- a CBOR sequence (``application/cbor-seq``, RFC 8742): each item is a payload;
- envelopes (``application/vnd.w3b.envelopes+x-ndjson``): each line is an object with a
  ``payload`` and, if wanted, its own ``id``, ``time_ms`` and ``event_type``. The payload is kept
  byte for byte as it stands in the line.

Message ids. One message has the request's id. In the other forms message n (from 0, empty lines
not counted) has an id derived from the request's, so that a retry of the whole body with the same
``id`` is recognised message by message: a UUIDv8 (RFC 9562, section 5.8) of the first 12 bytes of
SHA-256(request id), with version and variant set, and n as 4 bytes big-endian. An envelope's own
``id`` takes precedence. A request without an id gets a random one.
"""

import codecs
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from streams import limits
from streams.endpoint import cbor
from streams.endpoint.admission import Refusal, RefusedError
from streams.records import DEFAULT_EVENT_TYPE, HEADER, message_prefix

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
CBOR: Final = "application/cbor"
CBOR_SEQUENCE: Final = "application/cbor-seq"
ENVELOPES: Final = "application/vnd.w3b.envelopes+x-ndjson"

_ID_BYTES: Final = 16
_STEM_BYTES: Final = _ID_BYTES - 4  # of an id that ends in a number
_STEMS_AT_ONCE: Final = 256
_ID_AT: Final = HEADER.size - _ID_BYTES  # the id closes the header
_SHOWN_LINES_MAX: Final = 10
OPTIONS: Final = frozenset({"event_type", "time_ms", "id"})


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    payload: msgspec.Raw
    id: UUID | None = None
    time_ms: Annotated[int, msgspec.Meta(ge=0, le=limits.TIME_MS_MAX)] | None = None
    event_type: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=limits.EVENT_TYPE_BYTES_MAX)] | None
    ) = None


# Raw: the syntax is checked, nothing is built (five times as fast as building it).
_JSON: Final = msgspec.json.Decoder(msgspec.Raw)
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class Options:
    """What a request says of all its messages."""

    request_id: UUID
    time_ms: int
    event_type: str = DEFAULT_EVENT_TYPE


@dataclass(frozen=True, slots=True)
class Messages:
    """A request's messages, ready for Kafka: record values, and the ids as text, in order."""

    values: list[bytes]
    ids: list[str]


def bytes_max(content_type: str) -> int:
    """How long a body of this type may be."""
    if content_type in (NDJSON, ENVELOPES, CBOR_SEQUENCE):
        return limits.REQUEST_BYTES_MAX
    return limits.PAYLOAD_BYTES_MAX


def read_options(query: Mapping[str, str], now_ms: int) -> Options:
    """``event_type``, ``time_ms`` and ``id`` of a query; what is absent gets its default.

    Raises:
        RefusedError: MALFORMED_REQUEST, naming the parameter.
    """
    if not query:  # as of most single messages
        return Options(read_id(None), now_ms)
    if unknown := sorted(query.keys() - OPTIONS):
        raise RefusedError(
            Refusal.MALFORMED_REQUEST,
            f"unknown parameter {unknown[0][:40]!r}: there are event_type, time_ms and id",
        )
    request_id = read_id(query.get("id"))
    time_text = query.get("time_ms")
    time_ms = now_ms
    if time_text is not None:
        digits = time_text.isascii() and time_text.isdigit() and len(time_text) <= 20
        time_ms = int(time_text) if digits else -1
        check_time(time_ms)
    event_type = query.get("event_type", DEFAULT_EVENT_TYPE)
    check_event_type(event_type)
    return Options(request_id, time_ms, event_type)


def read_id(text: str | None) -> UUID:
    """A message's or request's id; a random one for none.

    Raises:
        RefusedError: MALFORMED_REQUEST.
    """
    if text is None:
        return UUID(bytes=os.urandom(_ID_BYTES), version=4)
    try:
        return UUID(text)
    except ValueError:
        raise RefusedError(Refusal.MALFORMED_REQUEST, "id: not a UUID (RFC 9562)") from None


def check_time(time_ms: int) -> None:
    """See that a device's time can be stored.

    Raises:
        RefusedError: MALFORMED_REQUEST.
    """
    if not 0 <= time_ms <= limits.TIME_MS_MAX:
        raise RefusedError(
            Refusal.MALFORMED_REQUEST,
            "time_ms: not milliseconds since 1970 (UTC) in the years 1970 to 2199",
        )


def check_event_type(event_type: str) -> None:
    """See that an event type is neither empty nor too long.

    Raises:
        RefusedError: MALFORMED_REQUEST.
    """
    if not event_type or _event_type_bytes(event_type) > limits.EVENT_TYPE_BYTES_MAX:
        raise RefusedError(
            Refusal.MALFORMED_REQUEST,
            f"event_type: not 1 to {limits.EVENT_TYPE_BYTES_MAX} bytes of UTF-8",
        )


def read_messages(body: bytes, content_type: str, options: Options, device: str) -> Messages:
    """The messages of a body, all or none.

    ``content_type``: without its parameters, lower-case.

    Raises:
        RefusedError: MALFORMED_JSON, MALFORMED_CBOR, MALFORMED_REQUEST, TOO_LARGE (with the
            numbers of the lines or items at fault, from 1), NO_MESSAGES or TOO_MANY_MESSAGES.
    """
    if content_type == NDJSON:
        return _read_ndjson(body, options, device)
    if content_type == ENVELOPES:
        return _read_envelopes(body, options, device)
    if content_type == CBOR_SEQUENCE:
        return _read_cbor_sequence(body, options, device)
    if len(body) > limits.PAYLOAD_BYTES_MAX:
        raise RefusedError(Refusal.TOO_LARGE, _TOO_LARGE_PAYLOAD)
    if content_type == JSON:
        _decode_line(_JSON.decode, body)
    if content_type == CBOR and len(_cbor_ends(body)) != 1:
        raise RefusedError(Refusal.MALFORMED_CBOR, f"not one item: {CBOR_SEQUENCE} has several")
    prefix = message_prefix(device, options.event_type, options.request_id.bytes, options.time_ms)
    return Messages([prefix + body], [str(options.request_id)])


_TOO_LARGE_PAYLOAD: Final = f"a payload may have {limits.PAYLOAD_BYTES_MAX} bytes"


def derived_id(request_id: UUID, n: int) -> UUID:
    """The id of a request's message n (see the module's docstring)."""
    return UUID(bytes=id_stem(request_id) + n.to_bytes(4))


def id_stem(request_id: UUID) -> bytes:
    """The first 12 bytes of the ids of a request's messages; the last 4 are their numbers."""
    return _marked(hashlib.sha256(request_id.bytes).digest()[:12])


def _marked(stem: bytes) -> bytes:
    marked = bytearray(stem)
    marked[6] = 0x80 | marked[6] & 0x0F  # version 8
    marked[8] = 0x80 | marked[8] & 0x3F  # the variant of RFC 9562
    return bytes(marked)


def _read_ndjson(body: bytes, options: Options, device: str) -> Messages:
    payloads = _lines(body)
    _check_lines(body, payloads, _JSON.decode)
    if max(map(len, payloads)) > limits.PAYLOAD_BYTES_MAX:
        _refuse_large(body, lambda line: len(line) > limits.PAYLOAD_BYTES_MAX)
    return numbered(payloads, options, device)


def _read_cbor_sequence(body: bytes, options: Options, device: str) -> Messages:
    ends = _cbor_ends(body)
    if not ends:
        raise RefusedError(Refusal.NO_MESSAGES, "the body has no messages: a sequence of items")
    if len(ends) > limits.REQUEST_MESSAGES_MAX:
        raise RefusedError(Refusal.TOO_MANY_MESSAGES, _TOO_MANY)
    payloads = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    if max(map(len, payloads)) > limits.PAYLOAD_BYTES_MAX:
        large = [n for n, one in enumerate(payloads, 1) if len(one) > limits.PAYLOAD_BYTES_MAX]
        numbers = ", ".join(map(str, large[:_SHOWN_LINES_MAX]))
        raise RefusedError(
            Refusal.TOO_LARGE, f"nothing was written: {_TOO_LARGE_PAYLOAD}; item {numbers}"
        )
    return numbered(payloads, options, device)


def _cbor_ends(body: bytes) -> list[int]:
    try:
        return cbor.ends(body)
    except cbor.CborError as error:
        raise RefusedError(Refusal.MALFORMED_CBOR, f"nothing was written: {error}") from None


def numbered(payloads: Sequence[bytes], options: Options, device: str) -> Messages:
    """Messages of a request with several; their ids are derived from its own."""
    stem = id_stem(options.request_id)
    ids = [stem + n.to_bytes(4) for n in range(len(payloads))]
    stem_text = str(UUID(bytes=stem + bytes(4)))[:-8]
    return Messages(
        _records(payloads, ids, device, options.event_type, options.time_ms),
        [f"{stem_text}{n:08x}" for n in range(len(payloads))],
    )


def unnamed(
    payloads: Sequence[bytes], device: str, event_type: str, time_ms: int
) -> tuple[list[bytes], list[bytes]]:
    """Records of messages that came without ids, and the ids that they get, of 16 bytes."""
    stem = _random_stem()
    ids = [stem + n.to_bytes(4) for n in range(len(payloads))]
    return _records(payloads, ids, device, event_type, time_ms), ids


# Asking the system for randomness costs as much as all else that a single message takes here.
_STEMS: Final[list[bytes]] = []
os.register_at_fork(after_in_child=_STEMS.clear)


def _random_stem() -> bytes:
    if not _STEMS:
        random = os.urandom(_STEM_BYTES * _STEMS_AT_ONCE)
        starts = range(0, len(random), _STEM_BYTES)
        _STEMS.extend(_marked(random[start : start + _STEM_BYTES]) for start in starts)
    return _STEMS.pop()


def _records(
    payloads: Sequence[bytes], ids: Sequence[bytes], device: str, event_type: str, time_ms: int
) -> list[bytes]:
    prefix = message_prefix(device, event_type, bytes(_ID_BYTES), time_ms)
    before, after = prefix[:_ID_AT], prefix[HEADER.size :]
    return [before + id_ + after + payload for id_, payload in zip(ids, payloads, strict=True)]


def _read_envelopes(body: bytes, options: Options, device: str) -> Messages:
    lines = _lines(body)
    envelopes = _check_lines(body, lines, _decode_envelope)
    if max(map(len, lines)) > limits.PAYLOAD_BYTES_MAX:
        _refuse_large(
            body, lambda line: len(_ENVELOPE.decode(line).payload) > limits.PAYLOAD_BYTES_MAX
        )
    stem = id_stem(options.request_id)
    ids = [
        UUID(bytes=stem + n.to_bytes(4)) if envelope.id is None else envelope.id
        for n, envelope in enumerate(envelopes)
    ]
    return Messages(
        [
            message_prefix(
                device,
                envelope.event_type or options.event_type,
                id_.bytes,
                options.time_ms if envelope.time_ms is None else envelope.time_ms,
            )
            + envelope.payload
            for id_, envelope in zip(ids, envelopes, strict=True)
        ],
        [str(id_) for id_ in ids],
    )


def _lines(body: bytes) -> list[bytes]:
    if body.count(b"\n") > 2 * limits.REQUEST_MESSAGES_MAX:  # before anything is built from it
        raise RefusedError(Refusal.TOO_MANY_MESSAGES, _TOO_MANY)
    lines = [line for raw in body.split(b"\n") if (line := raw.strip())]
    if not lines:
        raise RefusedError(Refusal.NO_MESSAGES, "the body has no messages: one JSON value a line")
    if len(lines) > limits.REQUEST_MESSAGES_MAX:
        raise RefusedError(Refusal.TOO_MANY_MESSAGES, _TOO_MANY)
    return lines


_TOO_MANY: Final = f"a body may have {limits.REQUEST_MESSAGES_MAX} messages: send several"


def _check_lines(body: bytes, lines: list[bytes], decode: Callable[[bytes], Any]) -> list[Any]:
    try:
        body.decode()  # what Raw skips over is not checked to be UTF-8
        return [decode(line) for line in lines]
    except (ValueError, RecursionError):
        pass
    # Something is wrong; now it is worth finding out what and where.
    faults: list[tuple[int, RefusedError]] = []
    for number, raw in enumerate(body.split(b"\n"), 1):
        if line := raw.strip():
            try:
                _decode_line(decode, line)
            except RefusedError as error:
                faults.append((number, error))
                if len(faults) > _SHOWN_LINES_MAX:
                    break
    shown = "; ".join(
        f"line {number}: {error.message}" for number, error in faults[:_SHOWN_LINES_MAX]
    )
    more = "; and more" if len(faults) > _SHOWN_LINES_MAX else ""
    raise RefusedError(faults[0][1].refusal, f"nothing was written: {shown}{more}")


def _decode_line(decode: Callable[[bytes], Any], line: bytes) -> None:
    try:
        line.decode()
        decode(line)
    except UnicodeDecodeError as error:
        raise RefusedError(Refusal.MALFORMED_JSON, f"not UTF-8 at byte {error.start}") from None
    except msgspec.ValidationError as error:
        raise RefusedError(Refusal.MALFORMED_REQUEST, f"{error}") from None
    except RecursionError:
        raise RefusedError(Refusal.MALFORMED_JSON, "nested too deeply") from None
    except ValueError as error:
        marked = line.startswith(codecs.BOM_UTF8)
        said = "it begins with a byte order mark: send UTF-8 without one" if marked else f"{error}"
        raise RefusedError(Refusal.MALFORMED_JSON, said) from None


def _decode_envelope(line: bytes) -> _Envelope:
    envelope = _ENVELOPE.decode(line)
    if (
        envelope.event_type is not None
        and _event_type_bytes(envelope.event_type) > limits.EVENT_TYPE_BYTES_MAX
    ):
        raise msgspec.ValidationError(
            f"event_type has over {limits.EVENT_TYPE_BYTES_MAX} bytes of UTF-8"
        )
    return envelope


def _event_type_bytes(event_type: str) -> int:
    """Length in UTF-8; a lone surrogate (from a broken percent-encoding) counts as too long."""
    try:
        return len(event_type.encode())
    except UnicodeEncodeError:
        return limits.EVENT_TYPE_BYTES_MAX + 1


def _refuse_large(body: bytes, is_large: Callable[[bytes], bool]) -> None:
    """Refuse a body with too large a payload, naming the lines."""
    numbers = [
        str(number)
        for number, raw in enumerate(body.split(b"\n"), 1)
        if (line := raw.strip()) and is_large(line)
    ]
    if numbers:
        raise RefusedError(
            Refusal.TOO_LARGE,
            f"nothing was written: {_TOO_LARGE_PAYLOAD}; line {', '.join(numbers)}",
        )
