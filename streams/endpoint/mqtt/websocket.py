"""MQTT over WebSockets: the HTTP door's path ``/mqtt``, subprotocol ``mqtt`` [5 section 6].

A frame may hold part of a packet or several; what is not binary ends the connection. Whoever opens
one has to send a token like any client: a certificate, which a browser would show for a page of
anybody's, does not stand for one here.
"""

import asyncio
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from streams import limits
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.mqtt.connection import Connection
from streams.endpoint.mqtt.door import MqttDoor

PATH: Final = "/mqtt"
_PROTOCOL: Final = "mqtt"
_CLOSE_S: Final = 5.0  # how long a client may take to say that it closes too


class WebSockets:
    """Takes connections of an MQTT door over HTTP."""

    def __init__(self, door: MqttDoor) -> None:
        self._door = door

    async def take(self, request: web.Request) -> web.WebSocketResponse:
        """A request to become a connection; returns when that has ended.

        Raises:
            RefusedError: MALFORMED_REQUEST, it does not ask for MQTT over a WebSocket; or
                OVERLOADED.
        """
        socket = web.WebSocketResponse(
            protocols=(_PROTOCOL,),
            max_msg_size=limits.MQTT_WEBSOCKET_BYTES_MAX,
            compress=False,
            timeout=_CLOSE_S,
        )
        ready = socket.can_prepare(request)
        if not ready.ok or ready.protocol != _PROTOCOL:
            raise RefusedError(
                Refusal.MALFORMED_REQUEST,
                f"a WebSocket of the subprotocol {_PROTOCOL} is opened here",
            )
        link = _WebSocket(socket)
        connection = self._door.opened(link)
        if connection is None:
            raise RefusedError(Refusal.OVERLOADED, "too many MQTT connections: try again later")
        try:
            await socket.prepare(request)
            await link.carry(connection)
        finally:
            self._door.lost(connection)
        return socket


class _WebSocket:
    """A `Link`."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._unsent = bytearray()
        self._is_held = False
        self._is_closed = False
        self._news = asyncio.Event()  # something to send, or the end
        self._readable = asyncio.Event()
        self._readable.set()

    @property
    def is_full(self) -> bool:
        return len(self._unsent) > limits.MQTT_WRITE_BYTES_MAX

    def write(self, data: bytes) -> None:
        if not self._is_closed:
            self._unsent += data
            self._regulate()
            self._news.set()

    def close(self) -> None:
        self._is_closed = True
        self._news.set()

    def hold(self, is_held: bool) -> None:
        self._is_held = is_held
        self._regulate()

    def _regulate(self) -> None:
        if self._is_held or self.is_full:
            self._readable.clear()
        else:
            self._readable.set()

    async def carry(self, connection: Connection) -> None:
        """Bytes in and out, until either side ends it."""
        sending = asyncio.create_task(self._send())
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.BINARY:
                    await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
                    break
                connection.receive(message.data)
                await self._readable.wait()
        finally:
            self.close()
            await sending

    async def _send(self) -> None:
        try:
            while self._unsent or not self._is_closed:
                self._news.clear()
                data = bytes(self._unsent)
                self._unsent.clear()
                self._regulate()
                if data:
                    await self._socket.send_bytes(data)
                else:
                    await self._news.wait()
            await self._socket.close()
        except ConnectionError:
            self._is_closed = True  # the client has gone
            self._readable.set()
