"""What outlives a connection, so that a client that comes back is understood.

A session is one device's and has the client's id: nobody can take over another device's. The
process that the client is connected to holds it in memory; its subscriptions, and the messages that
wait for it, are on Kafka too (`keeping`), where the client wants its session kept at all. What a
restart forgets is recognised all the same where messages carry ids of their own.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final, Protocol

from mqtt5 import DisconnectReasonCode, Will

from streams import limits, metrics
from streams.clock import Clock
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.append import Settled
from streams.endpoint.mqtt.filters import matches
from streams.endpoint.mqtt.keeping import Found, Keeping, KeptSession, SessionName
from streams.endpoint.mqtt.outbox import Downlink, Outbox, Room
from streams.registry.entries import Device, Publisher

log = logging.getLogger(__name__)

_PAUSE_S: Final = 1.0  # before Kafka is tried again


class Attached(Protocol):
    """A client's connection, to others."""

    def flush(self) -> None:
        """Send what waits in the session's outbox."""
        ...

    def tell(self, message: Downlink) -> None:
        """Send a message of QoS 0."""
        ...

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
        subscriptions: QoS, 0 or 1, by topic filter.
        outbox: what waits for the client, or has not been acknowledged by it.
        is_kept: whether there is a record of it.
    """

    __slots__ = (
        "_ids", "client_id", "connection", "expiry_s", "is_kept", "left_s", "outbox", "received",
        "sender", "subscriptions",
    )  # fmt: skip

    def __init__(self, sender: Device | Publisher, client_id: str, room: Room) -> None:
        self.sender = sender
        self.client_id = client_id
        self.connection: Attached | None = None
        self.expiry_s = 0
        self.left_s = 0.0
        self.received: set[int] = set()
        self.subscriptions: dict[str, int] = {}
        self.outbox = Outbox(room)
        self.is_kept = False
        self._ids: dict[bytes, bytes] = {}

    @property
    def name(self) -> SessionName:
        """What it is called where it is kept."""
        return SessionName(self.sender.name, self.client_id)

    def is_alive(self, now_s: float) -> bool:
        """Whether it has a connection, or may get one again."""
        return self.connection is not None or now_s <= self.left_s + self.expiry_s

    def quality_of(self, topic: str) -> int | None:
        """With which QoS it is to be told of a topic's messages; None: not at all."""
        found = [qos for one, qos in self.subscriptions.items() if matches(one, topic)]
        return max(found, default=None)

    def sent_before(self, packet_id: bytes) -> bytes | None:
        """The message id of the latest PUBLISH with a packet id, for when it comes again."""
        return self._ids.get(packet_id)

    def remember(self, packet_ids: Sequence[bytes], message_ids: Sequence[bytes]) -> None:
        """Message ids of PUBLISHes, both as bytes; of as many as a client may have
        under way."""
        ids = self._ids
        for packet_id in packet_ids:
            ids.pop(packet_id, None)
        ids.update(zip(packet_ids, message_ids, strict=True))
        over = len(ids) - max(limits.MQTT_RECEIVE_MAX, len(packet_ids))
        if over > 0:
            for packet_id in list(islice(ids, over)):
                del ids[packet_id]

    def begin_anew(self) -> None:
        """A clean start: but a message that comes again is recognised nonetheless, because
        clients of MQTT 3.1.1 send again what they have under way after any start."""
        self.received.clear()
        self.subscriptions.clear()


