"""From bodies to records."""

import json
import sys
from collections.abc import Iterator
from uuid import UUID

import cbor2
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams import limits
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.bodies import (
    CBOR,
    CBOR_SEQUENCE,
    ENVELOPES,
    JSON,
    NDJSON,
    Messages,
    Options,
    derived_id,
    read_messages,
    read_options,
)
from streams.records import Message, decode_message

NOW_MS = 1_700_000_000_000
DEVICE = "did:key:zCar"
REQUEST = UUID("018bcfe5-6800-7000-8000-000000000001")
OPTIONS = Options(REQUEST, NOW_MS, "drive")


def _decoded(messages: Messages) -> list[Message]:
    decoded = [decode_message(value) for value in messages.values]
    assert [str(UUID(bytes=message.message_id)) for message in decoded] == messages.ids
    assert all(message.device == DEVICE for message in decoded)
    return decoded


def _refused(body: bytes, type_: str) -> RefusedError:
    with pytest.raises(RefusedError) as error:
        read_messages(body, type_, OPTIONS, DEVICE)
    return error.value


@pytest.mark.parametrize("body", [b"", b"\xb3\x00\xff", b'{"a": 1}', b"line\nline"])
def test_one_message_is_kept_as_it_is(body: bytes) -> None:
    (message,) = _decoded(read_messages(body, "application/octet-stream", OPTIONS, DEVICE))
    assert message == Message(DEVICE, body, REQUEST.bytes, NOW_MS, "drive")


def test_one_message_said_to_be_json_is() -> None:
    (message,) = _decoded(read_messages(b' {"a": 1.50} ', JSON, OPTIONS, DEVICE))
    assert message.payload == b' {"a": 1.50} '
    for body in (b"", b"{", b"{} {}", b'"\xff"', b"NaN", b"[" * 100_000):
        assert _refused(body, JSON).refusal is Refusal.MALFORMED_JSON


def test_each_line_is_a_message_with_an_id_that_a_retry_derives_again() -> None:
    body = b'{"n": 0}\r\n\n  \n{"n":1}\n[2]'
    messages = read_messages(body, NDJSON, OPTIONS, DEVICE)
    decoded = _decoded(messages)
    assert [message.payload for message in decoded] == [b'{"n": 0}', b'{"n":1}', b"[2]"]
    assert [message.event_type for message in decoded] == ["drive"] * 3
    assert [message.time_ms for message in decoded] == [NOW_MS] * 3
    assert messages.ids == [str(derived_id(REQUEST, n)) for n in range(3)]
    assert messages == read_messages(body, NDJSON, OPTIONS, DEVICE)
    other = Options(UUID(int=REQUEST.int + 1), NOW_MS)
    assert not set(messages.ids) & set(read_messages(body, NDJSON, other, DEVICE).ids)


def test_derived_ids_are_uuids_of_version_8() -> None:
    id_ = derived_id(REQUEST, 7)
    assert id_.version == 8
    assert id_.variant == "specified in RFC 4122"
    assert str(id_).endswith("00000007")


def test_an_envelope_says_what_differs_and_keeps_its_payload_byte_for_byte() -> None:
    own = UUID(int=5)
    body = b"\n".join(
        [
            b'{"payload": {"a":  1.0, "big": 123456789012345678901234567890}}',
            b'{"id":"%s","time_ms":17,"event_type":"stop","payload":"\\u00e4"}' % str(own).encode(),
            b'{"payload":null,"time_ms":0}',
        ]
    )
    decoded = _decoded(read_messages(body, ENVELOPES, OPTIONS, DEVICE))
    assert [message.payload for message in decoded] == [
        b'{"a":  1.0, "big": 123456789012345678901234567890}',
        b'"\\u00e4"',
        b"null",
    ]
    assert [message.time_ms for message in decoded] == [NOW_MS, 17, 0]
    assert [message.event_type for message in decoded] == ["drive", "stop", "drive"]
    assert [UUID(bytes=message.message_id) for message in decoded] == [
        derived_id(REQUEST, 0),
        own,
        derived_id(REQUEST, 2),
    ]


