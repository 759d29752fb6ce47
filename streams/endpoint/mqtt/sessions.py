"""What outlives a connection, so that a client that comes back is understood.

A session is one device's and has the client's id: nobody can take over another device's. The
process that the client is connected to holds it in memory. What a restart forgets is recognised
all the same where messages carry ids of their own.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from mqtt5 import DisconnectReasonCode, Will

from streams import limits
from streams.endpoint.admission import Refusal, RefusedError
from streams.registry.entries import Device, Publisher


class Endable(Protocol):
    """A client's connection, to others."""

    def end(self, reason: DisconnectReasonCode, text: str) -> None:
        """Close it, saying why."""
        ...


class Session:
    """One client's.

    Attributes:
        sender: whose it is.
        client_id: as the client named itself, or was named.
        connection: the one that it has now.
        expiry_s: how long it is kept without a connection.
        left_s: when it had its last one, on the door's clock.
        received: packet ids of QoS 2 whose message Kafka has and whose PUBREL has not come.
    """

    __slots__ = (
        "_ids", "client_id", "connection", "expiry_s", "left_s", "received", "sender",
    )  # fmt: skip

    def __init__(self, sender: Device | Publisher, client_id: str) -> None:
        self.sender = sender
        self.client_id = client_id
        self.connection: Endable | None = None
        self.expiry_s = 0
        self.left_s = 0.0
        self.received: set[int] = set()
        self._ids: dict[bytes, str] = {}

    def sent_before(self, packet_id: bytes) -> str | None:
        """The message id of the latest PUBLISH with a packet id, for when it comes again."""
        return self._ids.get(packet_id)

    def remember(self, packet_ids: Sequence[bytes], message_ids: Sequence[str]) -> None:
        """Message ids of PUBLISHes, by the packet ids' two bytes; of as many as a client may have
        under way."""
        ids = self._ids
        for packet_id in packet_ids:
            ids.pop(packet_id, None)
        ids.update(zip(packet_ids, message_ids, strict=True))
        over = len(ids) - max(limits.MQTT_RECEIVE_MAX, len(packet_ids))
        for packet_id in list(islice(ids, max(over, 0))):
            del ids[packet_id]

    def begin_anew(self) -> None:
        """A clean start: but a message that comes again is recognised nonetheless, because
        clients of MQTT 3.1.1 send again what they have under way after any start."""
        self.received.clear()


class Sessions:
    """All sessions of a process."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], Session] = {}  # the longest unused first
        self._by_sender: dict[str, set[Session]] = {}
        self._wills: dict[Session, tuple[Will, float]] = {}  # and when they are due

    def open(
        self,
        sender: Device | Publisher,
        client_id: str,
        *,
        is_clean: bool,
        connection: Endable,
        now_s: float,
    ) -> tuple[Session, bool]:
        """A client's session, which has this connection from now on, and whether it was there.

        Its former connection ends.

        Raises:
            RefusedError: OVERLOADED, the device has too many connections.
        """
        key = sender.name, client_id
        session = self._sessions.pop(key, None)
        others = self._by_sender.setdefault(sender.name, set())
        if session is None:
            connected = sum(other.connection is not None for other in others)
            if connected >= limits.MQTT_DEVICE_CONNECTIONS_MAX:
                raise RefusedError(
                    Refusal.OVERLOADED,
                    f"a device may have {limits.MQTT_DEVICE_CONNECTIONS_MAX} connections at once",
                )
            self._make_room(others)
        former = None if session is None else session.connection
        was_there = (
            session is not None
            and not is_clean
            and (former is not None or now_s <= session.left_s + session.expiry_s)
        )
        session = session or Session(sender, client_id)
        session.sender = sender
        session.connection = connection
        self._wills.pop(session, None)
        if not was_there:
            session.begin_anew()
        self._sessions[key] = session
        self._by_sender.setdefault(sender.name, set()).add(session)
        if former is not None:
            former.end(DisconnectReasonCode.SESSION_TAKEN_OVER, "the client has connected anew")
        return session, was_there

    def leave(self, session: Session, connection: Endable, now_s: float, will: Will | None) -> None:
        """A connection ended; its will is said unless the client is back in time."""
        delay_s = 0
        if session.connection is connection:
            session.connection = None
            session.left_s = now_s
            delay_s = 0 if will is None else min(will.will_delay_interval, session.expiry_s)
        if will is not None:
            self._wills[session] = (will, now_s + delay_s)

    def due_wills(self, now_s: float) -> list[tuple[Device | Publisher, Will]]:
        """The wills that are to be said now, and whose they are."""
        due = [session for session, (_, due_s) in self._wills.items() if due_s <= now_s]
        return [(session.sender, self._wills.pop(session)[0]) for session in due]

    def of(self, name: str) -> list[Session]:
        """The sessions of a device or publisher."""
        return list(self._by_sender.get(name, ()))

    def expire(self, now_s: float) -> None:
        """Forget those that have been without a connection for long enough."""
        for session in list(self._sessions.values()):
            # What makes a message sent again recognisable stays longer than the client asks for.
            if session.connection is None and now_s > session.left_s + limits.MQTT_SESSION_S:
                self._forget(session)

    def _make_room(self, others: set[Session]) -> None:
        idle = [other for other in others if other.connection is None]
        if len(others) >= 2 * limits.MQTT_DEVICE_CONNECTIONS_MAX:
            self._forget(min(idle, key=lambda other: other.left_s))
        if len(self._sessions) >= limits.MQTT_SESSIONS_MAX:
            self._forget(next(one for one in self._sessions.values() if one.connection is None))

    def _forget(self, session: Session) -> None:
        del self._sessions[session.sender.name, session.client_id]
        others = self._by_sender[session.sender.name]
        others.discard(session)
        if not others:
            del self._by_sender[session.sender.name]
