"""Bytes that clients may send, and those that none should: nothing but a refusal comes of them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import uuid4

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.clock import SystemClock
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.answers import AnswerReader
from streams.endpoint.append import Appender
from streams.endpoint.intake import Intake
from streams.endpoint.mqtt.addresses import parse_address
from streams.endpoint.mqtt.codec import Codec, FrameError
from streams.endpoint.mqtt.connection import Connection
from streams.endpoint.mqtt.keeping import Keeping
from streams.endpoint.mqtt.pushing import Pushing
from streams.endpoint.mqtt.reasons import DOOR
from streams.endpoint.mqtt.runs import Run, plain_address
from streams.endpoint.mqtt.sessions import Sessions
from streams.endpoint.rates import Rates
from streams.endpoint.tokens import Challenges, Tokens
from streams.endpoint.transactions import TransactionalAppender
from streams.metrics import ENDPOINT_REFUSALS
from tests.endpoint.mqtt.dialogue import as_3_1_1, connect, publish
from tests.endpoint.setting import Node

CONNECT = connect("did:key:z6Mk", "token", clean_start=True, keep_alive=30)
PACKETS = [
    CONNECT,
    connect("d", "t", will=mqtt5.Will("v1/messages", payload=b"gone", will_delay_interval=3)),
    publish("v1/messages", b"payload", 7),
    publish("v1/messages", b"payload", None, qos=0, user_properties=[("id", "x"), ("a", "b")]),
    publish("v1/dapps/a/messages/b", b"", 65_535, qos=2, content_type="application/x-ndjson"),
    mqtt5.PubAckPacket(3),
    mqtt5.PubRecPacket(3),
    mqtt5.PubRelPacket(3),
    mqtt5.PubCompPacket(3),
    mqtt5.SubscribePacket(4, [mqtt5.TopicFilter("#"), mqtt5.TopicFilter("a/+")]),
    mqtt5.UnsubscribePacket(5, ["#"]),
    mqtt5.PingReqPacket(),
    mqtt5.AuthPacket(authentication_method="x"),
    mqtt5.DisconnectPacket(),
    mqtt5.ConnAckPacket(),
]
FRAMES = [packet.write() for packet in PACKETS]


@given(st.lists(st.sampled_from(PACKETS)), st.lists(st.integers(1, 40), min_size=1))
def test_packets_come_out_as_they_went_in_however_they_are_cut(
    packets: list[Any], cuts: list[int]
) -> None:
    sent = [CONNECT, *packets]
    data = b"".join(packet.write() for packet in sent)
    codec = Codec()
    found = []
    at = number = 0
    while at < len(data):
        size = cuts[number % len(cuts)]
        found += list(codec.feed(data[at : at + size]))
        at += size
        number += 1
    assert [packet.write() for packet in found] == [packet.write() for packet in sent]


@given(st.text("abc/é", min_size=1), st.binary(max_size=300), st.integers(1, 65_535), st.booleans())
def test_mqtt_3_1_1_reads_as_mqtt_5(topic: str, payload: bytes, id_: int, again: bool) -> None:
    codec = Codec()
    frames = [
        CONNECT.write(),
        publish(topic, payload, id_, qos=2, duplicate=again).write(),
        publish(topic, payload, qos=0).write(),
    ]
    (first, second, third) = codec.feed(b"".join(as_3_1_1(frame) for frame in frames))
    assert isinstance(first, mqtt5.ConnectPacket)
    assert (first.username, first.password, first.keep_alive) == ("did:key:z6Mk", b"token", 30)
    assert isinstance(second, mqtt5.PublishPacket)
    assert (second.topic, second.payload, second.packet_id) == (topic, payload, id_)
    assert second.duplicate == again
    assert isinstance(third, mqtt5.PublishPacket)
    assert (third.payload, third.packet_id) == (payload, None)


def test_a_last_will_of_mqtt_3_1_1() -> None:
    body = b"\x00\x04MQTT\x04\xc6\x00\x0a\x00\x01a\x00\x01w\x00\x03bye\x00\x01u\x00\x01p"
    (packet,) = Codec().feed(b"\x10" + bytes([len(body)]) + body)
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert packet.will is not None
    assert (packet.will.topic, packet.will.payload, packet.username) == ("w", b"bye", "u")


NOT_UTF_8 = [
    frame.replace(b"@@", b"\xff\xff")
    for frame in (
        connect("@@", "t").write(),
        connect("d", "t", client_id="@@").write(),
        connect("d", "t", user_properties=[("a", "@@")]).write(),
        connect("d", "t", will=mqtt5.Will("@@")).write(),
        connect("d", "t", will=mqtt5.Will("w", user_properties=[("@@", "")])).write(),
        connect("d", "t", will=mqtt5.Will("w", response_topic="@@")).write(),
        publish("@@", b"").write(),
        publish("v1/messages", b"", content_type="@@").write(),
        publish("v1/messages", b"", response_topic="@@", message_expiry_interval=2**31).write(),
        publish("v1/messages", b"", correlation_data=b"\xff", user_properties=[("@@", "")]).write(),
        mqtt5.SubscribePacket(4, [mqtt5.TopicFilter("a"), mqtt5.TopicFilter("@@")]).write(),
        mqtt5.SubscribePacket(4, [mqtt5.TopicFilter("a")], user_properties=[("@@", "")]).write(),
        mqtt5.UnsubscribePacket(5, ["@@"]).write(),
        mqtt5.PubAckPacket(3, reason_str="@@").write(),
        mqtt5.PubCompPacket(3, user_properties=[("a", "@@")]).write(),
        mqtt5.AuthPacket(authentication_method="@@").write(),
        mqtt5.DisconnectPacket(reason_str="@@").write(),
    )
]


@pytest.mark.parametrize("frame", NOT_UTF_8)
def test_a_text_that_is_not_utf_8_is_refused(frame: bytes) -> None:
    codec = Codec()
    if frame[0] != CONNECT.write()[0]:
        list(codec.feed(CONNECT.write()))
    with pytest.raises(FrameError, match="decode"):
        list(codec.feed(frame))


def _in_terms_of_packets(found: Iterable[Any]) -> list[Any]:
    """Packets' bytes; a run's as those of the packets that it was."""
    packets: list[Any] = []
    for one in found:
        if isinstance(one, Run):
            ids = [int.from_bytes(id_) for id_ in one.packet_ids] or [None] * len(one.payloads)
            packets += [(one.address, *pair) for pair in zip(ids, one.payloads, strict=True)]
        elif isinstance(one, mqtt5.PublishPacket) and _is_plain(one):
            packets.append((parse_address(one.topic), one.packet_id, one.payload))
        else:
            packets.append(one.write())
    return packets


def _is_plain(packet: mqtt5.PublishPacket) -> bool:
    if packet.qos == mqtt5.QoS.EXACTLY_ONCE:
        return False
    name = packet.topic.encode()
    plain = publish(packet.topic, packet.payload, packet.packet_id, int(packet.qos))
    is_known = plain_address(len(name).to_bytes(2) + name) is not None
    return is_known and packet.write() == plain.write()


def _read(data: bytes, cut: int, is_old: bool, reads_runs: bool) -> tuple[list[Any], str]:
    """What a codec makes of bytes that come in two pieces, and why it goes no further."""
    codec = Codec()
    list(codec.feed(as_3_1_1(CONNECT.write()) if is_old else CONNECT.write()))
    codec.reads_runs = reads_runs
    found: list[Any] = []
    try:
        for piece in (data[:cut], data[cut:]):
            found.extend(codec.feed(piece))  # what came before an error stays
    except FrameError as error:
        return _in_terms_of_packets(found), str(error)
    return _in_terms_of_packets(found), ""


@st.composite
def plain_frames(draw: Callable[..., Any]) -> bytes:
    """PUBLISHes of which many are alike, some with a byte changed, and not all of the last one."""
    topics = ["v1/messages", "v1/dapps/a/messages/b", "a/push/token/b", "a", "else/where"]
    frames = []
    for _ in range(draw(st.integers(1, 6))):
        payload = draw(st.binary(max_size=5)) * draw(st.sampled_from([1, 1, 30]))
        topic, qos = draw(st.sampled_from(topics)), draw(st.sampled_from([1, 1, 1, 0, 0, 2]))
        packet = publish(topic, payload, draw(st.integers(1, 3)), qos)
        frames.append(packet.write())
    return b"".join(frames)


@given(st.data(), plain_frames(), st.booleans())
def test_runs_are_the_packets_that_the_codec_reads(
    data: st.DataObject, frames: bytes, is_old: bool
) -> None:
    changed = bytearray(_all_3_1_1(frames) if is_old else frames)
    for _ in range(data.draw(st.integers(0, 2))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    bytes_ = bytes(changed[: data.draw(st.integers(1, len(changed)))])
    cut = data.draw(st.integers(0, len(bytes_)))
    assert _read(bytes_, cut, is_old, True) == _read(bytes_, cut, is_old, False)


def _all_3_1_1(frames: bytes) -> bytes:
    found = b""
    while frames:
        _, size = mqtt5.read(frames)  # type: ignore[arg-type]
        found += as_3_1_1(frames[:size])
        frames = frames[size:]
    return found


def test_what_is_alike_is_one_run() -> None:
    codec = Codec()
    list(codec.feed(CONNECT.write()))
    codec.reads_runs = True
    one, two = (publish(topic, b"x", 1).write() for topic in ("v1/messages", "v1/messages/b"))
    unasked = publish("v1/messages", b"x", None, qos=0).write()
    found = list(codec.feed(3 * one + two + 2 * unasked))
    assert [len(run.payloads) for run in found if isinstance(run, Run)] == [3, 1, 2]
    assert [len(run.packet_ids) for run in found if isinstance(run, Run)] == [3, 1, 0]


@st.composite
def nearly_frames(draw: Callable[..., Any]) -> bytes:
    """Valid packets with some bytes changed, inserted or left out."""
    frames = draw(st.lists(st.sampled_from(FRAMES + NOT_UTF_8), min_size=1, max_size=4))
    data = bytearray(b"".join(frames))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(data)


@given(nearly_frames() | st.binary(max_size=200), st.booleans())
def test_no_bytes_make_the_codec_raise_anything_else(data: bytes, is_old: bool) -> None:
    codec = Codec()
    try:
        list(codec.feed(as_3_1_1(CONNECT.write()) if is_old else CONNECT.write()))
        list(codec.feed(data))
    except FrameError:
        pass


@given(st.text())
def test_every_topic_has_an_address_or_a_refusal(topic: str) -> None:
    name = "address"
    try:
        parse_address(topic)
    except RefusedError as refused:
        name = refused.refusal
    assert name in ("address", Refusal.NOT_FOUND)


# --- a connection, on a real Kafka ----------------------------------------------------------------


class Wire:
    """What carries a connection that is driven by hand."""

    def __init__(self) -> None:
        self.sent = b""
        self.is_closed = False
        self.is_full = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_closed = True

    def hold(self, is_held: bool) -> None:
        pass


@pytest.fixture
def talk(node: Node) -> Iterator[Callable[[list[bytes]], Wire]]:
    """Drives a connection of a device that is registered; fails if anything is raised within."""
    clock = SystemClock()

    def secrets() -> list[bytes]:
        return [bytes(32)]

    tokens = Tokens(secrets, clock)
    did = node.add_device().did
    hello = connect(did, tokens.issue(did)[0]).write()
    loop = asyncio.new_event_loop()
    appender = Appender(node.kafka)
    keeping = Keeping(node.kafka, appender, clock)
    intake = Intake(
        node.registry, Challenges(secrets, clock), tokens, appender,
        TransactionalAppender(node.kafka, uuid4().hex, clock),
        AnswerReader(node.kafka), Rates(clock), clock,
    )  # fmt: skip
    failures = ENDPOINT_REFUSALS.labels(DOOR, Refusal.INTERNAL)._value

    async def _talk(chunks: list[bytes], is_old: bool) -> Wire:
        wire = Wire()
        sessions = Sessions(keeping, clock)
        pushing = Pushing(intake, node.registry, sessions, clock)
        connection = Connection(intake, sessions, pushing, clock, wire)
        connection.receive(as_3_1_1(hello) if is_old else hello)
        assert wire.sent[:1] == b"\x20"
        assert not wire.is_closed
        for chunk in chunks:
            connection.receive(chunk)
        await asyncio.sleep(0)
        connection.lost()
        return wire

    before = failures.get()
    yield lambda chunks, is_old=False: loop.run_until_complete(_talk(chunks, is_old))
    assert failures.get() == before
    loop.run_until_complete(intake.close())
    loop.close()


@pytest.mark.services
def test_no_bytes_fail_a_connection(talk: Callable[..., Wire]) -> None:
    @given(st.lists(nearly_frames() | st.binary(max_size=60), max_size=4), st.booleans())
    def it(chunks: list[bytes], is_old: bool) -> None:
        talk(chunks, is_old)

    it()
