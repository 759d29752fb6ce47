"""Bytes to packets and back, for one connection.

The library `mqtt5` reads and writes MQTT 5 (0.7 µs a PUBLISH). A packet of MQTT 3.1.1 differs from
MQTT 5's in that it has no properties, so it is read as one whose properties are empty; what is
written to such a client is the few packets below.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PubAckPacket,
    PubAckReasonCode,
    PubCompPacket,
    PubCompReasonCode,
    PublishPacket,
    PubRecPacket,
    PubRecReasonCode,
    QoS,
    SubAckPacket,
    SubAckReasonCode,
    UnsubAckPacket,
    UnsubAckReasonCode,
    read,
)

from streams import limits
from streams.endpoint.mqtt.runs import Run, read_run
from streams.endpoint.mqtt.texts import check_texts

_Told = ConnAckPacket | PubAckPacket | PubRecPacket | DisconnectPacket

V3_1_1: Final = 4  # protocol levels [3.1.1 section 3.1.2.2, 5 section 3.1.2.2]
V5: Final = 5

_CONNECT, _PUBLISH, _SUBSCRIBE, _UNSUBSCRIBE = 1, 3, 8, 10
_ACKNOWLEDGEMENTS: Final = frozenset({4, 5, 6, 7})
_NO_PROPERTIES: Final = b"\x00"
_PROTOCOL_NAME: Final = b"\x00\x04MQTT"
_OLD_PROTOCOL_NAME: Final = b"\x00\x06MQIsdp"  # MQTT 3.1
_LENGTH_BYTES_MAX: Final = 4
PINGRESP: Final = b"\xd0\x00"
# To a client whose version is not served [3.1.1 section 3.2.2.3, 5 section 3.2.2.2].
_WRONG_VERSION_3: Final = b"\x20\x02\x00\x01"
_WRONG_VERSION_5: Final = b"\x20\x03\x00\x84\x00"
# MQTT 3.1.1 has six return codes; every other reason is "not authorized". Numbers, because the
# library's enumerations have no hash.
_RETURN_CODES: Final = {
    int(ConnAckReasonCode.SUCCESS): 0,
    int(ConnAckReasonCode.CLIENT_ID_NOT_VALID): 2,
    int(ConnAckReasonCode.SERVER_UNAVAILABLE): 3,
    int(ConnAckReasonCode.SERVER_BUSY): 3,
    int(ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD): 4,
}
_NOT_AUTHORIZED: Final = 5


class FrameError(Exception):
    """Bytes that are no packet of a client's; the connection cannot go on."""

    def __init__(
        self,
        message: str,
        reason: DisconnectReasonCode = DisconnectReasonCode.MALFORMED_PACKET,
        answer: bytes = b"",
    ) -> None:
        """``answer``: what to send before closing, where it is not a DISCONNECT."""
        super().__init__(message)
        self.reason = reason
        self.answer = answer


