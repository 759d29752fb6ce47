"""A client that says exactly what a test wants, and shows exactly what comes back."""

import asyncio
from typing import Any

import mqtt5

from streams.endpoint.mqtt.codec import V3_1_1, V5

WAIT_S = 30


class Dialogue:
    """MQTT 5 packets over TCP."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._data = b""

    async def __aenter__(self) -> "Dialogue":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    def send(self, packet: Any) -> None:
        self.send_bytes(packet if isinstance(packet, bytes) else packet.write())

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    async def hear(self) -> Any:
        """The next packet; None: the connection has ended."""
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    packet, size = mqtt5.read(self._data)  # type: ignore[arg-type]
                except IndexError:
                    try:
                        data = await self._reader.read(65_536)
                    except ConnectionError:
                        return None
                    if not data:
                        return None
                    self._data += data
                    continue
                self._data = self._data[size:]
                return packet

    async def hear_bytes(self, size: int) -> bytes:
        """So many bytes, as they are; fewer if the connection ends."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self._reader.readexactly(size)
            except asyncio.IncompleteReadError as error:
                return error.partial

    async def connect(self, name: str, token: str, **more: Any) -> mqtt5.ConnAckPacket:
        self.send(connect(name, token, **more))
        answer = await self.hear()
        assert isinstance(answer, mqtt5.ConnAckPacket), answer
        return answer


def connect(name: str, token: str, client_id: str = "a", **more: Any) -> mqtt5.ConnectPacket:
    return mqtt5.ConnectPacket(
        client_id, username=name or None, password=token.encode() or None, **more
    )


def publish(
    topic: str, payload: bytes, packet_id: int | None = 1, qos: int = 1, **more: Any
) -> mqtt5.PublishPacket:
    return mqtt5.PublishPacket(
        topic, payload, qos=mqtt5.QoS(qos), packet_id=packet_id if qos else None, **more
    )


def as_3_1_1(frame: bytes) -> bytes:
    """A packet without properties, will or long length, as MQTT 3.1.1 has it.

    Of CONNECT, PUBLISH and those that are alike in both versions.
    """
    kind = frame[0] >> 4
    start = 2 if frame[1] < 0x80 else 3
    body = frame[start:]
    if kind == 1:
        assert body[6] == V5
        properties_end = 11 + body[10]
        body = body[:6] + bytes([V3_1_1]) + body[7:10] + body[properties_end:]
    elif kind == 3:
        at = 2 + int.from_bytes(body[:2]) + (2 if frame[0] & 0b110 else 0)
        assert body[at] == 0
        body = body[:at] + body[at + 1 :]
    length = (
        bytes([len(body)]) if len(body) < 0x80 else bytes([len(body) & 0x7F | 0x80, len(body) >> 7])
    )
    return frame[:1] + length + body
