"""W3bStream's events in PUBLISHes: what is read, and that the rest is refused and nothing else."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import limits
from streams.endpoint.admission import RefusedError
from streams.endpoint.mqtt.addresses import parse_address
from streams.endpoint.mqtt.events import Event, read_events
from streams.endpoint.rpc import event_pb2 as pb

NOW_MS = 1_700_000_000_000
WHOLE = parse_address("a")

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
TYPES = st.text("abc", min_size=1, max_size=limits.EVENT_TYPE_BYTES_MAX)


@given(TYPES, TEXTS, TEXTS, st.integers(-1_000_000, 1_000_000), st.binary(max_size=300))
def test_an_event_is_the_same_in_both_forms(
    event_type: str, token: str, event_id: str, late_ms: int, payload: bytes
) -> None:
    said: dict[str, Any] = {
        "event_type": event_type, "token": token, "event_id": event_id,
        "pub_time": NOW_MS - late_ms,
    }  # fmt: skip
    expected = Event(payload, event_type, event_id, NOW_MS - late_ms, token)
    message = pb.Event(header=pb.Header(**said), payload=payload).SerializeToString()
    assert read_events(message, WHOLE, NOW_MS) == [expected]
    one = {"header": said, "payload": base64.b64encode(payload).decode()}
    assert read_events(json.dumps(one).encode(), WHOLE, NOW_MS) == [expected]
    several = json.dumps({"events": [one, one]}).encode()
    assert read_events(several, WHOLE, NOW_MS) == [expected, expected]


def test_a_header_whose_length_is_a_brace() -> None:
    header = pb.Header(token=(ord("{") - 2) * "t")
    message = pb.Event(header=header, payload=b"x").SerializeToString()
    assert message.startswith(b"\n{")
    (found,) = read_events(message, WHOLE, NOW_MS)
    assert (found.payload, found.event_type, found.time_ms) == (b"x", "DEFAULT", NOW_MS)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(b"{".__add__))
def test_no_bytes_make_reading_raise_anything_else(data: bytes) -> None:
    with suppress(RefusedError):
        assert read_events(data, WHOLE, NOW_MS)


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b"\xff", "malformed_request"),
        (b"{", "malformed_json"),
        (b'{"header": {"token": 7}}', "malformed_request"),
        (b'{"payload": "%"}', "malformed_request"),
        (b'{"events": []}', "no_messages"),
        (pb.Event(header=pb.Header(event_type=65 * "e")).SerializeToString(), "malformed_request"),
        (pb.Event(payload=bytes(limits.PAYLOAD_BYTES_MAX + 1)).SerializeToString(), "too_large"),
    ],
)
def test_what_is_none_is_refused_by_name(payload: bytes, name: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read_events(payload, WHOLE, NOW_MS)
    assert refused.value.refusal == name