@pytest.fixture
def as_the_endpoint_starts() -> Iterator[None]:
    """Python's own recursion limit, which other tests' libraries raise when imported."""
    raised = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(raised)


@pytest.mark.usefixtures("as_the_endpoint_starts")
@pytest.mark.parametrize(
    ("body", "type_", "refusal", "said"),
    [
        (b"\n \r\n", NDJSON, Refusal.NO_MESSAGES, "no messages"),
        (b"1\n{\n2\nnul", NDJSON, Refusal.MALFORMED_JSON, "line 2: .*; line 4: "),
        (b"[1\n2]\n3,4", NDJSON, Refusal.MALFORMED_JSON, "line 1: .*line 2: .*line 3: "),
        (b'1\n\n"\xff"', NDJSON, Refusal.MALFORMED_JSON, "line 3: not UTF-8 at byte 1"),
        (b"\xef\xbb\xbf{}", NDJSON, Refusal.MALFORMED_JSON, "line 1: .* byte order mark"),
        (b"1\n" + b"[" * 5000, NDJSON, Refusal.MALFORMED_JSON, "line 2: nested too deeply"),
        (b"{\n" * 50, NDJSON, Refusal.MALFORMED_JSON, "line 10: [^;]*; and more$"),
        (b"1\n" * (limits.REQUEST_MESSAGES_MAX + 1), NDJSON, Refusal.TOO_MANY_MESSAGES, "may have"),
        (b"\n" * limits.REQUEST_BYTES_MAX, NDJSON, Refusal.TOO_MANY_MESSAGES, "may have"),
        (b"{}", ENVELOPES, Refusal.MALFORMED_REQUEST, "line 1: .*`payload`"),
        (b'{"payload":1,"tme":2}', ENVELOPES, Refusal.MALFORMED_REQUEST, "unknown field `tme`"),
        (b'{"payload":1,"id":"x"}', ENVELOPES, Refusal.MALFORMED_REQUEST, "UUID.*id"),
        (b'{"payload":1,"time_ms":-1}', ENVELOPES, Refusal.MALFORMED_REQUEST, "time_ms"),
        (b'{"payload":1,"time_ms":1e9}', ENVELOPES, Refusal.MALFORMED_REQUEST, "time_ms"),
        (b'{"payload":1,"event_type":""}', ENVELOPES, Refusal.MALFORMED_REQUEST, "event_type"),
        (
            '{{"payload":1,"event_type":"{}"}}'.format("ä" * 40).encode(),
            ENVELOPES,
            Refusal.MALFORMED_REQUEST,
            "over 64 bytes",
        ),
        (b'{"payload":1', ENVELOPES, Refusal.MALFORMED_JSON, "line 1"),
        (b"7", ENVELOPES, Refusal.MALFORMED_REQUEST, "line 1"),
    ],
)
def test_a_bad_line_refuses_the_body_and_is_named(
    body: bytes, type_: str, refusal: Refusal, said: str
) -> None:
    error = _refused(body, type_)
    assert error.refusal is refusal
    with pytest.raises(RefusedError, match=said):
        raise error


