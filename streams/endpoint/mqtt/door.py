"""The listener: sockets to connections, and what is done to them by the clock."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from mqtt5 import DisconnectReasonCode

from streams import limits
from streams.clock import Clock
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.append import Appender
from streams.endpoint.intake import Intake
from streams.endpoint.mqtt.connection import Connection
from streams.endpoint.mqtt.downlinks import Downlinks
from streams.endpoint.mqtt.keeping import Keeping
from streams.endpoint.mqtt.link import Link
from streams.endpoint.mqtt.publishing import say_will
from streams.endpoint.mqtt.pushing import Pushing
from streams.endpoint.mqtt.reasons import DOOR
from streams.endpoint.mqtt.sessions import Sessions
from streams.endpoint.tls import certified_did
from streams.registry.entries import Device, DeviceStatus, Entry, Hold, Kind, Publisher
from streams.registry.view import Registry

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
_LOOKS_AN_EXPIRY: Final = 60
_BACKLOG: Final = 1_024
_CLOSE_S: Final = 5.0  # how long a closed connection may take to send what is left


class _Socket(asyncio.Protocol):
    """A connection over TCP, with TLS or without."""

    __slots__ = ("_connection", "_door", "_is_full", "_is_held", "_transport")

    def __init__(self, door: "MqttDoor") -> None:
        self._door = door
        self._connection: Connection | None = None
        self._transport: asyncio.Transport | None = None
        self._is_held = False  # by the connection
        self._is_full = False  # by a client that does not read

    # --- asyncio's side --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = socket = cast(asyncio.Transport, transport)
        did = certified_did(socket.get_extra_info("peercert"))
        self._connection = self._door.opened(self, did)
        if self._connection is None:
            socket.abort()
        else:
            socket.set_write_buffer_limits(limits.MQTT_WRITE_BYTES_MAX)

    def data_received(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.receive(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self._connection is not None:
            self._door.lost(self._connection)

    def pause_writing(self) -> None:
        self._is_full = True
        self._regulate()

    def resume_writing(self) -> None:
        self._is_full = False
        self._regulate()

    # --- the connection's side (`Link`) ----------------------------------------------------------

    @property
    def is_full(self) -> bool:
        return self._is_full

    def write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            asyncio.get_running_loop().call_later(_CLOSE_S, self._transport.abort)

    def hold(self, is_held: bool) -> None:
        self._is_held = is_held
        self._regulate()

    def _regulate(self) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        if self._is_held or self._is_full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


class MqttDoor:
    """Listens for MQTT clients; made and used on one event loop."""

    def __init__(
        self,
        kafka: Mapping[str, Any],
        intake: Intake,
        appender: Appender,
        registry: Registry,
        clock: Clock,
        instance: str,
    ) -> None:
        """``instance``: this process's name among the node's endpoints, as after a restart."""
        self._intake = intake
        self._registry = registry
        self._clock = clock
        self._keeping = Keeping(kafka, appender, clock)
        self._sessions = Sessions(self._keeping, clock)
        self._pushing = Pushing(intake, registry, self._sessions, clock)
        self._downlinks = Downlinks(kafka, registry, self._sessions, clock, instance)
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._looks = 0
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over the sessions that are kept; begin to look after connections.

        Raises:
            KeepingError: they could not be read.
        """
        kept = await asyncio.to_thread(self._keeping.load)
        self._sessions.restore(kept, self._sender)
        loop = asyncio.get_running_loop()

        def on_dapp(*_: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._dapps_changed)

        def on_change(kind: Kind, name: str, entry: Entry | None) -> None:
            why = f"{Refusal.DEVICE_REVOKED}: by its owner or the operator"
            if isinstance(entry, Device | Publisher) and entry.status is DeviceStatus.ACTIVE:
                return
            if kind is Kind.HOLD:
                if not isinstance(entry, Hold):
                    return
                why = f"{Refusal.CREDENTIAL_REFUSED}: {entry.fault}"
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._revoked, name, why)

        self._registry.subscribe(on_change, [Kind.DEVICE, Kind.PUBLISHER, Kind.HOLD])
        self._registry.subscribe(on_dapp, [Kind.DAPP])
        self._downlinks.start()
        self._looking = asyncio.create_task(self._look())

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Take connections there; the port, which is a free one for 0.

        Raises:
            OSError: the address is taken or not ours.
        """
        server = await asyncio.get_running_loop().create_server(
            lambda: _Socket(self), host, port, ssl=tls, backlog=_BACKLOG
        )
        self._servers.append(server)
        opened: int = server.sockets[0].getsockname()[1]
        log.info("MQTT door open on %s:%d", host, opened)
        return opened

    async def stop(self) -> None:
        """Take no more, and let the clients go."""
        for server in self._servers:
            server.close()
        if self._looking is not None:
            self._looking.cancel()
        await self._downlinks.stop()
        for connection in list(self._connections):
            connection.part()
            self.lost(connection)  # while what is kept of its session can be written
        for server in self._servers:
            await server.wait_closed()

    # --- what links tell -------------------------------------------------------------------------

    def opened(self, link: Link, did: str | None = None) -> Connection | None:
        """A new connection, of whom its certificate names; None, there are too many."""
        if len(self._connections) >= limits.MQTT_CONNECTIONS_MAX:
            full = RefusedError(Refusal.OVERLOADED, "too many MQTT connections: try again later")
            self._intake.refusals.count(DOOR, full)
            return None
        connection = Connection(self._intake, self._sessions, self._pushing, self._clock, link, did)
        self._connections.add(connection)
        return connection

    def lost(self, connection: Connection) -> None:
        """A connection's link is gone."""
        self._connections.discard(connection)
        connection.lost()

    # --- by the clock ----------------------------------------------------------------------------

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            # After a long turn, the loop's timers come before what clients have sent in it.
            await asyncio.sleep(0)
            _guarded(self._look_once)

    def _look_once(self) -> None:
        now_s = self._clock.monotonic_s()
        for connection in list(self._connections):
            connection.look(now_s)
        self._looks += 1
        if self._looks % _LOOKS_AN_EXPIRY == 0:
            self._sessions.expire(now_s)
        for sender, will in self._sessions.due_wills(now_s):
            say_will(self._intake, self._clock, sender, will)

    def _dapps_changed(self) -> None:
        self._downlinks.subscribe([dapp.name for dapp in self._registry.dapps()])

    def _sender(self, name: str) -> Device | Publisher | None:
        """Whose session it is, by its name."""
        return self._registry.device(name) or self._registry.publisher(*name.partition("/")[::2])

    def _revoked(self, name: str, why: str) -> None:
        for session in self._sessions.of(name):
            if session.connection is not None:
                session.connection.end(DisconnectReasonCode.NOT_AUTHORIZED, why)


def _guarded(do: Callable[[], None]) -> None:
    try:
        do()
    except Exception:  # the next look must come
        log.exception("looking after MQTT connections failed")