class Codec:
    """Cuts a connection's bytes into packets, and writes packets in the client's version."""

    __slots__ = (
        "_needed", "_rest", "packet_bytes_max", "reads_runs", "tells_reasons", "version",
        "writes_bytes_max",
    )  # fmt: skip

    def __init__(self) -> None:
        self.version = 0  # until the client's CONNECT has said it
        self.packet_bytes_max = limits.MQTT_CONNECT_BYTES_MAX
        self.reads_runs = False  # once the client may publish
        self.writes_bytes_max: int | None = None  # the client's own limit (MQTT 5)
        self.tells_reasons = True  # also in acknowledgements [5 section 3.1.2.11.7]
        self._rest = bytearray()
        self._needed = 0  # bytes that `_rest` must have before it is looked at again

    # --- from the client -------------------------------------------------------------------------

    def feed(self, data: bytes) -> Iterator[Packet | Run]:
        """The packets that are whole now; plain PUBLISHes in runs.

        Raises:
            FrameError: not MQTT 3.1.1 or 5, or larger than ``packet_bytes_max``.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest = bytearray()
        at, end = 0, len(data)
        while at < end:
            if self.reads_runs:
                run, at = read_run(data, at, is_v5=self.version == V5)
                if run is not None:
                    yield run
                    continue
            if (body := self._body_at(data, at, end)) is None:
                break
            start, after = body
            yield self._decode(data[at:after], start - at)
            at = after
        if at < end:
            self._rest = bytearray(data[at:])

    def _body_at(self, data: bytes, at: int, end: int) -> tuple[int, int] | None:
        """Where the body of the packet at ``at`` starts and ends; None: it is not whole."""
        size = shift = 0
        for length_bytes in range(1, _LENGTH_BYTES_MAX + 1):
            if at + length_bytes >= end:
                self._needed = length_bytes + 1
                return None
            byte = data[at + length_bytes]
            size |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        else:
            raise FrameError("a remaining length of over four bytes")
        if size > self.packet_bytes_max:
            raise FrameError(
                f"a packet of {size} bytes: it may have {self.packet_bytes_max}",
                DisconnectReasonCode.PACKET_TOO_LARGE,
            )
        start = at + 1 + length_bytes
        if start + size > end:
            self._needed = start + size - at
            return None
        return start, start + size

    def _decode(self, frame: bytes, start: int) -> Packet:
        """``start``: where the packet's body starts."""
        head, body = frame[0], frame[start:]
        if self.version != V5:
            body = self._lifted(head, body)
            frame = frame[:1] + _length(len(body)) + body
        try:
            check_texts(head, body)
            packet, _ = read(frame)  # type: ignore[arg-type]  # it takes any buffer
        except (ValueError, IndexError) as error:
            raise FrameError(f"malformed packet: {error}") from None
        return packet

    def _lifted(self, head: int, body: bytes) -> bytes:
        """The body of a packet of MQTT 3.1.1 as MQTT 5 has it."""
        kind = head >> 4
        if kind == _CONNECT:
            return self._lifted_connect(body)
        if not self.version:
            raise FrameError("the first packet is no CONNECT", DisconnectReasonCode.PROTOCOL_ERROR)
        if kind == _PUBLISH:
            at = 2 + int.from_bytes(body[:2]) + (2 if head & 0b110 else 0)
        elif kind in (_SUBSCRIBE, _UNSUBSCRIBE):
            at = 2
        elif len(body) == (2 if kind in _ACKNOWLEDGEMENTS else 0):
            return body
        else:
            raise FrameError("a packet of a wrong length")
        if at > len(body):
            raise FrameError("a packet that ends before its payload")
        return body[:at] + _NO_PROPERTIES + body[at:]

    def _lifted_connect(self, body: bytes) -> bytes:
        if body.startswith(_OLD_PROTOCOL_NAME):
            raise FrameError("MQTT 3.1: use 3.1.1 or 5", answer=_WRONG_VERSION_3)
        if not body.startswith(_PROTOCOL_NAME) or len(body) < 12:
            raise FrameError("a CONNECT that names no MQTT")
        version, flags = body[6], body[7]
        if version not in (V3_1_1, V5):
            answer = _WRONG_VERSION_5 if version > V5 else _WRONG_VERSION_3
            raise FrameError(f"MQTT of protocol level {version}: use 3.1.1 or 5", answer=answer)
        self.version = version
        if version == V5:
            return body
        client_id_end = 12 + int.from_bytes(body[10:12])
        will = _NO_PROPERTIES if flags & 0b100 else b""
        return b"".join(
            (body[:6], bytes([V5]), body[7:10], _NO_PROPERTIES, body[10:client_id_end], will,
             body[client_id_end:])
        )  # fmt: skip

    # --- to the client ---------------------------------------------------------------------------

    def accepted(
        self,
        *,
        session_present: bool,
        keep_alive_s: int,
        session_expiry_s: int,
        client_id: str | None,
    ) -> bytes:
        """A CONNACK that lets the client in, and says what it may do.

        Args:
            session_present: whether the client's session was there.
            keep_alive_s: the longest silence, which may differ from what the client asked for.
            session_expiry_s: how long its session is kept without a connection.
            client_id: the one that it was given, if it had none.
        """
        if self.version != V5:
            return bytes((0x20, 2, session_present, 0))
        return ConnAckPacket(
            session_present=session_present,
            assigned_client_id=client_id,
            server_keep_alive=keep_alive_s,
            session_expiry_interval=session_expiry_s,
            receive_max=limits.MQTT_RECEIVE_MAX,
            max_packet_size=limits.MQTT_PACKET_BYTES_MAX,
            retain_available=False,
            wildcard_subscription_available=True,
            subscription_id_available=False,
            shared_subscription_available=False,
        ).write()

    def refused(self, reason: ConnAckReasonCode, text: str) -> bytes:
        """A CONNACK that does not."""
        if self.version != V5:
            return bytes((0x20, 2, 0, _RETURN_CODES.get(int(reason), _NOT_AUTHORIZED)))
        told = ConnAckPacket(reason_code=reason, reason_str=text)
        return self._fitting(told, ConnAckPacket(reason_code=reason))

    @staticmethod
    def acknowledged(packet_ids: Sequence[bytes], qos: QoS) -> bytes:
        """PUBACKs, or PUBRECs, of messages that Kafka has."""
        head = b"\x50\x02" if qos == QoS.EXACTLY_ONCE else b"\x40\x02"
        return head + head.join(packet_ids)

    def not_published(self, packet_id: int, reason: PubAckReasonCode, text: str) -> bytes:
        """A PUBACK of MQTT 5 that says why not."""
        plain = PubAckPacket(packet_id, reason_code=reason)
        told = PubAckPacket(packet_id, reason_code=reason, reason_str=text)
        return self._fitting(told, plain) if self.tells_reasons else plain.write()

    def not_received(self, packet_id: int, reason: PubAckReasonCode, text: str) -> bytes:
        """As `not_published`, of QoS 2: a PUBREC."""
        code = PubRecReasonCode(int(reason))
        plain = PubRecPacket(packet_id, reason_code=code)
        told = PubRecPacket(packet_id, reason_code=code, reason_str=text)
        return self._fitting(told, plain) if self.tells_reasons else plain.write()

    def completed(self, packet_id: int, is_known: bool) -> bytes:
        """A PUBCOMP, the second answer to QoS 2."""
        if is_known or self.version != V5:
            return b"\x70\x02" + packet_id.to_bytes(2)
        return PubCompPacket(packet_id, reason_code=PubCompReasonCode.PACKET_ID_NOT_FOUND).write()

    def released(self, packet_id: int) -> bytes:
        """A PUBREL, the second half of a message of QoS 2 to the client."""
        return b"\x62\x02" + packet_id.to_bytes(2)

    def subscribed(self, packet_id: int, reasons: Sequence[SubAckReasonCode]) -> bytes:
        """A SUBACK; MQTT 3.1.1 has one code for every failure."""
        if self.version == V5:
            return SubAckPacket(packet_id, list(reasons)).write()
        codes = bytes(min(int(reason), 0x80) for reason in reasons)
        return b"\x90" + _length(2 + len(codes)) + packet_id.to_bytes(2) + codes

    def unsubscribed(self, packet_id: int, reasons: Sequence[UnsubAckReasonCode]) -> bytes:
        """An UNSUBACK."""
        if self.version == V5:
            return UnsubAckPacket(packet_id, list(reasons)).write()
        return b"\xb0\x02" + packet_id.to_bytes(2)

    def message(self, topic: str, payload: bytes, qos: QoS, packet_id: int, again: bool) -> bytes:
        """A PUBLISH to the client; ``packet_id`` counts for nothing with QoS 0."""
        level = int(qos)  # the enumeration itself is always true
        if self.version == V5:
            return PublishPacket(
                topic, payload, qos=qos, packet_id=packet_id if level else None, duplicate=again
            ).write()
        name = topic.encode()
        body = b"".join(
            (len(name).to_bytes(2), name, packet_id.to_bytes(2) if level else b"", payload)
        )
        return bytes([0x30 | again << 3 | level << 1]) + _length(len(body)) + body

    def disconnected(self, reason: DisconnectReasonCode, text: str) -> bytes:
        """A DISCONNECT that says why; MQTT 3.1.1 has none of a server's."""
        if self.version != V5:
            return b""
        told = DisconnectPacket(reason_code=reason, reason_str=text)
        return self._fitting(told, DisconnectPacket(reason_code=reason))

    def _fitting(self, told: _Told, plain: _Told) -> bytes:
        """With its text if the client's limit has room for it [5 section 3.4.2.2.2]."""
        written = told.write()
        if self.writes_bytes_max is not None and len(written) > self.writes_bytes_max:
            return plain.write()
        return written


def _length(size: int) -> bytes:
    """A remaining length [3.1.1 section 2.2.3]."""
    out = bytearray()
    while True:
        size, byte = size >> 7, size & 0x7F
        out.append(byte | 0x80 if size else byte)
        if not size:
            return bytes(out)