class Sessions:
    """All sessions of a process."""

    def __init__(self, keeping: Keeping, clock: Clock) -> None:
        self._keeping = keeping
        self._clock = clock
        self._room = Room()
        self._sessions: dict[tuple[str, str], Session] = {}  # the longest unused first
        self._by_sender: dict[str, set[Session]] = {}
        self._wills: dict[Session, tuple[Will, float]] = {}  # and when they are due

    def open(
        self,
        sender: Device | Publisher,
        client_id: str,
        *,
        is_clean: bool,
        connection: Attached,
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
        session = session or Session(sender, client_id, self._room)
        session.sender = sender
        session.connection = connection
        self._wills.pop(session, None)
        if not was_there:
            self._begin_anew(session)
        self._sessions[key] = session
        self._by_sender.setdefault(sender.name, set()).add(session)
        if former is not None:
            former.end(DisconnectReasonCode.SESSION_TAKEN_OVER, "the client has connected anew")
        return session, was_there

    def leave(
        self, session: Session, connection: Attached, now_s: float, will: Will | None
    ) -> None:
        """A connection ended; its will is said unless the client is back in time."""
        delay_s = 0
        if session.connection is connection:
            session.connection = None
            session.left_s = now_s
            if session.expiry_s:
                self.save_quietly(session)
            else:
                self._begin_anew(session)
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
            away_s = 0.0 if session.connection is not None else now_s - session.left_s
            if away_s > session.expiry_s and session.is_kept:
                self._begin_anew(session)
            # What makes a message sent again recognisable stays longer than the client asks for.
            if away_s > max(session.expiry_s, limits.MQTT_RECOGNISED_S):
                self._forget(session)

    # --- what is kept ----------------------------------------------------------------------------

    def restore(
        self,
        kept: Mapping[SessionName, Found],
        sender_of: Callable[[str], Device | Publisher | None],
    ) -> None:
        """Take over the sessions of a process before this one.

        Args:
            kept: what `Keeping.load` found.
            sender_of: whose a session is, by name; None: nobody's any more.
        """
        now_s, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        for name, found in kept.items():
            sender = sender_of(name.sender)
            if found.session is None or sender is None:
                self._keeping.remove(name, found.messages.values(), whole=True)
                continue
            session = Session(sender, name.client_id, self._room)
            session.is_kept = True
            session.expiry_s = found.session.expiry_s
            left_ms = now_ms if found.session.left_ms is None else found.session.left_ms
            session.left_s = now_s - (now_ms - left_ms) / 1000
            session.subscriptions |= found.session.subscriptions
            for message in found.messages.values():
                self.told(session, session.outbox.put(message))
            self._sessions[name.sender, name.client_id] = session
            self._by_sender.setdefault(name.sender, set()).add(session)

    def save(self, session: Session, settled: Settled) -> None:
        """Keep what the client wants kept; ``settled`` is told when that is so.

        Raises:
            RefusedError: LOG_UNAVAILABLE.
        """
        if not (session.expiry_s and session.subscriptions):
            if session.is_kept:
                session.is_kept = False
                self._keeping.remove(session.name, session.outbox, whole=True)
            return settled(None)
        left_ms = None if session.connection is not None else self._clock.now_ms()
        kept = KeptSession(session.expiry_s, left_ms, dict(session.subscriptions))
        session.is_kept = True
        return self._keeping.put_session(session.name, kept, settled)

    def save_quietly(self, session: Session) -> None:
        """As `save`, where nobody waits: without it the session only expires at another time."""
        if session.is_kept or session.subscriptions:
            with suppress(RefusedError):
                self.save(session, lambda _: None)

    async def bring(self, told: Sequence[tuple[Session, int, Downlink]]) -> None:
        """Send messages to clients, each with its QoS; those that are to be kept are kept first.

        While Kafka is away it waits.
        """
        kept = [
            (session.name, message) for session, qos, message in told if qos and session.is_kept
        ]
        while True:
            try:
                await self._keeping.put_messages(kept)
                break
            except RefusedError as refused:
                log.warning("messages to MQTT clients wait: %s", refused)
                await asyncio.sleep(_PAUSE_S)
        for session, qos, message in told:
            connection = session.connection
            if qos:
                lost = session.outbox.put(message)
                metrics.ENDPOINT_DOWNLINKS.labels("lost").inc(len(lost))
                self.told(session, lost)
                if connection is not None:
                    connection.flush()
            elif connection is not None:
                connection.tell(message)

    def told(self, session: Session, messages: Sequence[Downlink]) -> None:
        """These need not be kept any more."""
        if session.is_kept:
            self._keeping.remove(session.name, messages, whole=False)

    def _begin_anew(self, session: Session) -> None:
        session.begin_anew()
        messages = session.outbox.clear()
        if session.is_kept:
            session.is_kept = False
            self._keeping.remove(session.name, messages, whole=True)

    # --- room ------------------------------------------------------------------------------------

    def _make_room(self, others: set[Session]) -> None:
        idle = [other for other in others if other.connection is None]
        if len(others) >= 2 * limits.MQTT_DEVICE_CONNECTIONS_MAX:
            self._forget(min(idle, key=lambda other: other.left_s))
        if len(self._sessions) >= limits.MQTT_SESSIONS_MAX:
            self._forget(next(one for one in self._sessions.values() if one.connection is None))

    def _forget(self, session: Session) -> None:
        self._begin_anew(session)
        del self._sessions[session.sender.name, session.client_id]
        others = self._by_sender[session.sender.name]
        others.discard(session)
        if not others:
            del self._by_sender[session.sender.name]