def test_too_large_a_payload_is_named_by_its_line() -> None:
    large = b'"%s"' % (b"x" * limits.PAYLOAD_BYTES_MAX)
    assert _refused(large, "text/plain").refusal is Refusal.TOO_LARGE
    error = _refused(b"1\n\n" + large, NDJSON)
    assert error.refusal is Refusal.TOO_LARGE
    assert "line 3" in error.message
    error = _refused(b'{"payload":1}\n{"payload":' + large + b"}", ENVELOPES)
    assert error.refusal is Refusal.TOO_LARGE
    assert "line 2" in error.message
    fits = b'"%s"' % (b"x" * (limits.PAYLOAD_BYTES_MAX - 2))
    assert read_messages(fits, NDJSON, OPTIONS, DEVICE).values
    assert read_messages(b'{"payload":' + fits + b"}", ENVELOPES, OPTIONS, DEVICE).values


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(st.lists(json_values, min_size=1, max_size=8))
def test_all_json_passes_and_comes_out_as_it_went_in(values: list[object]) -> None:
    lines = [json.dumps(value).encode() for value in values]
    decoded = _decoded(read_messages(b"\n".join(lines), NDJSON, OPTIONS, DEVICE))
    assert [message.payload for message in decoded] == lines
    envelopes = [b'{"payload":%s}' % line for line in lines]
    decoded = _decoded(read_messages(b"\n".join(envelopes), ENVELOPES, OPTIONS, DEVICE))
    assert [message.payload for message in decoded] == lines


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:0123eE+-.\\u \n', max_size=60))
@example(b"1e999")
def test_what_passes_is_json_and_nothing_else_is_raised(raw: bytes | str) -> None:
    body = raw.encode() if isinstance(raw, str) else raw
    for type_ in (JSON, NDJSON, ENVELOPES, ""):
        try:
            messages = read_messages(body, type_, OPTIONS, DEVICE)
        except RefusedError:
            continue
        if type_:
            for message in _decoded(messages):
                json.loads(message.payload)
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    read_messages(body, JSON, OPTIONS, DEVICE)


def test_options_have_defaults() -> None:
    options = read_options({}, NOW_MS)
    assert (options.time_ms, options.event_type) == (NOW_MS, "DEFAULT")
    assert options.request_id != read_options({}, NOW_MS).request_id
    query = {"id": str(REQUEST), "time_ms": "5", "event_type": "drive"}
    assert read_options(query, NOW_MS) == Options(REQUEST, 5, "drive")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"id": "7"}, "id: not a UUID"),
        ({"time_ms": "1.5"}, "time_ms"),
        ({"time_ms": "-1"}, "time_ms"),
        ({"time_ms": "9" * 5000}, "time_ms"),
        ({"time_ms": "٣"}, "time_ms"),
        ({"time_ms": str(limits.TIME_MS_MAX + 1)}, "time_ms"),
        ({"event_type": ""}, "event_type"),
        ({"event_type": "x" * 65}, "event_type"),
        ({"event_type": "\ud800"}, "event_type"),
        ({"eventType": "x"}, "unknown parameter 'eventType'"),
    ],
)
def test_bad_options_are_named(query: dict[str, str], said: str) -> None:
    with pytest.raises(RefusedError, match=said) as error:
        read_options(query, NOW_MS)
    assert error.value.refusal is Refusal.MALFORMED_REQUEST


def test_a_cbor_sequence_is_a_payload_an_item() -> None:
    items = [cbor2.dumps(value) for value in (1, {"speed": 2.5}, "x" * 300, b"")]
    messages = _decoded(read_messages(b"".join(items), CBOR_SEQUENCE, OPTIONS, DEVICE))
    assert [message.payload for message in messages] == items
    assert messages[2].message_id == derived_id(REQUEST, 2).bytes
    (one,) = _decoded(read_messages(items[1], CBOR, OPTIONS, DEVICE))
    assert one.payload == items[1]


@pytest.mark.parametrize(
    ("body", "type_", "refusal", "said"),
    [
        (b"", CBOR_SEQUENCE, Refusal.NO_MESSAGES, "no messages"),
        (b"\x01\x82\x01", CBOR_SEQUENCE, Refusal.MALFORMED_CBOR, "item 2: is cut short"),
        (b"\x01\x02", CBOR, Refusal.MALFORMED_CBOR, "not one item"),
        (bytes(limits.REQUEST_MESSAGES_MAX + 9), CBOR_SEQUENCE, Refusal.TOO_MANY_MESSAGES, "may"),
        (
            b"\x01" + cbor2.dumps(bytes(limits.PAYLOAD_BYTES_MAX)),
            CBOR_SEQUENCE, Refusal.TOO_LARGE, "item 2",
        ),
    ],
)  # fmt: skip
def test_a_bad_cbor_body_is_refused(body: bytes, type_: str, refusal: Refusal, said: str) -> None:
    error = _refused(body, type_)
    assert (error.refusal, said in error.message) == (refusal, True)
